"""Running a physical plan: native queries through the executor, and row operators on what they give."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, QueryException
from nemeton.json import Json
from nemeton.query.model.context import QueryContext
from nemeton.query.subqueries import SubqueryBudget
from nemeton.sql.errors import unsupported_sql
from nemeton.sql.logical import SortKey
from nemeton.sql.physical import (
    Concatenate,
    JoinOnGroups,
    NativeQuery,
    Physical,
    PickColumns,
    Rows,
    SortRows,
    SystemRows,
)
from nemeton.sql.results import RowBlock, in_blocks, result_blocks

Row = tuple[Any, ...]


class NativeQueryExecutor(Protocol):
    """Runs native queries for the SQL layer; bound by the Broker. Thread-safe."""

    def execute(self, query: Any, identity: Any) -> Iterable[Any]:
        """The result objects of a :class:`nemeton.spi.query.Query`, finalised, in Druid's native form; or, from one
        that has its answer by column, :class:`nemeton.model.results.ResultColumns`.

        `identity` is the authentication result of the request. The rows may be lazy; closing the iterator early ends
        the query. Deadline and priority are in the query's context.
        """
        ...

    def cancel(self, query_id: str) -> None:
        """End the native queries whose context says this ``queryId``; no error when there is none."""
        ...


@frozen
class Execution:
    """Runs the plans of one statement."""

    executor: NativeQueryExecutor
    json: Json
    identity: Any
    context: Mapping[str, Any]
    clock: Clock
    deadline: float | None = None

    @classmethod
    def start(
        cls, executor: NativeQueryExecutor, json: Json, identity: Any, context: Mapping[str, Any], clock: Clock
    ) -> Execution:
        """An execution whose ``timeout`` counts from now, for all native queries of the statement together."""
        timeout = int(context.get("timeout") or 0)
        deadline = clock.monotonic() + timeout / 1000 if timeout > 0 else None
        return cls(executor, json, identity, context, clock, deadline)

    def in_time(self, query: dict[str, Any]) -> dict[str, Any]:
        """The query with what is left of the statement's time; QUERY TIMEOUT when nothing is."""
        if self.deadline is None:
            return query
        left = int((self.deadline - self.clock.monotonic()) * 1000)
        if left <= 0:
            raise QueryException(QueryException.TIMEOUT, "Query did not complete within configured timeout period.")
        return {**query, "context": {**query["context"], "timeout": left}}

    def rows(self, plan: Physical) -> Iterator[Row]:
        """The plan's rows, as lazily as its operators allow."""
        runner = _RUNNERS[type(plan)]
        return runner(self, plan)

    def blocks(self, plan: Physical) -> Iterator[RowBlock]:
        """The same by column, some at a time."""
        runner = _BY_COLUMN.get(type(plan))
        return in_blocks(self.rows(plan)) if runner is None else runner(self, plan)

    def run(self, plan: Physical) -> list[Row]:
        """All rows of a subquery, at most ``maxSubqueryRows``."""
        return self.held(plan)

    def native_json(self, plan: NativeQuery) -> dict[str, Any]:
        """The complete native query; rows of a plan beneath it are fetched and put inline."""
        if plan.source is None:
            return plan.query
        if isinstance(plan.source, NativeQuery) and plan.source_is_nested:
            inner = self.native_json(plan.source)
            finished = {**inner, "context": {**inner["context"], "finalize": True}}
            return {**plan.query, "dataSource": {"type": "query", "query": finished}}
        rows = self.held(plan.source)
        types = [field.type.native for field in plan.source.fields]
        inline = {
            "type": "inline",
            "columnNames": list(plan.source_columns),
            "columnTypes": types,
            "rows": [list(row) for row in rows],
        }
        return {**plan.query, "dataSource": inline}

    def held(self, plan: Physical) -> list[Row]:
        """All rows of a plan, at most ``maxSubqueryRows``; groups have the bound of their own native queries."""
        rows = self.rows(plan)
        if _has_own_bound(plan):
            return list(rows)
        return SubqueryBudget(QueryContext(self.context)).kept(rows)


def _has_own_bound(plan: Physical) -> bool:
    """Whether the rows are few by nature, or were held in memory by the engine already."""
    if isinstance(plan, (PickColumns, SortRows)):
        return _has_own_bound(plan.input)
    if isinstance(plan, Concatenate):
        return all(_has_own_bound(part) for part in plan.inputs)
    return isinstance(plan, (SystemRows, Rows, JoinOnGroups))


def _native(execution: Execution, plan: NativeQuery) -> Iterator[Row]:
    return itertools.chain.from_iterable(block.rows for block in _native_blocks(execution, plan))


def _native_blocks(execution: Execution, plan: NativeQuery) -> Iterator[RowBlock]:
    from nemeton.spi.query import Query

    body = execution.in_time(execution.native_json(plan))
    try:
        query: Any = execution.json.structure(body, Query)
    except DruidException as error:
        # the planner writes what Druid's engine takes; what this one cannot read yet is no fault of the caller
        raise unsupported_sql(f"A part of the native query ({error.message})") from error
    return result_blocks(plan, body, execution.executor.execute(query, execution.identity))


def _known(execution: Execution, plan: Rows) -> Iterator[Row]:
    return iter(plan.rows)


def _system(execution: Execution, plan: SystemRows) -> Iterator[Row]:
    return (tuple(row) for row in plan.source(execution.identity))


def _pick(execution: Execution, plan: PickColumns) -> Iterator[Row]:
    return (tuple(row[index] for index in plan.indexes) for row in execution.rows(plan.input))


def _pick_blocks(execution: Execution, plan: PickColumns) -> Iterator[RowBlock]:
    blocks = execution.blocks(plan.input)
    return (RowBlock([block.columns[index] for index in plan.indexes], block.num_rows) for block in blocks)


def _concatenate(execution: Execution, plan: Concatenate) -> Iterator[Row]:
    return itertools.chain.from_iterable(execution.rows(item) for item in plan.inputs)


def _sort(execution: Execution, plan: SortRows) -> Iterator[Row]:
    rows: Iterable[Row] = (
        execution.rows(plan.input) if not plan.keys else ordered(execution.held(plan.input), plan.keys)
    )
    stop = None if plan.limit is None else plan.offset + plan.limit
    return itertools.islice(rows, plan.offset, stop)


def ordered(rows: list[Row], keys: tuple[SortKey, ...]) -> list[Row]:
    """The rows in Druid's order: null is least unless the key says else, strings go by UTF-16 code units."""
    for key in reversed(keys):
        rows.sort(key=_sort_value(key), reverse=key.descending)
    return rows


def _sort_value(key: SortKey) -> Callable[[Row], tuple[int, Any]]:
    nulls_first = not key.descending if key.nulls_first is None else key.nulls_first
    null = (0, 0) if nulls_first != key.descending else (2, 0)

    def value(row: Row) -> tuple[int, Any]:
        cell = row[key.index]
        return null if cell is None else (1, sortable(cell))

    return value


def sortable(value: Any) -> Any:
    """A value that Python compares as Druid does."""
    if isinstance(value, str):
        return value.encode("utf-16-be", "surrogatepass")
    if isinstance(value, (list, tuple)):
        return [(item is not None, sortable(item) if item is not None else 0) for item in value]
    return value


def _join(execution: Execution, plan: JoinOnGroups) -> Iterator[Row]:
    first, *others = plan.inputs
    tables = [{_hashable(row[: plan.groups]): row[plan.groups :] for row in execution.rows(other)} for other in others]
    widths = [len(other.fields) - plan.groups for other in others]
    for row in execution.rows(first):
        joined = list(row)
        key = _hashable(row[: plan.groups])
        for table, width in zip(tables, widths, strict=True):
            start = len(joined) - plan.groups
            joined.extend(table.get(key) or plan.defaults[start : start + width])
        yield tuple(joined)


def _hashable(key: Row) -> Row:
    return tuple(tuple(value) if isinstance(value, list) else value for value in key)


_RUNNERS: dict[type, Callable[[Execution, Any], Iterator[Row]]] = {
    NativeQuery: _native,
    Rows: _known,
    SystemRows: _system,
    PickColumns: _pick,
    Concatenate: _concatenate,
    SortRows: _sort,
    JoinOnGroups: _join,
}
_BY_COLUMN: dict[type, Callable[[Execution, Any], Iterator[RowBlock]]] = {
    NativeQuery: _native_blocks,
    PickColumns: _pick_blocks,
}
