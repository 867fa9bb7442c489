"""A run: some hundred thousand rows, encoded, ordered by segment interval and bucket, in memory or spilled to disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from nemeton.ingest.coerce import Numbers
from nemeton.ingest.documents import concat_columns
from nemeton.ingest.index.blob_columns import BlobColumn
from nemeton.ingest.index.columns import (
    MultiStringColumn,
    NumberColumn,
    RunColumn,
    StringColumn,
    all_null_strings,
)
from nemeton.ingest.index.dictionaries import (
    EncodedStrings,
    are_mostly_different,
    arrow_strings,
    encode,
    encode_strings,
    has_null,
    sort_dictionary,
    with_null,
)
from nemeton.ingest.index.pair_columns import PAIR_TYPES, PairColumn
from nemeton.ingest.index.plain_strings import PlainStringColumn
from nemeton.ingest.index.sorting import sort_rows
from nemeton.ingest.index.stored import StoredColumn, map_array, write_array
from nemeton.ingest.index.value_builder import build_values
from nemeton.ingest.index.value_columns import TypedColumn
from nemeton.ingest.rollup import aggregate
from nemeton.ingest.rows import RowBatch
from nemeton.ingest.schema import DataSchema, DimensionSchema, MultiValueHandling
from nemeton.segment.typed_values import TypedValues

if TYPE_CHECKING:
    import polars as pl

    from nemeton.ingest.partition.buckets import Bucketing

_MANY_VALUES = 10_000

Place = tuple[int, int]
"""The start of a segment interval, and a bucket of it; 0 where rows are not divided by value."""


@define(eq=False)
class Run:
    """Rows ordered by segment interval and bucket; within, in the order of arrival (or, after rollup, of time).

    ``slices``: start of the segment interval, bucket → rows [start, stop). ``bytes_per_row``: column → size of its
    dictionary, per row, where it is large.
    """

    slices: dict[Place, tuple[int, int]]
    num_rows: int
    bytes_per_row: dict[str, float]
    _columns: dict[str, RunColumn]
    _times: NDArray[np.int64] | None
    _folder: Path | None = field(default=None, init=False)
    _stored: dict[str, StoredColumn] = field(init=False, factory=dict)

    @property
    def times(self) -> NDArray[np.int64]:
        """The time of each row."""
        if self._times is not None:
            return self._times
        assert self._folder is not None
        return map_array(self._folder / "time", np.int64, self.num_rows)

    def column(self, name: str) -> RunColumn | None:
        """A column; None when no row of the run has a value."""
        if self._folder is None:
            return self._columns.get(name)
        stored = self._stored.get(name)
        return None if stored is None else stored.load()

    def spill(self, folder: Path) -> None:
        """Move the columns to disk."""
        folder.mkdir(parents=True)
        write_array(folder / "time", self.times)
        for i, (name, column) in enumerate(self._columns.items()):
            self._stored[name] = StoredColumn.write(column, folder / f"c{i}")
        self._columns, self._times, self._folder = {}, None, folder

    def discard(self) -> None:
        """Give back the memory or the disk space. The run is not used again."""
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
        self._columns, self._times = {}, None


def build_run(
    batches: Sequence[RowBatch],
    schema: DataSchema,
    discovered: Iterable[str],
    executor: Executor,
    bucketing: Bucketing | None = None,
) -> Run:
    """Encode the rows of batches, and roll them up if the schema says so. The batches are used up."""
    times = np.concatenate([batch.times for batch in batches])
    spec = schema.granularity_spec
    starts = spec.bucket_starts(times)
    # before the jobs, which use the batches up
    buckets = None if bucketing is None else _buckets(batches, starts, bucketing)
    dimensions = [*schema.dimensions_spec.dimensions, *map(schema.dimensions_spec.found, discovered)]
    jobs = {d.name: executor.submit(_dimension, d, batches, spec.rollup) for d in dimensions}
    of_rows, times = times, spec.truncate(times, starts)
    made = {name: job.result() for name, job in jobs.items()}
    columns: dict[str, RunColumn] = {name: column for name, column in made.items() if column is not None}
    inputs = {name: _concat([b.inputs.get(name) for b in batches], batches) for name in _input_names(batches)}
    rows: NDArray[np.int64] | None = None
    groups, count = np.arange(len(times)), len(times)
    if spec.rollup:
        keys = [columns[d.name] for d in dimensions if d.name in columns]
        rows, groups, count = _group(times, keys if buckets is None else [*keys, NumberColumn("LONG", buckets)])
    metrics = aggregate(schema.metrics_spec, inputs, of_rows, groups, count) if schema.metrics_spec else {}
    order = _by_place(starts if rows is None else starts[rows], _taken(buckets, rows))
    if order is not None:
        metrics = {name: column.take(order) for name, column in metrics.items()}
        rows = order if rows is None else rows[order]
    if rows is not None:
        columns = dict(zip(columns, executor.map(lambda column: column.take(rows), columns.values()), strict=True))
        times, starts, buckets = times[rows], starts[rows], _taken(buckets, rows)
    columns |= metrics
    return Run(_slices(starts, buckets), len(times), _large_dictionaries(columns, len(times)), columns, times)


def _large_dictionaries(columns: Mapping[str, RunColumn], count: int) -> dict[str, float]:
    """The bytes that a row takes of each large dictionary."""
    texts = {name: c.parts().values for name, c in columns.items() if not isinstance(c, BlobColumn | NumberColumn)}
    large = {name: values for name, values in texts.items() if values is not None and len(values) > _MANY_VALUES}
    return {name: values.nbytes / max(count, 1) for name, values in large.items()}


def _buckets(batches: Sequence[RowBatch], starts: NDArray[np.int64], bucketing: Bucketing) -> NDArray[np.int64]:
    ends = np.cumsum([len(batch.times) for batch in batches])
    parts = [bucketing.buckets(*each) for each in zip(batches, np.split(starts, ends[:-1]), strict=True)]
    return np.concatenate(parts).astype(np.int64)


def _taken(buckets: NDArray[np.int64] | None, rows: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return buckets if buckets is None or rows is None else buckets[rows]


def _by_place(starts: NDArray[np.int64], buckets: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """The order by segment interval and bucket; None when the rows are in it."""
    if not len(starts) or (buckets is None and (starts[1:] >= starts[:-1]).all()):
        return None
    distinct, places = np.unique(starts, return_inverse=True)
    bound = len(distinct)
    if buckets is not None:
        most = int(buckets.max()) + 1
        places, bound = places * most + buckets, bound * most
    narrow = places.astype(np.uint16 if bound <= 1 << 16 else np.int64)
    return np.argsort(narrow, kind="stable")


def _group(
    times: NDArray[np.int64], dimensions: Sequence[RunColumn]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The first row of each group in order of time, the group of each row, and how many there are."""
    order = sort_rows(times, (key for column in dimensions for key in column.sort_keys()))
    ordinal = np.cumsum(order.starts) - 1
    groups = np.empty(len(times), dtype=np.int64)
    groups[order.rows] = ordinal
    return order.rows[order.starts], groups, int(ordinal[-1]) + 1 if len(ordinal) else 0


def _slices(starts: NDArray[np.int64], buckets: NDArray[np.int64] | None) -> dict[Place, tuple[int, int]]:
    if not len(starts):
        return {}
    numbers = np.zeros_like(starts) if buckets is None else buckets
    changed = (starts[1:] != starts[:-1]) | (numbers[1:] != numbers[:-1])
    begins = np.flatnonzero(np.append(True, changed))
    ends = np.append(begins[1:], len(starts))
    places = zip(starts[begins].tolist(), numbers[begins].tolist(), strict=True)
    return dict(zip(places, zip(begins.tolist(), ends.tolist(), strict=True), strict=True))


def _input_names(batches: Sequence[RowBatch]) -> list[str]:
    return list(dict.fromkeys(name for batch in batches for name in batch.inputs))


def _concat(columns: Sequence[pl.Series | None], batches: Sequence[RowBatch]) -> pl.Series:
    """The column of all batches, all null where a batch has none."""
    import polars as pl

    parts = [
        pl.Series(values=[None], dtype=pl.Null).new_from_index(0, batch.num_rows) if column is None else column
        for column, batch in zip(columns, batches, strict=True)
    ]
    return concat_columns(parts)


def _dimension(dimension: DimensionSchema, batches: Sequence[RowBatch], is_key: bool) -> RunColumn | None:
    """A column; ``is_key``: its rows will be compared."""
    if dimension.column_type == "AUTO":
        return build_values([batch.values.pop(dimension.name, None) for batch in batches], batches, dimension.cast_to)
    if dimension.column_type != "STRING":
        return _number_dimension(dimension, batches)
    parts = [batch.strings.pop(dimension.name, None) for batch in batches]
    if all(part is None or part.null_count() == len(part) for part in parts):
        return None
    return _string_dimension(dimension, parts, batches, is_key)


def _number_dimension(dimension: DimensionSchema, batches: Sequence[RowBatch]) -> RunColumn | None:
    name, kind = dimension.name, dimension.column_type
    if not any(name in batch.numbers for batch in batches):
        return None
    return NumberColumn.join([_number_part(batch.numbers.get(name), kind, batch.num_rows) for batch in batches])


def _number_part(numbers: Numbers | None, kind: str, count: int) -> NumberColumn:
    if numbers is None:
        return NumberColumn.all_null(kind, count)
    return NumberColumn(kind, numbers.values, numbers.nulls)


def _string_dimension(
    dimension: DimensionSchema, parts: Sequence[pl.Series | None], batches: Sequence[RowBatch], is_key: bool
) -> RunColumn:
    import polars as pl

    if any(part is not None and isinstance(part.dtype, pl.List) for part in parts):
        lists = [None if part is None else _as_lists(part) for part in parts]
        return _multi_strings(_concat(lists, batches), dimension.multi_value_handling)
    values = arrow_strings(_concat(parts, batches).cast(pl.String))
    if not is_key and are_mostly_different(values):
        return PlainStringColumn(values)
    return StringColumn(encode_strings(values))


def _as_lists(column: pl.Series) -> pl.Series:
    """Each value as a list of one, null too."""
    import polars as pl

    if not isinstance(column.dtype, pl.List):
        return column.to_frame("c").select(pl.concat_list("c")).to_series()
    if not column.null_count():
        return column
    nothing = pl.Series([[None]], dtype=pl.List(pl.String))
    return pl.select(pl.when(column.is_null()).then(nothing).otherwise(column)).to_series()


def _multi_strings(lists: pl.Series, handling: MultiValueHandling) -> RunColumn:
    import polars as pl

    lists = _as_lists(lists.cast(pl.List(pl.String)))
    lengths = lists.list.len().to_numpy().astype(np.int64)
    flat = lists.explode(empty_as_null=False) if len(lists) else pl.Series([], dtype=pl.String)
    if (lengths == 1).all():
        return StringColumn(encode(flat))
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    strings = sort_dictionary(encode(flat))
    if not has_null(strings.dictionary) and (lengths == 0).any():
        # A row without values is null.
        strings = EncodedStrings(with_null(strings.dictionary), strings.codes + np.int32(1), is_sorted=True)
    if handling is MultiValueHandling.ARRAY:
        return MultiStringColumn(strings, offsets)
    return _sorted_values(strings, offsets, lengths, distinct=handling is MultiValueHandling.SORTED_SET)


def _sorted_values(
    strings: EncodedStrings, offsets: NDArray[np.int64], lengths: NDArray[np.int64], distinct: bool
) -> MultiStringColumn:
    rows = np.repeat(np.arange(len(lengths)), lengths)
    size = max(len(strings.dictionary), 1)
    composite = np.sort(rows * size + strings.codes)
    if distinct:
        composite = composite[np.append(True, composite[1:] != composite[:-1])] if len(composite) else composite
        counts = np.bincount(composite // size, minlength=len(lengths))
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
    codes = (composite % size).astype(np.int32)
    return MultiStringColumn(EncodedStrings(strings.dictionary, codes, is_sorted=True), offsets)


def empty_column(type_name: str, count: int) -> RunColumn:
    """A column of nulls."""
    if type_name == "AUTO":
        return TypedColumn(TypedValues.nulls(count))
    if type_name in PAIR_TYPES:
        return PairColumn.all_null(type_name, count)
    if type_name.startswith("COMPLEX"):
        return BlobColumn.all_null(type_name, count)
    return all_null_strings(count) if type_name == "STRING" else NumberColumn.all_null(type_name, count)
