"""Collects batches of rows and makes segments of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from nemeton.ingest.index.columns import (
    MultiStringColumn,
    NumberColumn,
    RunColumn,
    StringColumn,
    join_strings,
)
from nemeton.ingest.index.run import Run, build_run, empty_column
from nemeton.ingest.index.sorting import RowOrder, sort_rows
from nemeton.ingest.memory import release
from nemeton.ingest.rollup import check_supported, combine
from nemeton.ingest.rows import RowBatch
from nemeton.ingest.schema import DataSchema, DimensionSchema
from nemeton.segment import (
    ColumnData,
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
_KEPT_ROWS = 300_000
"""Up to so many rows a segment's columns are kept between sorting and writing; above, they are made twice."""

DEFAULT_RUN_BYTES = 64 << 20
DEFAULT_RUN_ROWS = 500_000
DEFAULT_SEGMENT_STRING_BYTES = 64 << 20
"""A segment ends early when the distinct strings of one of its columns would take about so much."""

_RELEASE_ROWS = 100_000
DEFAULT_MAX_ROWS_PER_SEGMENT = 5_000_000


@frozen
class WrittenSegment:
    """What a segment's descriptor needs to know."""

    size: int
    num_rows: int
    dimensions: list[str]
    metrics: list[str]


Piece = tuple[Run, int, int]
"""Rows [start, stop) of a run."""


@define(eq=False)
class PendingSegment:
    """Rows that will become one segment. ``partition`` counts within the interval, from 0."""

    interval: Interval
    partition: int
    num_rows: int
    _pieces: list[Piece]
    _builder: SegmentBuilder

    def write(self, directory: Path, interval: Interval | None = None) -> WrittenSegment:
        """Write the segment's files; ``interval`` when the segment's is wider than the rows' own.

        Different segments may be written by different threads.
        """
        written = _SegmentAssembly(self._pieces, self._builder, interval or self.interval).write(directory)
        if self.num_rows >= _RELEASE_ROWS:
            release()
        return written


@define(eq=False)
class SegmentBuilder:
    """Takes batches of rows; then gives segments. Holds a few times ``run_bytes`` of rows in memory while it
    takes them, and some tens of bytes per row of one segment (times ``threads``) while it writes. Not thread-safe.

    When more comes than ``run_bytes`` or ``run_rows``, runs go to files in ``work_dir``.
    """

    schema: DataSchema
    work_dir: Path
    json: Json
    index_spec: IndexSpec = field(factory=IndexSpec)
    run_bytes: int = DEFAULT_RUN_BYTES
    run_rows: int = DEFAULT_RUN_ROWS
    max_rows_per_segment: int = DEFAULT_MAX_ROWS_PER_SEGMENT
    segment_string_bytes: int = DEFAULT_SEGMENT_STRING_BYTES
    #: dimensions found so far in the input; the reader's dict itself, so that it is up to date
    discovered: Mapping[str, None] = field(factory=dict)
    threads: int = field(factory=lambda: min(os.cpu_count() or 1, 2))
    _batches: list[RowBatch] = field(init=False, factory=list)
    _buffered_bytes: int = field(init=False, default=0)
    _buffered_rows: int = field(init=False, default=0)
    _runs: list[Run] = field(init=False, factory=list)
    _num_rows: int = field(init=False, default=0)
    _building: Future[Run] | None = field(init=False, default=None)
    _building_rows: int = field(init=False, default=0)
    _background: ThreadPoolExecutor = field(init=False)
    executor: ThreadPoolExecutor = field(init=False)

    def __attrs_post_init__(self) -> None:
        check_supported(self.schema.metrics_spec)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="ingest-run")
        self.executor = ThreadPoolExecutor(self.threads, thread_name_prefix="ingest")

    @property
    def num_rows(self) -> int:
        """Rows taken and not yet given out as segments (after rollup, for those that are in runs)."""
        return self._num_rows + self._building_rows + self._buffered_rows

    @property
    def dimensions(self) -> list[DimensionSchema]:
        """The dimensions, in the order of the segments."""
        return [*self.schema.dimensions_spec.dimensions, *(DimensionSchema(name) for name in self.discovered)]

    def add(self, batch: RowBatch) -> None:
        """Take a batch; a full buffer is encoded in the background, and this waits when one is under way already."""
        self._batches.append(batch)
        self._buffered_bytes += batch.estimated_bytes
        self._buffered_rows += batch.num_rows
        if self._buffered_bytes >= self.run_bytes or self._buffered_rows >= self.run_rows:
            self._start_run()

    def intervals(self) -> list[Interval]:
        """The segment intervals that have rows, ascending."""
        self._make_run()
        return [self.schema.granularity_spec.bucket(start) for start in self._starts()]

    def segments(self) -> Iterator[PendingSegment]:
        """All rows taken, as segments, by interval. `clear` the builder when all are written."""
        self._make_run()
        for start in self._starts():
            interval = self.schema.granularity_spec.bucket(start)
            pieces = [(run, *run.slices[start]) for run in self._runs if start in run.slices]
            for partition, part in enumerate(_split(pieces, self._rows_per_segment(pieces))):
                rows = sum(stop - begin for _, begin, stop in part)
                yield PendingSegment(interval, partition, rows, part, self)

    def clear(self) -> None:
        """Drop all rows, and their files."""
        if self._building is not None:
            self._building.exception()
            self._building = None
        for run in self._runs:
            run.discard()
        self._runs, self._batches = [], []
        self._num_rows = self._building_rows = self._buffered_rows = self._buffered_bytes = 0

    def close(self) -> None:
        """Drop everything and stop the threads."""
        self.clear()
        self._background.shutdown(cancel_futures=True)
        self.executor.shutdown(cancel_futures=True)

    def _starts(self) -> list[int]:
        return sorted({start for run in self._runs for start in run.slices})

    def _rows_per_segment(self, pieces: list[Piece]) -> int:
        """The rows that a segment may have: fewer than allowed where a column's distinct strings would take much."""
        rows = sum(stop - start for _, start, stop in pieces)
        widest = max((size for run, _, _ in pieces for size in run.bytes_per_row.values()), default=0.0)
        parts = math.ceil(min(rows, self.max_rows_per_segment) * widest / self.segment_string_bytes)
        return self.max_rows_per_segment if parts < 2 else math.ceil(min(rows, self.max_rows_per_segment) / parts)

    def _start_run(self) -> None:
        """Encode the buffered rows and spill them, while the next ones are read; one run at a time."""
        self._finish_run()
        batches, discovered = self._take_buffer()
        self._building = self._background.submit(self._build_and_spill, batches, discovered)

    def _build_and_spill(self, batches: list[RowBatch], discovered: list[str]) -> Run:
        run = self._build(batches, discovered)
        run.spill(self.work_dir / f"run-{len(self._runs):05d}")
        release()
        return run

    def _build(self, batches: list[RowBatch], discovered: list[str]) -> Run:
        return build_run(batches, self.schema, discovered, self.executor)

    def _finish_run(self) -> None:
        if self._building is not None:
            building, self._building = self._building, None
            self._add_run(building.result())

    def _make_run(self) -> None:
        """Encode what is buffered; it stays in memory, as it is the last run."""
        self._finish_run()
        if self._batches:
            self._add_run(self._build(*self._take_buffer()))

    def _take_buffer(self) -> tuple[list[RowBatch], list[str]]:
        batches, self._batches = self._batches, []
        self._building_rows = self._buffered_rows
        self._buffered_bytes = self._buffered_rows = 0
        return batches, list(self.discovered)

    def _add_run(self, run: Run) -> None:
        self._runs.append(run)
        self._num_rows += run.num_rows
        self._building_rows = 0


def _split(pieces: list[Piece], most: int) -> Iterator[list[Piece]]:
    """Cut rows into parts of at most ``most``, in the order of arrival."""
    part: list[Piece] = []
    room = most
    for run, start, stop in pieces:
        while start < stop:
            end = min(stop, start + room)
            part.append((run, start, end))
            room -= end - start
            start = end
            if not room:
                yield part
                part, room = [], most
    if part:
        yield part


class _SegmentAssembly:
    """Puts the rows of one segment together: sorts them, and writes column after column."""

    def __init__(self, pieces: list[Piece], builder: SegmentBuilder, interval: Interval) -> None:
        self._pieces = pieces
        self._builder = builder
        self._interval = interval
        self._schema = builder.schema
        self._dimensions = builder.dimensions
        self._rows = sum(stop - start for _, start, stop in pieces)
        self._kept: dict[str, RunColumn] = {}

    def write(self, directory: Path) -> WrittenSegment:
        times = np.concatenate([run.times[start:stop] for run, start, stop in self._pieces])
        order = self._order(times)
        metrics: dict[str, NumberColumn] = {}
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
            index_spec=self._builder.index_spec,
        )
        return WrittenSegment(size, self._rows if rows is None else len(rows), dimensions, names)

    def _order(self, times: NDArray[np.int64]) -> RowOrder:
        return sort_rows(
            times, (key for d in self._dimensions for key in self._column(d.name, d.column_type).sort_keys())
        )

    def _column(self, name: str, type_name: str) -> RunColumn:
        """A column of the segment's rows in the order of arrival."""
        kept = self._kept.get(name)
        if kept is not None:
            return kept
        column = self._make_column(name, type_name)
        if self._rows <= _KEPT_ROWS:
            self._kept[name] = column
        return column

    def _make_column(self, name: str, type_name: str) -> RunColumn:
        parts: list[RunColumn] = []
        for run, start, stop in self._pieces:
            column = run.column(name)
            part = empty_column(type_name, stop - start) if column is None else column.cut(start, stop)
            parts.append(part if isinstance(part, NumberColumn) else part.compact())
        numbers = [part for part in parts if isinstance(part, NumberColumn)]
        if numbers:
            return NumberColumn.join(numbers)
        return join_strings([part for part in parts if not isinstance(part, NumberColumn)])

    def _combined(self, order: RowOrder) -> dict[str, NumberColumn]:
        """The metrics of rows that several runs have alike."""
        groups = np.empty(self._rows, dtype=np.int64)
        groups[order.rows] = np.cumsum(order.starts) - 1
        aggregators = self._schema.metrics_spec
        columns = {a.name: self._column(a.name, str(a.intermediate_type)) for a in aggregators}
        numbers = {name: column for name, column in columns.items() if isinstance(column, NumberColumn)}
        return combine(aggregators, numbers, groups, int(order.starts.sum()))

    def _columns(
        self, times: NDArray[np.int64], rows: NDArray[np.int64] | None, metrics: Mapping[str, NumberColumn]
    ) -> Iterator[ColumnData]:
        yield LongData("__time", times if rows is None else times[rows])
        for aggregator in sorted(self._schema.metrics_spec, key=lambda a: a.name):
            done = metrics.get(aggregator.name)
            if done is None:
                column = self._column(aggregator.name, str(aggregator.intermediate_type))
                done = column if rows is None else column.take(rows)  # type: ignore[assignment]
            yield _column_data(aggregator.name, done, True)  # type: ignore[arg-type]
        for dimension in self._dimensions:
            column = self._column(dimension.name, dimension.column_type)
            self._kept.pop(dimension.name, None)
            yield _column_data(
                dimension.name, column if rows is None else column.take(rows), dimension.create_bitmap_index
            )

    def _metadata(self) -> SegmentIndexMetadata:
        schema, json = self._schema, self._builder.json
        combining = sorted((a.combining_factory() for a in schema.metrics_spec), key=lambda a: a.name)
        names = ["__time", *(dimension.name for dimension in self._dimensions)]
        return SegmentIndexMetadata(
            aggregators=[_without_none(json.unstructure(aggregator)) for aggregator in combining],
            timestamp_spec=None if schema.timestamp_spec is None else json.unstructure(schema.timestamp_spec),
            query_granularity=schema.granularity_spec.query_granularity.to_json(),
            rollup=schema.granularity_spec.rollup,
            ordering=[{"columnName": name, "order": "ascending"} for name in names],
        )


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def _is_identity(rows: NDArray[np.int64]) -> bool:
    return bool((rows[1:] > rows[:-1]).all())


def _column_data(name: str, column: RunColumn, has_bitmaps: bool) -> ColumnData:
    if isinstance(column, NumberColumn):
        data: ColumnData = _NUMBERS[column.type](name, column.values, column.nulls)
        return data
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
