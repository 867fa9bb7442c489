"""Queries: SELECT, set operations, VALUES and WITH become a logical plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from nemeton.sql.binder import aggregation, sources
from nemeton.sql.binder.coercion import cast
from nemeton.sql.binder.expressions import ExpressionBinder
from nemeton.sql.binder.ordering import apply_order, row_count
from nemeton.sql.binder.scope import Namespace, Scope
from nemeton.sql.errors import invalid_sql, not_plannable, unsupported_sql
from nemeton.sql.logical import Aggregate, Field, Filter, Project, Rel, Sort, SortKey, Statement, Union, Values
from nemeton.sql.rex import InputRef, Literal, Rex
from nemeton.sql.types import least_restrictive

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.context import PlannerContext
    from nemeton.sql.dialect import ParsedStatement


def bind_statement(statement: ParsedStatement, context: PlannerContext) -> Statement:
    """Validate a parsed statement; :class:`DruidException` (INVALID_INPUT) says what is wrong and where."""
    binder = QueryBinder(context, statement)
    plan = binder.bind(statement.tree)
    return Statement(plan, statement.explain, tuple(sorted(binder.resources)))


@define
class SelectItem:
    """One bound item of the SELECT list."""

    rex: Rex
    name: str
    alias: bool
    node: Any = None


@define
class QueryBinder:
    """Binds one query; nested queries get a binder of their own that shares `resources`. Not thread-safe."""

    context: PlannerContext
    statement: ParsedStatement
    common: dict[str, Any] = field(factory=dict)
    resources: set[str] = field(factory=set)

    def bind(self, node: exp.Expression) -> Rel:
        """The logical plan of a query expression."""
        kind = type(node).__name__
        with_clause = node.args.get("with_") or node.args.get("with")
        if with_clause is not None:
            return evolve(self, common=self._with(with_clause)).bind_body(node, kind)
        return self.bind_body(node, kind)

    def bind_body(self, node: exp.Expression, kind: str) -> Rel:
        """The plan of a query without its WITH."""
        if kind == "Select":
            return self._select(node)
        if kind == "Subquery":
            return self._limits(self.bind(node.this), node)
        if kind == "Values":
            return self._values(node)
        if kind == "Union":
            return self._union(node)
        if kind in ("Intersect", "Except"):
            raise invalid_sql(f"No match found for function signature {kind.upper()}", self.statement.span(node))
        raise unsupported_sql(f"The query {kind.upper()}")

    def _with(self, clause: exp.Expression) -> dict[str, Any]:
        if clause.args.get("recursive"):
            raise unsupported_sql("WITH RECURSIVE")
        common = dict(self.common)
        for entry in clause.expressions:
            columns = [column.name for column in (entry.args["alias"].args.get("columns") or [])]
            common[entry.alias] = (evolve(self, common=dict(common)), entry.this, columns)
        return common

    # --- SELECT ---------------------------------------------------------------------------------------------------

    def _select(self, node: exp.Expression) -> Rel:
        self._refuse_clauses(node)
        rel, scope = sources.bind_from(self, node)
        binder = ExpressionBinder(self.context, self.statement, scope, self.bind)
        where = node.args.get("where")
        if where is not None:
            rel = Filter(rel.fields, rel, self._condition(binder, where.this, "WHERE"))
        if aggregation.is_aggregate(node, self.context.functions):
            rel, items, order_binder = aggregation.bind_aggregate(self, node, rel, binder)
        else:
            items = self.select_items(node, binder, scope)
            order_binder = binder
        return self._project(node, rel, items, order_binder)

    def _condition(self, binder: ExpressionBinder, node: exp.Expression, clause: str) -> Rex:
        from sqlglot import exp as nodes

        for call in node.find_all(nodes.Anonymous):
            here = call.find_ancestor(nodes.Subquery, nodes.Select) is node.find_ancestor(nodes.Select)
            if here and self.context.functions.aggregator(call.name):
                raise invalid_sql(f"Aggregate expression is illegal in {clause} clause", binder.span(call))
        return binder.condition(node, clause)

    def _refuse_clauses(self, node: exp.Expression) -> None:
        for key, what in (
            ("laterals", "LATERAL"),
            ("windows", "A window function"),
            ("qualify", "QUALIFY"),
            ("connect", "CONNECT BY"),
            ("sample", "TABLESAMPLE"),
            ("pivots", "PIVOT"),
            ("match", "MATCH_RECOGNIZE"),
            ("locks", "FOR UPDATE"),
            ("cluster", "CLUSTER BY"),
            ("distribute", "DISTRIBUTE BY"),
            ("into", "SELECT INTO"),
        ):
            if node.args.get(key):
                raise unsupported_sql(what)

    def select_items(self, node: exp.Expression, binder: ExpressionBinder, scope: Scope) -> list[SelectItem]:
        """The SELECT list with ``*`` spread; unnamed expressions are ``EXPR$n`` by position."""
        items: list[SelectItem] = []
        for item in node.expressions:
            star = _star_of(item)
            if star is not None:
                if not scope.namespaces:
                    raise invalid_sql("SELECT * requires a FROM clause", binder.span(item))
                for column, ref in scope.star(star or None, binder.span(item)):
                    items.append(SelectItem(ref, column.name, False))
                continue
            inner = item.this if type(item).__name__ == "Alias" else item
            items.append(SelectItem(binder.bind(inner), _item_name(item, len(items)), inner is not item, inner))
        return items

    def _project(self, node: exp.Expression, rel: Rel, items: list[SelectItem], binder: ExpressionBinder) -> Rel:
        fields = tuple(Field(item.name, item.rex.type) for item in items)
        expressions = tuple(item.rex for item in items)
        distinct = node.args.get("distinct") is not None
        projected: Rel = Project(fields, rel, expressions)
        if distinct:
            groups = tuple(InputRef(column.type, index) for index, column in enumerate(fields))
            projected = Aggregate(fields, projected, groups, (), (tuple(range(len(groups))),))
        return apply_order(self, node, projected, items, binder, distinct)

    def _limits(self, rel: Rel, node: exp.Expression) -> Rel:
        """ORDER BY, OFFSET and LIMIT written after a parenthesised query or a set operation."""
        items = [SelectItem(InputRef(f.type, i), f.name, True) for i, f in enumerate(rel.fields)]
        binder = ExpressionBinder(self.context, self.statement, Scope((Namespace(None, rel.fields),)), self.bind)
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return rel
        return apply_order(self, node, rel, items, binder, True)

    # --- VALUES and UNION -----------------------------------------------------------------------------------------

    def _values(self, node: exp.Expression) -> Rel:
        binder = ExpressionBinder(self.context, self.statement, Scope(), self.bind)
        rows: list[list[Rex]] = []
        for row in node.expressions:
            cells = row.expressions if type(row).__name__ == "Tuple" else [row.this if row.key == "paren" else row]
            rows.append([binder.bind(cell) for cell in cells])
        width = len(rows[0])
        if any(len(row) != width for row in rows):
            raise invalid_sql("Values passed to VALUES operator must have the same number of columns")
        fields: list[Field] = []
        for index in range(width):
            common = least_restrictive([row[index].type for row in rows])
            if common is None:
                raise invalid_sql("Values passed to VALUES operator must have compatible types")
            fields.append(Field(f"EXPR${index}", common))
            for row in rows:
                row[index] = cast(row[index], common, self.context.zone)
        if not all(isinstance(cell, Literal) for row in rows for cell in row):
            raise unsupported_sql("An expression that is not a literal in VALUES")
        constants = tuple(tuple(cell.value for cell in row if isinstance(cell, Literal)) for row in rows)
        return Values(tuple(fields), constants)

    def _union(self, node: exp.Expression) -> Rel:
        if node.args.get("distinct"):
            raise not_plannable("SQL requires 'UNION' but only 'UNION ALL' is supported.")
        left, right = self.bind(node.this), self.bind(node.expression)
        if len(left.fields) != len(right.fields):
            raise invalid_sql("Column count mismatch in UNION ALL")
        fields: list[Field] = []
        for index, (one, other) in enumerate(zip(left.fields, right.fields, strict=True)):
            common = least_restrictive([one.type, other.type])
            if common is None:
                raise invalid_sql(f"Type mismatch in column {index + 1} of UNION ALL")
            fields.append(Field(one.name, common))
        inputs = [self._coerced(side, fields) for side in (left, right)]
        flat = [part for side in inputs for part in (side.inputs if isinstance(side, Union) else (side,))]
        return self._limits(Union(tuple(fields), tuple(flat)), node)

    def _coerced(self, rel: Rel, fields: list[Field]) -> Rel:
        if all(have.type.name == want.type.name for have, want in zip(rel.fields, fields, strict=True)):
            return rel
        casts = tuple(
            cast(InputRef(have.type, index), want.type, self.context.zone)
            for index, (have, want) in enumerate(zip(rel.fields, fields, strict=True))
        )
        return Project(tuple(fields), rel, casts)


def _star_of(item: exp.Expression) -> str | None:
    """The alias before ``.*``, "" for a bare star, None for anything else."""
    if type(item).__name__ == "Star":
        return ""
    if type(item).__name__ == "Column" and type(item.this).__name__ == "Star":
        return item.table  # type: ignore[attr-defined, no-any-return]
    return None


def _item_name(item: exp.Expression, index: int) -> str:
    kind = type(item).__name__
    if kind == "Alias":
        return str(item.alias)
    if kind == "Column":
        return str(item.this.name)
    return f"EXPR${index}"


__all__ = ["QueryBinder", "SelectItem", "Sort", "SortKey", "bind_statement", "row_count"]
