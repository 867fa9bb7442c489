"""One segment put together from rows of several runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.ingest.index.blob_columns import BlobColumn
from nemeton.ingest.index.columns import (
    MetricColumn,
    MultiStringColumn,
    NumberColumn,
    RunColumn,
    SegmentColumn,
    StringColumn,
    join_columns,
)
from nemeton.ingest.index.pair_columns import PairColumn
from nemeton.ingest.index.run import empty_column
from nemeton.ingest.index.sorting import RowOrder, sort_rows
from nemeton.ingest.index.value_columns import DocumentColumn, TypedColumn
from nemeton.ingest.rollup import combine
from nemeton.ingest.schema import DataSchema, DimensionSchema
from nemeton.segment import (
    AutoData,
    ColumnData,
    ComplexData,
    DocumentData,
    DoubleData,
    FloatData,
    IndexSpec,
    LongData,
    MultiStringData,
    SegmentIndexMetadata,
    StringData,
    write_segment,
)
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.json import Json

_NUMBERS: dict[str, Any] = {"LONG": LongData, "FLOAT": FloatData, "DOUBLE": DoubleData}
_LZ4_LEVEL = 5
"""Within a few hundredths of Druid's size; see `Compressor`."""
_KEPT_ROWS = 300_000
"""Up to so many rows a segment's columns are kept between sorting and writing; above, they are made twice."""


@frozen
class WrittenSegment:
    """What a segment's descriptor needs to know."""

    size: int
    num_rows: int
    dimensions: list[str]
    metrics: list[str]


class RowSource(Protocol):
    """Encoded rows: a run, or a segment."""

    @property
    def times(self) -> NDArray[np.int64]:
        """The time of each row."""
        ...

    def column(self, name: str) -> RunColumn | None:
        """A column; None when no row has a value."""
        ...


Piece = tuple[RowSource, int, int]
"""Rows [start, stop) of a source."""


class AssemblySettings(Protocol):
    """What the segment is like."""

    @property
    def schema(self) -> DataSchema:
        """The schema."""
        ...

    @property
    def dimensions(self) -> Sequence[DimensionSchema]:
        """The dimensions, in the order of the segment."""
        ...

    @property
    def index_spec(self) -> IndexSpec:
        """How columns are written."""
        ...

    @property
    def json(self) -> Json:
        """The converter."""
        ...


class SegmentAssembly:
    """Puts the rows of one segment together: sorts them, and writes column after column.

    With an executor, the next column is made there while one is written.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        settings: AssemblySettings,
        interval: Interval,
        executor: Executor | None = None,
    ) -> None:
        self._pieces = pieces
        self._settings = settings
        self._interval = interval
        self._executor = executor
        self._schema = settings.schema
        self._dimensions = list(settings.dimensions)
        self._rows = sum(stop - start for _, start, stop in pieces)
        self._kept: dict[str, SegmentColumn] = {}

    def write(self, directory: Path) -> WrittenSegment:
        """Write the segment's files."""
        times = np.concatenate([run.times[start:stop] for run, start, stop in self._pieces])
        order = self._order(times)
        metrics: dict[str, MetricColumn] = {}
        rows: NDArray[np.int64] | None = order.rows
        if self._schema.granularity_spec.rollup and len({id(run) for run, _, _ in self._pieces}) > 1:
            metrics = self._combined(order)
            rows = order.rows[order.starts]
        elif _is_identity(order.rows):
            rows = None
        names = [aggregator.name for aggregator in self._schema.metrics_spec]
        dimensions = [dimension.name for dimension in self._dimensions]
        size = write_segment(
            directory,
            interval=self._interval,
            columns=self._columns(times, rows, metrics),
            dimensions=dimensions,
            metrics=sorted(names),
            metadata=self._metadata(),
            index_spec=self._settings.index_spec,
            lz4_level=_LZ4_LEVEL,
        )
        return WrittenSegment(size, self._rows if rows is None else len(rows), dimensions, names)

    def _order(self, times: NDArray[np.int64]) -> RowOrder:
        return sort_rows(
            times, (key for d in self._dimensions for key in self._column(d.name, d.column_type).sort_keys())
        )

    def _column(self, name: str, type_name: str) -> SegmentColumn:
        """A column of the segment's rows in the order of arrival."""
        kept = self._kept.get(name)
        if kept is not None:
            return kept
        column = self._make_column(name, type_name)
        if self._rows <= _KEPT_ROWS:
            self._kept[name] = column
        return column

    def _make_column(self, name: str, type_name: str) -> SegmentColumn:
        parts: list[RunColumn] = []
        for run, start, stop in self._pieces:
            column = run.column(name)
            part = empty_column(type_name, stop - start) if column is None else column.cut(start, stop)
            parts.append(part.compact())
        return join_columns(parts)

    def _combined(self, order: RowOrder) -> dict[str, MetricColumn]:
        """The metrics of rows that several runs have alike."""
        groups = np.empty(self._rows, dtype=np.int64)
        groups[order.rows] = np.cumsum(order.starts) - 1
        aggregators = self._schema.metrics_spec
        columns = {a.name: self._column(a.name, str(a.stored_type)) for a in aggregators}
        metrics = {name: column for name, column in columns.items() if isinstance(column, MetricColumn)}
        return combine(aggregators, metrics, groups, int(order.starts.sum()))

    def _columns(
        self, times: NDArray[np.int64], rows: NDArray[np.int64] | None, metrics: Mapping[str, MetricColumn]
    ) -> Iterator[ColumnData]:
        yield LongData("__time", times if rows is None else times[rows])
        for aggregator in sorted(self._schema.metrics_spec, key=lambda a: a.name):
            done: SegmentColumn | None = metrics.get(aggregator.name)
            if done is None:
                column = self._column(aggregator.name, str(aggregator.stored_type))
                done = column if rows is None else column.take(rows)
            yield _column_data(aggregator.name, done, DimensionSchema(aggregator.name))
        jobs = [partial(self._dimension, dimension, rows) for dimension in self._dimensions]
        yield from (job() for job in jobs) if self._executor is None else _one_ahead(jobs, self._executor)

    def _dimension(self, dimension: DimensionSchema, rows: NDArray[np.int64] | None) -> ColumnData:
        column = self._column(dimension.name, dimension.column_type)
        self._kept.pop(dimension.name, None)
        return _column_data(dimension.name, column if rows is None else column.take(rows), dimension)

    def _metadata(self) -> SegmentIndexMetadata:
        schema, json = self._schema, self._settings.json
        combining = sorted((a.combining_factory() for a in schema.metrics_spec), key=lambda a: a.name)
        names = ["__time", *(dimension.name for dimension in schema.dimensions_spec.dimensions)]
        return SegmentIndexMetadata(
            aggregators=[_without_none(json.unstructure(aggregator)) for aggregator in combining],
            timestamp_spec=None if schema.timestamp_spec is None else json.unstructure(schema.timestamp_spec),
            query_granularity=schema.granularity_spec.query_granularity.to_json(),
            rollup=schema.granularity_spec.rollup,
            ordering=[{"columnName": name, "order": "ascending"} for name in names],
        )


def _one_ahead(jobs: Sequence[Callable[[], ColumnData]], executor: Executor) -> Iterator[ColumnData]:
    """The results in order; while one is used, the next is made."""
    last: Future[ColumnData] | None = None
    try:
        for job in jobs:
            before, last = last, executor.submit(job)
            if before is not None:
                yield before.result()
        if last is not None:
            yield last.result()
    finally:
        if last is not None:
            last.cancel()


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def _is_identity(rows: NDArray[np.int64]) -> bool:
    return bool((rows[1:] > rows[:-1]).all())


def _column_data(name: str, column: SegmentColumn, like: DimensionSchema) -> ColumnData:
    if isinstance(column, NumberColumn):
        data: ColumnData = _NUMBERS[column.type](name, column.values, column.nulls)
        return data
    if isinstance(column, TypedColumn):
        return AutoData(name, column.values, like.cast_to)
    if isinstance(column, DocumentColumn):
        return DocumentData(name, column.documents, column.codes)
    if isinstance(column, PairColumn):
        return column.data(name)
    if isinstance(column, BlobColumn):
        return ComplexData(name, column.complex_name, column.blobs)
    has_bitmaps = like.create_bitmap_index
    dictionary, codes = column.strings.dictionary, column.strings.codes
    if isinstance(column, StringColumn):
        return StringData(name, dictionary, codes, has_bitmaps)
    lengths = np.diff(column.offsets)
    if isinstance(column, MultiStringColumn) and (lengths <= 1).all():
        return _single(name, column, lengths, has_bitmaps)
    return MultiStringData(name, dictionary, column.offsets, codes, has_bitmaps)


def _single(name: str, column: MultiStringColumn, lengths: NDArray[np.int64], has_bitmaps: bool) -> StringData:
    """A multi-value column in which no row has two values: a row without any is null."""
    from nemeton.ingest.index.dictionaries import has_null, with_null

    dictionary, codes = column.strings.dictionary, column.strings.codes
    if (lengths == 0).any() and not has_null(dictionary):
        dictionary, codes = with_null(dictionary), codes + np.int32(1)
    single = np.zeros(len(lengths), dtype=np.int32)
    single[lengths == 1] = codes
    return StringData(name, dictionary, single, has_bitmaps)
