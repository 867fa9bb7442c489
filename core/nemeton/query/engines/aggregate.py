"""What timeseries, topN and groupBy share: from groups and states to finished columns."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from nemeton.model.results import ResultColumns
from nemeton.query.engines.table import GroupTable
from nemeton.query.model.base import AggregateQuery
from nemeton.query.vectors import (
    COLUMN_TYPES,
    AnyVector,
    Array,
    NumericVector,
    ObjectVector,
    null_vector,
    object_array,
    value_type,
)
from nemeton.spi.query import AggregatorFactory


class FinishedTable:
    """The columns of a result by name. Implements `nemeton.spi.query.ResultTable`."""

    def __init__(self, query: AggregateQuery, table: GroupTable, dimension_names: Sequence[str] = ()) -> None:
        self.num_rows = table.num_groups
        self.times = table.times
        self.dimension_names = frozenset(dimension_names)
        self._rows: Array | None = None
        self._query = query
        self._table = table
        self._columns: dict[str, AnyVector] = dict(zip(dimension_names, table.dimensions, strict=True))
        for factory, state in zip(query.aggregations, table.states, strict=True):
            self._columns[factory.name] = cast("AnyVector", factory.finalise(state))
        for post in query.post_aggregations:
            assert post.name is not None
            self._columns[post.name] = cast("AnyVector", post.compute(self))

    def vector(self, name: str) -> AnyVector:
        """A finished column, or as `__time` the starts of the buckets; all null when there is none of that name."""
        found = self._columns.get(name)
        if found is None and name == "__time":
            return NumericVector(COLUMN_TYPES["LONG"], self.times)
        return null_vector(self.num_rows) if found is None else found

    def intermediate(self, name: str) -> AnyVector:
        """An aggregate that is not finalised."""
        found = self._aggregate(name)
        return self.vector(name) if found is None else cast("AnyVector", found[0].intermediate(found[1]))

    def stored(self, name: str) -> AnyVector:
        """An aggregate that is not finalised, in the form that segments have, so that it can be aggregated further."""
        found = self._aggregate(name)
        if found is None:
            return self.vector(name)
        factory, state = found
        if not factory.intermediate_type.is_complex:
            return cast("AnyVector", factory.intermediate(state))
        vector = cast("AnyVector", factory.to_stored(state))
        return ObjectVector(vector.type, vector.values, factory.text) if isinstance(vector, ObjectVector) else vector

    def ranks(self, name: str) -> Array | None:
        """How an aggregate orders the rows in its own way; None where it has none, and for other columns."""
        found = self._aggregate(name)
        return None if found is None else found[0].ranks(found[1])

    def _aggregate(self, name: str) -> tuple[AggregatorFactory, Any] | None:
        """The aggregate of that name, and its state of the rows that are left."""
        for factory, state in zip(self._query.aggregations, self._table.states, strict=True):
            if factory.name == name:
                return factory, state if self._rows is None else factory.take(state, self._rows)
        return None

    def some(self, rows: Array) -> FinishedTable:
        """Another table of only these rows, in this order."""
        other = copy.copy(self)
        other.select(rows)
        return other

    def select(self, rows: Array) -> None:
        """Keep only these rows, in this order."""
        self.num_rows = len(rows)
        self._rows = rows if self._rows is None else self._rows[rows]
        self.times = self.times[rows]
        self._columns = {name: vector.take(rows) for name, vector in self._columns.items()}

    def in_parts(self, rows: int) -> Iterator[FinishedTable]:
        """Tables of at most so many rows."""
        if self.num_rows <= rows:
            yield self
            return
        for at in range(0, self.num_rows, rows):
            yield self.some(np.arange(at, min(at + rows, self.num_rows)))

    def columns(self, names: Sequence[str]) -> list[list[Any]]:
        """The JSON-able values of these columns; aggregates are not finalised where the query asks for that."""
        return [self._shown(name).to_list() for name in names]

    def result_columns(self, names: Sequence[str]) -> ResultColumns:
        """The same with what is known of their types."""
        vectors = [self._shown(name) for name in names]
        lists = [vector.to_list() for vector in vectors]
        return ResultColumns(names, lists, self.num_rows, [value_type(vector) for vector in vectors])

    def _shown(self, name: str) -> AnyVector:
        found = self._aggregate(name) if self._query.query_context.finalize is False else None
        if found is None:
            return self.vector(name)
        factory, state = found
        return ObjectVector(factory.intermediate_type, object_array(factory.to_wire(state)))

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """One object per row."""
        lists = self.columns(names)
        if not names:
            return [{} for _ in range(self.num_rows)]
        return [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]


def reads_rows(query: AggregateQuery) -> bool:
    """Whether the columns of rows are read: what counts rows, or knows which values there are, does not take long."""
    return query.filter is not None or any(factory.required_columns() for factory in query.aggregations)


def value_names(query: AggregateQuery) -> list[str]:
    """The names of aggregations and post-aggregations."""
    return [item.name for item in query.aggregations] + [str(item.name) for item in query.post_aggregations]


def wire_rows(query: AggregateQuery, table: GroupTable, dimension_names: Sequence[str]) -> list[dict[str, Any]]:
    """One object per group with dimensions and unfinalised aggregates."""
    names = [*dimension_names, *(item.name for item in query.aggregations)]
    if not names:
        return [{} for _ in range(table.num_groups)]
    return [dict(zip(names, values, strict=True)) for values in zip(*wire_lists(query, table), strict=True)]


def wire_lists(query: AggregateQuery, table: GroupTable) -> list[list[Any]]:
    """The dimensions and unfinalised aggregates, one list for each."""
    lists = [vector.to_list() for vector in table.dimensions]
    return lists + [factory.to_wire(state) for factory, state in zip(query.aggregations, table.states, strict=True)]


def times_array(times: Sequence[int]) -> Array:
    """Milliseconds as an array."""
    return np.array(times, dtype=np.int64)
