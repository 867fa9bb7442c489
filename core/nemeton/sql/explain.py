"""EXPLAIN PLAN FOR: the native query as JSON, what it reads, and what kind of statement it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nemeton.sql.context import PlannerContext
from nemeton.sql.logical import Field, Statement
from nemeton.sql.physical import Concatenate, JoinOnGroups, NativeQuery, Physical, PickColumns, Rows, SortRows
from nemeton.sql.results import RowBlock, in_blocks
from nemeton.sql.types import VARCHAR

EXPLAIN_FIELDS = (Field("PLAN", VARCHAR), Field("RESOURCES", VARCHAR), Field("ATTRIBUTES", VARCHAR))


def explain(
    plan: Physical, statement: Statement, context: PlannerContext
) -> tuple[tuple[Field, ...], Iterator[RowBlock]]:
    """The one row of an explanation; nothing is run."""
    import msgspec

    resources = [{"name": name, "type": "DATASOURCE"} for name in statement.resources]
    queries = [_explained(query, statement.plan.fields, context) for query in _native_queries(plan)]
    texts = [msgspec.json.encode(part).decode() for part in (queries, resources, {"statementType": "SELECT"})]
    return EXPLAIN_FIELDS, in_blocks([tuple(texts)])


def _native_queries(plan: Physical) -> list[NativeQuery]:
    """The outermost native queries; row operators above them have no place in Druid's explanation."""
    if isinstance(plan, NativeQuery):
        return [plan]
    if isinstance(plan, Rows):
        return [_inline(plan)]
    if isinstance(plan, (SortRows, PickColumns)):
        return _native_queries(plan.input)
    if isinstance(plan, (Concatenate, JoinOnGroups)):
        return [query for part in plan.inputs for query in _native_queries(part)]
    return []


def _inline(plan: Rows) -> NativeQuery:
    names = tuple(field.name for field in plan.fields)
    return NativeQuery(plan.fields, {"queryType": "scan", "columns": list(names)}, names, (), plan, names)


def _explained(plan: NativeQuery, outputs: tuple[Field, ...], context: PlannerContext) -> dict[str, Any]:
    query = _whole(plan)
    query.setdefault("context", dict(context.query_context))
    types = {name: field.type.native for name, field in zip(plan.columns, plan.fields, strict=True) if name is not None}
    if query["queryType"] == "scan":
        query["columnTypes"] = [types.get(name, "LONG") for name in query["columns"]]
        query["legacy"] = False
    mappings = [
        {"queryColumn": name or f"${index}", "outputColumn": field.name}
        for index, (name, field) in enumerate(zip(plan.columns, outputs, strict=False))
    ]
    signature = [{"name": name, "type": kind} for name, kind in types.items()]
    return {"query": query, "signature": signature, "columnMappings": mappings}


def _whole(plan: NativeQuery) -> dict[str, Any]:
    query = dict(plan.query)
    if query["queryType"] == "groupBy":
        query.setdefault("limitSpec", {"type": "NoopLimitSpec"})
    if isinstance(plan.source, NativeQuery):
        query["dataSource"] = {"type": "query", "query": _whole(plan.source)}
    elif isinstance(plan.source, Rows):
        query["dataSource"] = {
            "type": "inline",
            "columnNames": list(plan.source_columns),
            "columnTypes": [field.type.native for field in plan.source.fields],
            "rows": [list(row) for row in plan.source.rows],
        }
        query.setdefault("intervals", _ETERNITY)
        query.setdefault("resultFormat", "compactedList")
        query.setdefault("granularity", {"type": "all"})
    elif plan.source is not None:
        inner = _native_queries(plan.source)
        query["dataSource"] = {"type": "query", "query": _whole(inner[0])} if inner else {"type": "inline"}
    return query


_ETERNITY = {"type": "intervals", "intervals": ["-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z"]}
