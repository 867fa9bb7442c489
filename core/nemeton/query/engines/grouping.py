"""Grouping the rows of one segment: dictionary codes to group ids, without looking at a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.common.errors import QueryException
from nemeton.query.engines.buckets import TimeBuckets
from nemeton.query.engines.table import GroupTable, empty_table, hashable, numeric_bits
from nemeton.query.kernels import IdMap
from nemeton.query.source import BLOCK_ROWS, RowBlock, SegmentSource
from nemeton.query.vectors import (
    AnyVector,
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    object_array,
)

if TYPE_CHECKING:
    from nemeton.model import ColumnType
    from nemeton.spi.query import AggregatorFactory, DimensionSpec, DimFilter, QueryControl
    from nemeton.time import Granularity, Interval

DENSE_GROUPS = 1 << 20
_GROWING_BITS = 31


class KeyEncoder:
    """The codes of one dimension within a segment. The first dictionary's codes are used as they are."""

    def __init__(self) -> None:
        self._dictionary: Dictionary | None = None
        self._remaps: dict[int, tuple[Dictionary, Array]] = {}
        self._values: dict[Any, int] | None = None
        self._ids: IdMap | None = None
        self._type: ColumnType | None = None
        self._dtype: Any = None

    def encode(self, vector: AnyVector) -> Array:
        """Codes of the values, equal where the values are, over all calls."""
        if isinstance(vector, StringVector):
            return self._encode_strings(vector)
        if isinstance(vector, NumericVector):
            return self._encode_numbers(vector)
        assert isinstance(vector, ObjectVector)
        self._type = vector.type
        values = self._values = {} if self._values is None else self._values
        return np.array([values.setdefault(hashable(v), len(values)) for v in vector.to_list()], dtype=np.int64)

    def _encode_strings(self, vector: StringVector) -> Array:
        if self._dictionary is None:
            self._dictionary = vector.dictionary
        if vector.dictionary is self._dictionary:
            return vector.codes
        if self._values is None:
            values = self._dictionary.values.tolist()
            self._values = dict(zip(values, range(len(values)), strict=True))
        known = self._remaps.get(id(vector.dictionary))
        if known is None:
            table = self._values
            remap = np.array([table.setdefault(v, len(table)) for v in vector.dictionary.values], dtype=np.int64)
            known = self._remaps[id(vector.dictionary)] = (vector.dictionary, remap)
        return known[1][vector.codes]

    def _encode_numbers(self, vector: NumericVector) -> Array:
        self._type, self._dtype = vector.type, vector.values.dtype
        if self._ids is None:
            self._ids = IdMap()
        if vector.nulls is None:
            return self._ids.ids(numeric_bits(vector.values)) + 1
        codes = np.zeros(len(vector), dtype=np.int64)
        present = ~vector.nulls
        codes[present] = self._ids.ids(numeric_bits(vector.values[present])) + 1
        return codes

    def decode(self, codes: Array) -> AnyVector:
        """The values of the codes."""
        if self._ids is not None:
            bits = np.append(np.zeros(1, dtype=np.int64), self._ids.keys)[codes]
            wide = bits if np.dtype(self._dtype).kind in "iu" else bits.view(np.float64)
            nulls = codes == 0
            assert self._type is not None
            return NumericVector(self._type, wide.astype(self._dtype), nulls if nulls.any() else None)
        if self._type is not None:
            values = [list(v) if isinstance(v, tuple) else v for v in self._values or ()]
            return ObjectVector(self._type, object_array(values)[codes])
        if self._values is not None:
            return StringVector(codes, Dictionary(list(self._values), len(self._values)))
        assert self._dictionary is not None
        return StringVector(codes, self._dictionary)


def fixed_size(source: SegmentSource, spec: DimensionSpec) -> int | None:
    """How many codes a dimension has in this segment, when that is known before reading: plain string columns."""
    plain = getattr(spec, "is_plain", False) and spec.dimension not in source.virtual_columns
    if not plain or spec.result_type != "STRING":
        return None
    column = source.column(spec.dimension)
    if column is None:
        return 1
    if str(column.type) != "STRING" or not getattr(column, "is_dictionary_encoded", True):
        return None
    # One more for the null that a row without values stands for.
    return int(column.cardinality) + (1 if column.has_multiple_values else 0)


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
        self._maps = [IdMap() for _ in (sizes if self._bits is None else [None])]
        self._used = np.zeros(self.dense_size, dtype=bool) if self.dense_size is not None else None

    @property
    def size(self) -> int:
        """The number of ids given out; of the dense form all there could be."""
        return self.dense_size if self.dense_size is not None else self._maps[-1].size

    def ids(self, codes: Sequence[Array], num_rows: int) -> Array:
        """The group id of each row."""
        if self._used is not None:
            key = codes[0].astype(np.int64) if codes else np.zeros(num_rows, dtype=np.int64)
            for column, size in zip(codes[1:], self._sizes[1:], strict=True):
                assert size is not None
                key = key * size + column
            self._used[key] = True
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

    def groups(self) -> tuple[Array, list[Array]]:
        """The ids in use, and their codes by dimension."""
        columns: list[Array] = []
        if self._used is not None:
            groups = np.flatnonzero(self._used)
            rest = groups
            for size in reversed(self._sizes):
                assert size is not None
                columns.append(rest % size)
                rest = rest // size
        elif self._bits is not None:
            groups, rest = np.arange(self._maps[0].size), self._maps[0].keys
            for bits in reversed(self._bits):
                columns.append(rest & ((1 << bits) - 1))
                rest = rest >> bits
        else:
            groups = rest = np.arange(self._maps[-1].size)
            for ids_of in reversed(self._maps[1:]):
                key = ids_of.keys[rest]
                columns.append(key & 0xFFFFFFFF)
                rest = key >> 32
            columns.append(self._maps[0].keys[rest])
        return groups, columns[::-1]


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
        self.encoders = [KeyEncoder() for _ in dimensions]

    def run(
        self,
        intervals: Sequence[Interval],
        all_time: int,
        condition: DimFilter | None,
        control: QueryControl,
        block_rows: int = BLOCK_ROWS,
    ) -> GroupTable:
        """The groups of the rows in the intervals that meet the condition; `all_time` is the time of the bucket ALL."""
        sizes = [fixed_size(self.source, spec) for spec in self.dimensions]
        group_ids = GroupIds([*([] if self.buckets.is_all else [None]), *sizes])
        states = [factory.init(group_ids.size) for factory in self.aggregators]
        allocated = group_ids.size
        for block in self.source.blocks(intervals, condition, control, block_rows):
            rows, codes = self._codes(block)
            ids = group_ids.ids(codes, rows.num_rows)
            if group_ids.size > allocated:
                allocated = self._grow(states, allocated, group_ids.size)
            for factory, state in zip(self.aggregators, states, strict=True):
                if codes:
                    factory.aggregate(state, rows, ids)
                else:
                    factory.aggregate_run(state, rows, 0)
        return self._table(group_ids, states, all_time)

    def _codes(self, block: RowBlock) -> tuple[RowBlock, list[Array]]:
        vectors = [spec.vector(block) for spec in self.dimensions]
        rows, singles = explode(block, vectors, self.skip_empty)  # type: ignore[arg-type]
        codes = [encoder.encode(vector) for encoder, vector in zip(self.encoders, singles, strict=True)]
        if not self.buckets.is_all:
            codes.insert(0, self.buckets.codes(rows.times()))
        return rows, codes

    def _grow(self, states: list[Any], allocated: int, size: int) -> int:
        if size > self.max_groups:
            raise too_many_groups(self.max_groups)
        target = max(size, min(2 * allocated, self.max_groups), 1024)
        for i, factory in enumerate(self.aggregators):
            states[i] = factory.resize(states[i], target)
        return target

    def _table(self, group_ids: GroupIds, states: list[Any], all_time: int) -> GroupTable:
        groups, columns = group_ids.groups()
        if not len(groups):
            return empty_table(self.aggregators, len(self.dimensions))
        if self.buckets.is_all:
            times = np.full(len(groups), all_time, dtype=np.int64)
        else:
            times = self.buckets.starts()[columns.pop(0)]
        dimensions = [encoder.decode(codes) for encoder, codes in zip(self.encoders, columns, strict=False)]
        taken = [factory.take(state, groups) for factory, state in zip(self.aggregators, states, strict=True)]
        return GroupTable(len(groups), times, dimensions, taken)


def too_many_groups(limit: int) -> QueryException:
    """The error of a query with more groups than it may hold in memory."""
    return QueryException(
        QueryException.RESOURCE_LIMIT,
        f"Not enough merge buffer memory to execute this query: it has more than {limit} groups. Narrow the query, or "
        "raise [maxResults] in its context.",
        error_class="org.apache.druid.query.ResourceLimitExceededException",
    )
