"""Grouping the rows of one segment: dictionary codes to group ids, without looking at a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.dimensions import convert_vector
from nemeton.query.engines.accumulate import Accumulators
from nemeton.query.engines.buckets import TimeBuckets
from nemeton.query.engines.encoders import KeyEncoder, OffsetEncoder, fixed_size, known_range
from nemeton.query.engines.table import GroupTable, empty_table
from nemeton.query.fused.grouped import FusedPass, Key, number_key, string_key
from nemeton.query.kernels import IdMap
from nemeton.query.source import BLOCK_ROWS, RowBlock, SegmentSource
from nemeton.query.spilling.merger import too_many
from nemeton.query.vectors import (
    AnyVector,
    Array,
    MultiStringVector,
)
from nemeton.segment.encode import narrowest

if TYPE_CHECKING:
    from nemeton.spi.query import AggregatorFactory, DimensionSpec, DimFilter, QueryControl
    from nemeton.time import Granularity, Interval

DENSE_GROUPS = 1 << 20
WHOLE = 1 << 20  #: rows at a time where nothing is made of them
_GROWING_BITS = 31


class GroupIds:
    """Codes of several dimensions → group ids. Dense when all code ranges are known and small, else hashed."""

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self._sizes = sizes
        product = 1
        for size in sizes:
            product = product * size if size is not None and product <= DENSE_GROUPS else DENSE_GROUPS + 1
        self.dense_size = product if product <= DENSE_GROUPS else None
        bits = [_GROWING_BITS if size is None else max(1, (size - 1).bit_length()) for size in sizes]
        self._bits = bits if sum(bits) <= 63 else None
        maps = 0 if self.dense_size is not None else 1 if self._bits is not None else len(sizes)
        self._maps = [IdMap() for _ in range(maps)]

    @property
    def size(self) -> int:
        """The number of ids given out; of the dense form all there could be."""
        return self.dense_size if self.dense_size is not None else self._maps[-1].size

    def ids(self, codes: Sequence[Array]) -> Array:
        """The group id of each row, of any integer type. With no dimension there is nothing to call this for."""
        if self.dense_size is not None:
            dtype = narrowest(self.dense_size + 1)  # one more may be used for rows that do not count
            key = codes[0] if len(codes) == 1 else codes[0].astype(dtype)
            for column, size in zip(codes[1:], self._sizes[1:], strict=True):
                assert size is not None
                key *= dtype(size)
                key += column.astype(dtype, copy=False)
            return key
        if self._bits is not None:
            key = codes[0].astype(np.int64)
            for column, bits in zip(codes[1:], self._bits[1:], strict=True):
                key = (key << bits) | column
            return self._maps[0].ids(key)
        ids = self._maps[0].ids(codes[0].astype(np.int64))
        for column, ids_of in zip(codes[1:], self._maps[1:], strict=True):
            ids = ids_of.ids((ids << 32) | column)
        return ids

    def groups(self, counts: Array) -> Array:
        """The ids in use; `counts` has the rows of each id."""
        return np.arange(self.size) if self.dense_size is None else np.flatnonzero(counts[: self.dense_size])

    def codes_of(self, groups: Array) -> list[Array]:
        """The codes of ids in use, by dimension."""
        columns: list[Array] = []
        rest = groups
        if self.dense_size is not None:
            for size in reversed(self._sizes[1:]):
                assert size is not None
                rest, codes = np.divmod(rest, size)
                columns.append(codes)
            columns.append(rest)
        elif self._bits is not None:
            rest = self._maps[0].keys[rest]
            for bits in reversed(self._bits):
                columns.append(rest & ((1 << bits) - 1))
                rest = rest >> bits
        else:
            for ids_of in reversed(self._maps[1:]):
                key = ids_of.keys[rest]
                columns.append(key & 0xFFFFFFFF)
                rest = key >> 32
            columns.append(self._maps[0].keys[rest])
        return columns[::-1]


def explode(block: RowBlock, vectors: list[AnyVector], skip_empty: bool) -> tuple[RowBlock, list[AnyVector]]:
    """A row for each combination of values of the multi-value dimensions."""
    for i in range(len(vectors)):
        vector = vectors[i]
        if isinstance(vector, MultiStringVector):
            rows, single = vector.explode()
            if skip_empty:
                keep = np.flatnonzero(np.repeat(vector.lengths > 0, np.maximum(vector.lengths, 1)))
                rows, single = rows[keep], single.take(keep)
            block = block.select(rows)
            vectors = [single if j == i else other.take(rows) for j, other in enumerate(vectors)]
    return block, vectors


class SegmentGrouper:
    """One run of a grouping query over one segment."""

    def __init__(
        self,
        source: SegmentSource,
        granularity: Granularity,
        dimensions: Sequence[DimensionSpec],
        aggregators: Sequence[AggregatorFactory],
        max_groups: int,
        skip_empty_multi_values: bool = False,
    ) -> None:
        self.source = source
        self.buckets = TimeBuckets(granularity)
        self.dimensions = dimensions
        self.aggregators = aggregators
        self.max_groups = max_groups
        self.skip_empty = skip_empty_multi_values
        self.encoders: list[KeyEncoder | OffsetEncoder] = []

    def run(
        self,
        intervals: Sequence[Interval],
        all_time: int,
        condition: DimFilter | None,
        control: QueryControl,
        block_rows: int | None = None,
    ) -> GroupTable:
        """The groups of the rows in the intervals that meet the condition; `all_time` is the time of the bucket ALL."""
        runs = self._bucket_runs(intervals)
        if runs is not None and not self.dimensions and len(runs) > 1:
            return self._run_by_bucket(runs, condition, control, block_rows)
        one_bucket = self.buckets.is_all or (runs is not None and len(runs) == 1)
        if runs is not None and len(runs) == 1:
            all_time = runs[0][0]
        sizes = [self._encoder_size(spec) for spec in self.dimensions]
        group_ids = GroupIds(sizes if one_bucket else [None, *sizes])
        dense = group_ids.dense_size
        found = Accumulators(self.aggregators, 0 if dense is None else dense + 1, self.source)
        is_plain = dense is not None and found.has_kernels_only and self._are_codes(sizes)
        known = self._known_groups(intervals) if is_plain and one_bucket and condition is None else None
        if known is not None:
            return self._made([known], [], len(known), all_time)
        if is_plain and one_bucket and block_rows is None:
            fused = self._fused(found, intervals, condition, sizes)
            if fused is not None:
                groups, counts, numbers = fused.run(self.source.row_ranges(intervals), control)
                return self._made(group_ids.codes_of(groups), found.states_of(counts, numbers), len(groups), all_time)
        late = is_plain and self._is_plain()
        rows_at_a_time = block_rows or (WHOLE if not self.dimensions and condition is None and late else BLOCK_ROWS)
        for block in self.source.blocks(intervals, condition, control, rows_at_a_time, late=late):
            if not self.dimensions and one_bucket:
                self._take_in(found, block)
                continue
            rows, codes = self._codes(block, one_bucket)
            ids = group_ids.ids(codes)
            if block.mask is not None:
                ids = np.where(block.mask, ids, narrowest(found.num_groups)(found.num_groups - 1))
            if group_ids.size > found.num_groups:
                self._grow(found, group_ids.size)
            found.aggregate(rows, ids)
        return self._table(group_ids, found, None if not one_bucket else all_time)

    @staticmethod
    def _take_in(found: Accumulators, block: RowBlock) -> None:
        """The rows of a block as the one group; with a mask, the others go to the group that is not shown."""
        if block.mask is None:
            found.aggregate_run(block, 0)
        else:
            found.aggregate(block, (~block.mask).view(np.uint8))

    def _encoder_size(self, spec: DimensionSpec) -> int | None:
        """Choose how a dimension is encoded; how many codes it may have, when that is known."""
        size = fixed_size(self.source, spec)
        bounds = known_range(self.source, spec, min(DENSE_GROUPS, max(2 * self.source.num_rows, 1024)))
        self.encoders.append(KeyEncoder() if bounds is None else OffsetEncoder(*bounds))
        return size if bounds is None else bounds[1] - bounds[0] + 1

    def _are_codes(self, sizes: Sequence[int | None]) -> bool:
        """Whether each row has one code of each dimension, that is read and not computed."""
        columns = [self.source.column(spec.dimension) for spec in self.dimensions]
        return None not in sizes and not any(getattr(column, "has_multiple_values", False) for column in columns)

    def _is_plain(self) -> bool:
        """Whether rows that do not count may be read all the same: nothing is computed of them."""
        virtual = self.source.virtual_columns
        reads = [name for factory in self.aggregators for name in factory.required_columns()]
        expressions = any(getattr(factory, "expression", None) is not None for factory in self.aggregators)
        return not expressions and not any(name in virtual for name in reads)

    def _fused(
        self,
        found: Accumulators,
        intervals: Sequence[Interval],
        condition: DimFilter | None,
        sizes: Sequence[int | None],
    ) -> FusedPass | None:
        """The compiled pass over all rows, where there is one, and no index tells which few rows matter."""
        source = self.source
        if not source.is_worth_a_pass or not source.is_exact:
            return None
        known = None if condition is None else condition.constant(source)
        if known is False or (condition is not None and source.candidates(condition) is not None):
            return None
        keys, factor = [], 1
        for spec, encoder, size in reversed(list(zip(self.dimensions, self.encoders, sizes, strict=True))):
            keys.append(self._key(spec, encoder, factor))
            factor *= size or 1
        return FusedPass.plan(
            source, found.factories, None if known else condition, keys, factor if self.dimensions else None
        )

    def _known_groups(self, intervals: Sequence[Interval]) -> Array | None:
        """The groups of all values of one column of strings, of which the segment knows which there are."""
        if self.aggregators or len(self.dimensions) != 1 or not self.source.num_rows or not self.source.is_exact:
            return None
        name = str(self.dimensions[0].dimension)
        column, encoder = self.source.column(name), self.encoders[0]
        whole = [(0, self.source.num_rows)]
        if not hasattr(column, "occurring") or isinstance(encoder, OffsetEncoder):
            return None
        if self.source.row_ranges(intervals) != whole:
            return None
        encoder.encode(self.source.read(name, 0, 0))  # so that it knows the dictionary
        return np.asarray(column.occurring())

    def _key(self, spec: DimensionSpec, encoder: KeyEncoder | OffsetEncoder, factor: int) -> Key:
        """What adds the dimension's codes to a program."""
        source, name = self.source, str(spec.dimension)
        if isinstance(encoder, OffsetEncoder):
            return lambda program: number_key(program, name, factor, encoder.low)
        encoder.encode(source.read(name, 0, 0))  # so that it knows the dictionary
        return lambda program: string_key(program, name, factor)

    def _bucket_runs(self, intervals: Sequence[Interval]) -> list[tuple[int, list[Interval]]] | None:
        """The buckets that rows can be in, each with its part of the intervals; None where they are not worth knowing.

        That is the case for the bucket ALL, for rows in no order of time, and for buckets of few rows.
        """
        source = self.source
        bounds = None if self.buckets.is_all or source.is_in_intervals else source.time_bounds
        if bounds is None or not source.sorted_by_time:
            return None
        steps = source.num_rows // 4096  # through buckets without a part, too: those of a millisecond would never end
        runs: list[tuple[int, list[Interval]]] = []
        at = bounds[0]
        while at <= bounds[1]:
            bucket = self.buckets.granularity.bucket(at)
            if steps < 0 or bucket.end <= at:
                return None
            steps -= 1
            parts = [part for part in (interval.intersection(bucket) for interval in intervals) if part is not None]
            if parts:
                runs.append((bucket.start, parts))
            at = bucket.end
        return runs

    def _run_by_bucket(
        self,
        runs: Sequence[tuple[int, list[Interval]]],
        condition: DimFilter | None,
        control: QueryControl,
        block_rows: int | None,
    ) -> GroupTable:
        """Without dimensions: one bucket after another, a group each."""
        found = Accumulators(self.aggregators, len(runs), self.source)
        for group, (_, intervals) in enumerate(runs):
            for block in self.source.blocks(intervals, condition, control, block_rows or BLOCK_ROWS):
                found.aggregate_run(block, group)
        used = np.flatnonzero(found.counts)
        states = found.finish()
        if not len(used):
            return empty_table(self.aggregators, 0)
        times = np.array([start for start, _ in runs], dtype=np.int64)[used]
        taken = [factory.take(state, used) for factory, state in zip(self.aggregators, states, strict=True)]
        return GroupTable(len(used), times, [], taken)

    def _codes(self, block: RowBlock, one_bucket: bool) -> tuple[RowBlock, list[Array]]:
        vectors = [spec.vector(block) for spec in self.dimensions]
        rows, singles = explode(block, vectors, self.skip_empty)  # type: ignore[arg-type]
        for i, vector in enumerate(vectors):
            if isinstance(vector, MultiStringVector):  # each of several values had to have its row first
                singles[i] = convert_vector(rows, singles[i], self.dimensions[i].result_type)
        codes = [encoder.encode(vector) for encoder, vector in zip(self.encoders, singles, strict=True)]
        if not one_bucket:
            codes.insert(0, self.buckets.codes(rows.times()))
        return rows, codes

    def _grow(self, found: Accumulators, size: int) -> None:
        if size > self.max_groups:
            raise too_many(self.max_groups)
        found.resize(max(size, min(2 * found.num_groups, self.max_groups), 1024))

    def _table(self, group_ids: GroupIds, found: Accumulators, one_time: int | None) -> GroupTable:
        groups = group_ids.groups(found.counts)
        states = found.finish()
        taken = [factory.take(state, groups) for factory, state in zip(self.aggregators, states, strict=True)]
        return self._made(group_ids.codes_of(groups), taken, len(groups), one_time)

    def _made(self, columns: list[Array], states: list[Any], size: int, one_time: int | None) -> GroupTable:
        """The groups of these codes: those of the time, where there are several, and of each dimension."""
        if not size:
            return empty_table(self.aggregators, len(self.dimensions))
        if one_time is not None:
            times = np.full(size, one_time, dtype=np.int64)
        else:
            times = self.buckets.starts()[columns.pop(0)]
        dimensions = [encoder.decode(codes) for encoder, codes in zip(self.encoders, columns, strict=False)]
        return GroupTable(size, times, dimensions, states)
