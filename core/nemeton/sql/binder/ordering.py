"""ORDER BY, OFFSET, LIMIT and FETCH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.common.errors import DruidException
from nemeton.sql.errors import invalid_sql
from nemeton.sql.logical import Field, Project, Rel, Sort, SortKey
from nemeton.sql.rex import InputRef, Literal, Rex

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.expressions import ExpressionBinder
    from nemeton.sql.binder.query import QueryBinder, SelectItem


def row_count(query: QueryBinder, node: exp.Expression | None, what: str) -> int | None:
    """The number behind LIMIT, OFFSET or FETCH; None when there is none or it is ALL."""
    if node is None:
        return None
    from nemeton.sql.binder.expressions import ExpressionBinder
    from nemeton.sql.binder.scope import Scope

    number = node.args.get("count") if type(node).__name__ == "Fetch" else node.expression
    if number is None:
        return 1
    if type(number).__name__ == "Column" and number.name.upper() == "ALL":
        return None
    rex = ExpressionBinder(query.context, query.statement, Scope(), query.bind).bind(number)
    if not isinstance(rex, Literal) or not isinstance(rex.value, int) or rex.value < 0:
        raise invalid_sql(f"{what} takes a whole number", query.statement.span(node))
    return rex.value


def apply_order(
    query: QueryBinder,
    node: exp.Expression,
    projected: Rel,
    items: list[SelectItem],
    binder: ExpressionBinder,
    only_outputs: bool,
) -> Rel:
    """Sort and cut the projection. Keys that are not in the SELECT list are added to it and taken away after the sort.

    With `only_outputs` (DISTINCT, set operations) there is nothing to add from.
    """
    offset = row_count(query, node.args.get("offset"), "OFFSET") or 0
    limit = row_count(query, node.args.get("limit"), "LIMIT")
    order = node.args.get("order")
    keys: list[SortKey] = []
    extra: list[Rex] = []
    for key in order.expressions if order is not None else []:
        index = _output_index(key.this, items, binder, extra, only_outputs)
        if index is None:
            continue
        descending = bool(key.args.get("desc"))
        nulls_first = bool(key.args.get("nulls_first"))
        keys.append(SortKey(index, descending, None if nulls_first != descending else nulls_first))
    if not keys and offset == 0 and limit is None:
        return projected
    if not extra:
        return Sort(projected.fields, projected, tuple(keys), offset, limit)
    assert isinstance(projected, Project)
    hidden = tuple(Field(f"$sort{index}", rex.type) for index, rex in enumerate(extra))
    wide = Project(projected.fields + hidden, projected.input, projected.expressions + tuple(extra))
    ordered = Sort(wide.fields, wide, tuple(keys), offset, limit)
    refs = tuple(InputRef(field.type, index) for index, field in enumerate(projected.fields))
    return Project(projected.fields, ordered, refs)


def _output_index(
    node: exp.Expression, items: list[SelectItem], binder: ExpressionBinder, extra: list[Rex], only_outputs: bool
) -> int | None:
    """The position of a sort key among the outputs; None for a constant, which orders nothing."""
    while type(node).__name__ == "Paren":
        node = node.this
    if type(node).__name__ == "Literal" and not node.is_string:
        position = int(node.this) if node.this.isdigit() else 0
        if not 1 <= position <= len(items):
            raise invalid_sql("Ordinal out of range", binder.span(node))
        return position - 1
    if type(node).__name__ == "Column" and len(node.parts) == 1:  # type: ignore[attr-defined]
        named = [index for index, item in enumerate(items) if item.name == node.name]
        if named:
            return named[0]
    rex = _bind_key(node, items, binder)
    for index, item in enumerate(items):
        if item.rex == rex:
            return index
    if isinstance(rex, Literal):
        return None
    if only_outputs:
        raise invalid_sql("ORDER BY takes only columns of the result here", binder.span(node))
    if rex not in extra:
        extra.append(rex)
    return len(items) + extra.index(rex)


def _bind_key(node: exp.Expression, items: list[SelectItem], binder: ExpressionBinder) -> Rex:
    """Names inside of a key's expression mean columns first, then aliases of the SELECT list."""
    try:
        return binder.bind(node)
    except DruidException:
        from sqlglot import exp as nodes

        by_name = {item.name: item.node for item in items if item.alias and item.node is not None}

        def replace(inner: exp.Expression) -> exp.Expression:
            if isinstance(inner, nodes.Column) and len(inner.parts) == 1 and inner.name in by_name:
                return nodes.Paren(this=by_name[inner.name].copy())
            return inner

        if not any(isinstance(inner, nodes.Column) and inner.name in by_name for inner in node.walk()):
            raise
        return binder.bind(node.transform(replace))
