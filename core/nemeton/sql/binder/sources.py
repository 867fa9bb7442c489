"""The FROM clause: tables of the catalog, common table expressions, subqueries and VALUES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from nemeton.sql.binder.scope import Namespace, Scope
from nemeton.sql.catalog import DRUID_SCHEMA
from nemeton.sql.errors import invalid_sql, unsupported_sql
from nemeton.sql.logical import Field, Rel, Scan, Values

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.query import QueryBinder


def bind_from(binder: QueryBinder, node: exp.Expression) -> tuple[Rel, Scope]:
    """The relation that a SELECT reads and the names of its columns; one row of no columns without FROM."""
    clause = node.args.get("from_") or node.args.get("from")
    if node.args.get("joins"):
        first = node.args["joins"][0]
        raise unsupported_sql("UNNEST" if type(first.this).__name__ == "Unnest" else "A join")
    if clause is None:
        return Values((), ((),)), Scope()
    rel, alias = _bind_source(binder, clause.this)
    return rel, Scope((Namespace(alias, rel.fields),))


def _bind_source(binder: QueryBinder, source: exp.Expression) -> tuple[Rel, str | None]:
    kind = type(source).__name__
    alias = source.args.get("alias")
    name = alias.name if alias is not None else None
    if source.args.get("joins"):
        raise unsupported_sql("A join")
    if kind == "Table":
        rel = _table(binder, source)
        name = name or source.name
    elif kind == "Subquery" or kind == "Values":
        rel = binder.bind(source)
    elif kind == "Unnest":
        raise unsupported_sql("UNNEST")
    else:
        raise unsupported_sql(f"{kind.upper()} in FROM")
    columns = [column.name for column in (alias.args.get("columns") or [])] if alias is not None else []
    return _renamed(rel, columns), name


def _renamed(rel: Rel, names: list[str]) -> Rel:
    if not names:
        return rel
    if len(names) != len(rel.fields):
        raise invalid_sql(f"List of column aliases must have same degree as table; it has {len(rel.fields)} columns")
    return evolve(rel, fields=tuple(evolve(field, name=name) for field, name in zip(rel.fields, names, strict=True)))


def _table(binder: QueryBinder, source: exp.Expression) -> Rel:
    path = [part.name for part in source.parts]  # type: ignore[attr-defined]
    if type(source.this).__name__ == "Anonymous":
        if source.this.name.upper() == "TABLE":
            _refuse_table_function(binder, source.this)
        raise unsupported_sql(f"The table function {source.this.name}")
    if len(path) == 1 and path[0] in binder.common:
        inner, query, names = binder.common[path[0]]
        return _renamed(inner.bind(query), names)
    table = binder.context.catalog.find(path)
    if table is None:
        span = binder.statement.span(source)
        schemas = binder.context.catalog.schemas
        if len(path) > 1 and path[-2] in schemas:
            raise invalid_sql(f"Object '{path[-1]}' not found within '{path[-2]}'", span)
        missing = path[0] if len(path) > 1 else path[-1]
        raise invalid_sql(f"Object '{missing}' not found", span)
    if table.schema == DRUID_SCHEMA:
        binder.resources.add(table.name)
    return Scan(tuple(Field(column.name, column.type) for column in table.columns), table)


def _refuse_table_function(binder: QueryBinder, call: exp.Expression) -> None:
    """``TABLE(EXTERN(…))`` belongs to MSQ."""
    for inner in call.expressions:
        if type(inner).__name__ == "Anonymous":
            families = ", ".join("<CHARACTER>" for _ in inner.expressions)
            raise invalid_sql(
                f"No match found for function signature {inner.name}({families})", binder.statement.span(inner)
            )
