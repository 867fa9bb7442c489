"""The SQL engine: parse, validate, plan, run. One per Broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.json import Json
from nemeton.sql.binder.query import bind_statement
from nemeton.sql.catalog import Catalog
from nemeton.sql.context import QUERY_ID, SQL_QUERY_ID, STRINGIFY_ARRAYS, Parameter, PlannerContext
from nemeton.sql.dialect import parse
from nemeton.sql.execution import Execution, NativeQueryExecutor, Row
from nemeton.sql.explain import explain
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.logical import Field, Statement
from nemeton.sql.planner import Planner
from nemeton.sql.results import RowBlock, ShownRows, ValueFormat
from nemeton.sql.schemas import CatalogSource


@frozen
class SqlResult:
    """The answer of one statement. `blocks` hold native values and can be read once; `format` shows them to clients."""

    query_id: str
    fields: tuple[Field, ...]
    blocks: Iterator[RowBlock]
    format: ValueFormat

    @property
    def rows(self) -> Iterator[Row]:
        """The rows of native values."""
        return (row for block in self.blocks for row in block.rows)

    def json_blocks(self) -> Iterator[ShownRows]:
        """The rows as JSON values, lazily, some hundred at a time."""
        return self.format.shown(self.blocks, self.fields)

    def json_rows(self) -> Iterator[list[Any]]:
        """The rows as JSON values one by one."""
        return (list(row) for block in self.json_blocks() for row in block.rows)


class SqlEngine:
    """Answers SQL statements. Thread-safe; each statement sees one snapshot of the catalog."""

    def __init__(
        self,
        executor: NativeQueryExecutor,
        catalog_source: CatalogSource,
        functions: FunctionTable,
        json: Json,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._catalog_source = catalog_source
        self._functions = functions
        self._json = json
        self._clock = clock

    def execute(
        self,
        sql: str,
        context: Mapping[str, Any] | None = None,
        parameters: Sequence[Parameter] = (),
        identity: Any = None,
        authorize: Callable[[tuple[str, ...]], None] | None = None,
    ) -> SqlResult:
        """Plan the statement and begin to run it; rows come as the result is read.

        `authorize` is asked with the data sources that the statement reads before anything runs, and raises to refuse.

        Raises :class:`DruidException`: INVALID_INPUT when the statement is wrong, UNSUPPORTED when this version cannot
        run it; native queries raise theirs, possibly while rows are read.
        """
        planner_context = self._context(context or {}, parameters)
        statement = self._bind(sql, planner_context)
        if authorize is not None:
            authorize(statement.resources)
        execution = Execution.start(self._executor, self._json, identity, planner_context.query_context, self._clock)
        plan = Planner(planner_context, execution.run).plan(statement.plan)
        if statement.explain:
            fields, blocks = explain(plan, statement, planner_context)
        else:
            fields, blocks = statement.plan.fields, execution.blocks(plan)
        shown = ValueFormat(planner_context.zone, planner_context.flag(STRINGIFY_ARRAYS, True))
        return SqlResult(str(planner_context.query_context[SQL_QUERY_ID]), fields, blocks, shown)

    def catalog(self) -> Catalog:
        """What SQL can see now."""
        return self._catalog_source.catalog(self._functions)

    def _bind(self, sql: str, context: PlannerContext) -> Statement:
        return bind_statement(parse(sql), context)

    def _context(self, context: Mapping[str, Any], parameters: Sequence[Parameter]) -> PlannerContext:
        query_context = dict(context)
        sql_id = query_context.setdefault(SQL_QUERY_ID, str(query_context.get(QUERY_ID) or uuid.uuid4()))
        query_context.setdefault(QUERY_ID, sql_id)
        return PlannerContext(self.catalog(), self._functions, query_context, parameters, self._clock.now())
