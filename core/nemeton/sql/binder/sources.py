"""The FROM clause: tables of the catalog, common table expressions, subqueries and VALUES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from nemeton.sql.binder.expressions import ExpressionBinder
from nemeton.sql.binder.scope import Namespace, Scope
from nemeton.sql.catalog import DRUID_SCHEMA
from nemeton.sql.errors import invalid_sql, unsupported_sql
from nemeton.sql.logical import Field, Rel, Scan, Unnest, Values
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import element_of

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.query import QueryBinder


def bind_from(binder: QueryBinder, node: exp.Expression) -> tuple[Rel, Scope]:
    """The relation that a SELECT reads and the names of its columns; one row of no columns without FROM."""
    clause = node.args.get("from_") or node.args.get("from")
    joins = node.args.get("joins") or []
    if any(type(join.this).__name__ != "Unnest" for join in joins):
        raise unsupported_sql("A join")
    if clause is None:
        return Values((), ((),)), Scope()
    rel, alias = _bind_source(binder, clause.this)
    scope = Scope((Namespace(alias, rel.fields),))
    for join in joins:
        rel, scope = _unnested(binder, rel, scope, join)
    return rel, scope


def _unnested(binder: QueryBinder, rel: Rel, scope: Scope, join: exp.Expression) -> tuple[Rel, Scope]:
    """``…, UNNEST(array) AS u(x)``, over the columns to the left of it."""
    if join.args.get("side") or join.args.get("on") or join.args.get("using"):
        raise unsupported_sql("UNNEST with a condition")
    array = _array(binder, join.this, scope)
    alias, name = _unnest_alias(join.this)
    column = Field(name, element_of(array.type))
    spaces = (*scope.namespaces, Namespace(alias, (column,), len(rel.fields)))
    return Unnest((*rel.fields, column), rel, array), Scope(spaces)


def _array(binder: QueryBinder, node: exp.Expression, scope: Scope) -> Rex:
    if len(node.expressions) != 1 or node.args.get("offset"):
        raise unsupported_sql("UNNEST of several arrays, or WITH ORDINALITY")
    array = ExpressionBinder(binder.context, binder.statement, scope, binder.bind).bind(node.expressions[0])
    if not array.type.is_array:
        raise invalid_sql(
            f"Cannot apply 'UNNEST' to arguments of type 'UNNEST(<{array.type}>)'. "
            "Supported form(s): 'UNNEST(<ARRAY>)'",
            binder.statement.span(node),
        )
    return array


def _unnest_alias(node: exp.Expression) -> tuple[str | None, str]:
    alias = node.args.get("alias")
    columns = (alias.args.get("columns") or []) if alias is not None else []
    return (alias.name if alias is not None else None), (columns[0].name if columns else "EXPR$0")


def _elements(binder: QueryBinder, node: exp.Expression) -> tuple[Rel, str | None]:
    """``FROM UNNEST(ARRAY[1, 2]) AS u(x)``: rows of constants."""
    array = _array(binder, node, Scope())
    if not (isinstance(array, Call) and array.op == "ARRAY" and all(isinstance(arg, Literal) for arg in array.args)):
        raise unsupported_sql("UNNEST of an array that is no list of constants, without a table")
    alias, name = _unnest_alias(node)
    rows = tuple((arg.value,) for arg in array.args if isinstance(arg, Literal))
    return Values((Field(name, element_of(array.type)),), rows), alias


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
        return _elements(binder, source)
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
