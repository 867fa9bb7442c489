"""Groups and their aggregates as columns: what the grouping queries pass from segment to Broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from attrs import define

from nemeton.query.aggregators.base import NumericState
from nemeton.query.kernels import add_all, extreme, number_keys
from nemeton.query.vectors import (
    AnyVector,
    Array,
    Dictionary,
    NumericVector,
    ObjectVector,
    StringVector,
    concat_vectors,
    java_key,
    null_mask,
    null_vector,
    object_array,
    sort_ranks,
    used_codes,
)
from nemeton.spi.query import AggregatorFactory

_NUMERIC = frozenset(["add", "minimum", "maximum"])


@define
class GroupTable:
    """`num_groups` distinct keys (time bucket and dimension values) and for each aggregator its state.

    `times` holds the start of the bucket of each group. `dimensions` are vectors of one value a group.
    """

    num_groups: int
    times: Array
    dimensions: list[AnyVector]
    states: list[Any]
    empty_buckets: frozenset[int] = frozenset()
    """Starts of buckets that rows could have been in but were not; kept by topN, which shows them."""

    def take(self, groups: Array, aggregators: Sequence[AggregatorFactory]) -> GroupTable:
        """These groups in this order."""
        states = [factory.take(state, groups) for factory, state in zip(aggregators, self.states, strict=True)]
        return GroupTable(len(groups), self.times[groups], [d.take(groups) for d in self.dimensions], states)


def empty_table(aggregators: Sequence[AggregatorFactory], num_dimensions: int) -> GroupTable:
    """No groups."""
    dimensions: list[AnyVector] = [null_vector(0) for _ in range(num_dimensions)]
    return GroupTable(0, np.zeros(0, dtype=np.int64), dimensions, [factory.init(0) for factory in aggregators])


def merge_tables(
    tables: Sequence[GroupTable], aggregators: Sequence[AggregatorFactory], num_dimensions: int
) -> GroupTable:
    """One table of the groups of all, aggregates of equal keys merged."""
    tables = [table for table in tables if table.num_groups]
    if not tables:
        return empty_table(aggregators, num_dimensions)
    if len(tables) == 1:
        return tables[0]
    times = np.concatenate([table.times for table in tables])
    dimensions = [concat_vectors(same_kind([t.dimensions[i] for t in tables])) for i in range(num_dimensions)]
    ids, firsts = group_rows([times_codes(times), *(vector_codes(vector) for vector in dimensions)])
    ends = np.cumsum([table.num_groups for table in tables])
    parts = np.split(ids, ends[:-1])
    states = [
        merged_state(factory, [table.states[place] for table in tables], parts, len(firsts))
        for place, factory in enumerate(aggregators)
    ]
    return GroupTable(len(firsts), times[firsts], [vector.take(firsts) for vector in dimensions], states)


def merged_state(factory: AggregatorFactory, states: Sequence[Any], ids: Sequence[Array], num_groups: int) -> Any:
    """The states of several tables, whose groups have these ids, as one.

    Numbers that all groups have need no look at which have them; those of the first table are distinct.
    """
    kernel: str | None = getattr(factory, "kernel", None)
    if kernel not in _NUMERIC or not all(state.seen.all() for state in states):
        merged = factory.init(num_groups)
        for state, part in zip(states, ids, strict=True):
            factory.merge(merged, state, part)
        return merged
    values = np.full(num_groups, factory.identity, dtype=states[0].values.dtype)  # type: ignore[attr-defined]
    values[ids[0]] = states[0].values
    for state, part in zip(states[1:], ids[1:], strict=True):
        if kernel == "add":
            add_all([values], part, [state.values])
        else:
            extreme(values, part, state.values, kernel == "maximum")
    return NumericState(values, np.ones(num_groups, dtype=bool))


def same_kind(vectors: Sequence[AnyVector]) -> list[AnyVector]:
    """Vectors of one kind: columns of nulls (which look like strings) follow the others."""
    kinds = {type(vector) for vector in vectors}
    if len(kinds) == 1 and not (kinds == {NumericVector} and len({str(v.type) for v in vectors}) > 1):
        return list(vectors)
    pattern = next((v for v in vectors if isinstance(v, NumericVector)), None)
    if pattern is None:
        kind = next((v.type for v in vectors if isinstance(v, ObjectVector)), vectors[0].type)
        return [ObjectVector(kind, object_array(v.to_list())) for v in vectors]
    out: list[AnyVector] = []
    for vector in vectors:
        if isinstance(vector, NumericVector):
            values, nulls = vector.values.astype(pattern.values.dtype), vector.nulls
        else:
            values, nulls = np.zeros(len(vector), dtype=pattern.values.dtype), np.ones(len(vector), dtype=bool)
        out.append(NumericVector(pattern.type, values, nulls))
    return out


def times_codes(times: Array) -> tuple[Array, int]:
    """Bucket starts as codes, and how many codes there are."""
    if len(times) and times[0] == times[-1] and bool((times == times[0]).all()):
        return np.zeros(len(times), dtype=np.int64), 1
    distinct, codes = np.unique(times, return_inverse=True)
    return codes, len(distinct)


def vector_codes(vector: AnyVector) -> tuple[Array, int]:
    """Any one-value vector as int64 codes, equal where the values are."""
    if isinstance(vector, StringVector):
        return vector.codes.astype(np.int64), vector.dictionary.size
    if isinstance(vector, NumericVector):
        near = _near_codes(vector)
        if near is not None:
            return near
        distinct, codes = np.unique(numeric_bits(vector.values), return_inverse=True)
        if vector.nulls is not None:
            codes = np.where(vector.nulls, len(distinct), codes)
        return codes, len(distinct) + 1
    seen: dict[Any, int] = {}
    keys = [hashable(value) for value in vector.to_list()]
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64), len(seen)


def _near_codes(vector: NumericVector) -> tuple[Array, int] | None:
    """The distances from the least value as codes, for whole numbers that lie near to each other."""
    values = vector.values
    if vector.nulls is not None or values.dtype.kind != "i" or not len(values):
        return None
    low, high = int(values.min()), int(values.max())
    return (values - low, high - low + 1) if high - low < 4 * len(values) + 1024 else None


def hashable(value: Any) -> Any:
    """Lists as tuples."""
    return tuple(hashable(item) for item in value) if isinstance(value, list) else value


def numeric_bits(values: Array) -> Array:
    """Numbers as int64 that are equal exactly when the numbers are (all NaN alike, -0.0 apart as in Java)."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64, copy=False)
    wide = values.astype(np.float64)
    wide[np.isnan(wide)] = np.nan
    return wide.view(np.int64)


def total_order_bits(values: Array) -> Array:
    """Doubles as int64 in the order that Java gives doubles: -0.0 before 0.0, NaN last."""
    bits = numeric_bits(values)
    return np.where(bits < 0, bits ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), bits)


def natural_order(times: Array, vectors: Sequence[AnyVector]) -> Array:
    """The rows by time, then by the vectors' values."""
    return np.lexsort([natural_ranks(vector) for vector in reversed(vectors)] + [times])


def group_rows(columns: Sequence[tuple[Array, int]]) -> tuple[Array, Array]:
    """Ids of the distinct combinations of codes, and for each id the first row that has it."""
    key, size = columns[0]
    for codes, count in columns[1:]:
        if size == 1:  # one time, as it mostly is
            key, size = codes, count
            continue
        if size * count >= 2**62:
            distinct, key = np.unique(key, return_inverse=True)
            size = len(distinct)
        key = key * count + codes
        size *= max(count, 1)
    if 0 < size <= 4 * len(key) + 1024:  # few combinations: no need to sort
        return number_keys(key, size)
    _, firsts, ids = np.unique(key, return_index=True, return_inverse=True)
    return ids, firsts


def natural_ranks(vector: AnyVector) -> Array:
    """A number per row that orders the rows by value; null first."""
    if isinstance(vector, StringVector):
        if vector.dictionary.is_sorted or vector.dictionary.size <= 2 * len(vector):
            return sort_ranks(vector.dictionary)[vector.codes]
        distinct, codes = used_codes(vector)
        return sort_ranks(Dictionary(vector.dictionary.lookup(distinct).tolist(), len(distinct)))[codes]
    if isinstance(vector, NumericVector):
        values = vector.values
        _, ranks = np.unique(values if values.dtype.kind in "iu" else total_order_bits(values), return_inverse=True)
        return cast("Array", np.where(null_mask(vector), -1, ranks))
    return object_ranks([object_key(value) for value in vector.to_list()])


def object_key(value: Any) -> Any:
    """A sort key for arrays and other objects; null first."""
    if value is None:
        return (0,)
    if isinstance(value, list):
        return (1, *(object_key(item) for item in value))
    if isinstance(value, str):
        return (1, 1, *java_key(value))
    return (1, 0, value) if isinstance(value, (int, float)) else (1, 2, str(value))


def object_ranks(keys: Sequence[Any]) -> Array:
    """Ranks of sort keys, equal for equal keys."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([ranks[key] for key in keys], dtype=np.int64)
