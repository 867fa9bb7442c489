"""The order of a groupBy's rows: its limit spec, and what that leaves open."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from nemeton.query.engines.aggregate import FinishedTable
from nemeton.query.engines.table import natural_ranks, object_ranks
from nemeton.query.expressions.vec import text
from nemeton.query.model.comparators import sort_key
from nemeton.query.model.limits import OrderByColumnSpec
from nemeton.query.model.queries import GroupByQuery
from nemeton.query.numbers import number_texts
from nemeton.query.spilling.sorted_merge import RowKey, value_keys
from nemeton.query.vectors import AnyVector, Array, NumericVector, ObjectVector, StringVector


def row_order(query: GroupByQuery, finished: FinishedTable) -> Array:
    """The rows as the limit spec orders them; what it leaves open goes by time and dimensions."""
    keys = [order_key(query, column, finished) for column in query.limit_spec.columns]
    dimensions = [natural_ranks(finished.vector(spec.name)) for spec in query.dimensions]
    if not keys:
        return np.lexsort([*reversed(dimensions), finished.times])
    if query.query_context.get_bool("sortByDimsFirst", False):
        return np.lexsort([finished.times, *reversed(dimensions), *reversed(keys)])
    return np.lexsort([*reversed(dimensions), *reversed(keys), finished.times])


def order_key(query: GroupByQuery, column: OrderByColumnSpec, finished: FinishedTable) -> Array:
    """Numbers that sort the rows as one column of the order does."""
    ranks = finished.ranks(column.dimension)
    if ranks is None:
        vector = finished.vector(column.dimension)
        by_text = _goes_by_text(column, finished)
        ranks = text_ranks(vector, "lexicographic") if by_text else value_ranks(vector, column.dimension_order)
    return -ranks if column.descending else ranks


def _goes_by_text(column: OrderByColumnSpec, finished: FinishedTable) -> bool:
    return column.dimension_order == "lexicographic" and column.dimension in finished.dimension_names


def text_ranks(vector: AnyVector, ordering: str) -> Array:
    """Ranks in one of Druid's orders of strings, numbers going by their texts."""
    if not isinstance(vector, NumericVector):
        return value_ranks(vector, ordering)
    return object_ranks(_number_texts_keys(vector, ordering))


def value_ranks(vector: AnyVector, ordering: str) -> Array:
    """Ranks of values in one of Druid's orders. Numbers go by value whenever the order is a natural or numeric one."""
    if isinstance(vector, NumericVector):
        if ordering in ("lexicographic", "numeric", "natural"):
            return natural_ranks(vector)
        return text_ranks(vector, ordering)
    if isinstance(vector, ObjectVector) and vector.type.is_array and ordering not in ("numeric", "natural"):
        return object_ranks([_array_key(value, sort_key(ordering)) for value in vector.values])
    if ordering in ("lexicographic", "natural") or not isinstance(vector, StringVector):
        return natural_ranks(vector)
    used, inverse = np.unique(vector.codes, return_inverse=True)
    key = sort_key(ordering)
    return object_ranks([key(value) for value in vector.dictionary.lookup(used)])[inverse]


def _number_texts_keys(vector: NumericVector, ordering: str) -> list[Any]:
    texts = number_texts(vector.values, str(vector.type))
    missing = vector.nulls if vector.nulls is not None else np.zeros(len(vector), dtype=bool)
    return [sort_key(ordering)(None if n else t) for t, n in zip(texts, missing, strict=True)]


def _array_key(value: Any, key: Callable[[str | None], Any]) -> Any:
    """Element by element, numbers by their texts."""
    return (0,) if value is None else (1, *(key(text(item)) for item in value))


# ------------------------------------------------------------------------------------- the same order, over many tables
def row_keys(query: GroupByQuery, finished: FinishedTable) -> Callable[[int], RowKey]:
    """What makes the key of a row: keys of any tables of the query compare as `row_order` puts their rows."""
    times = finished.times
    columns = [_column_keys(query, column, finished) for column in query.limit_spec.columns]
    dimensions = [value_keys(finished.vector(spec.name)) for spec in query.dimensions]
    dims_first = bool(columns) and query.query_context.get_bool("sortByDimsFirst", False)

    def key(row: int) -> RowKey:
        time = int(times[row])
        rest = (*(make(row) for make in columns), *(make(row) for make in dimensions))
        return (*rest, time) if dims_first else (time, *rest)

    return key


def has_row_keys(query: GroupByQuery) -> bool:
    """Whether `row_keys` can be: not where an aggregate puts its values in an order of its own."""
    ordered = {column.dimension for column in query.limit_spec.columns}
    return all(factory.ranks(factory.init(1)) is None for factory in query.aggregations if factory.name in ordered)


def _column_keys(query: GroupByQuery, column: OrderByColumnSpec, finished: FinishedTable) -> Callable[[int], Any]:
    vector = finished.vector(column.dimension)
    if isinstance(vector, NumericVector) and _goes_by_text(column, finished):
        make = _number_text_keys(vector, "lexicographic")
    else:
        make = _ordered_keys(vector, column.dimension_order)
    return (lambda row: _Descending(make(row))) if column.descending else make


def _number_text_keys(vector: NumericVector, ordering: str) -> Callable[[int], Any]:
    one = np.zeros(1, dtype=np.int64)
    return lambda row: _number_texts_keys(vector.take(one + row), ordering)[0]


def _ordered_keys(vector: AnyVector, ordering: str) -> Callable[[int], Any]:
    """The keys that `value_ranks` ranks by."""
    if isinstance(vector, NumericVector) and ordering not in ("lexicographic", "numeric", "natural"):
        return _number_text_keys(vector, ordering)
    if isinstance(vector, ObjectVector) and vector.type.is_array and ordering not in ("numeric", "natural"):
        return lambda row: _array_key(vector.values[row], sort_key(ordering))
    if ordering in ("lexicographic", "natural") or not isinstance(vector, StringVector):
        return value_keys(vector)
    values, codes, key = vector.dictionary.values, vector.codes, sort_key(ordering)
    return lambda row: key(values[codes[row]])


@functools.total_ordering
class _Descending:
    """A key that sorts the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.key == other.key)

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.key < self.key)
