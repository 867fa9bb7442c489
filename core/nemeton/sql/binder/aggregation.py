"""GROUP BY, HAVING and aggregate functions."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from nemeton.sql.binder.expressions import ExpressionBinder
from nemeton.sql.binder.scope import Scope
from nemeton.sql.errors import invalid_sql, not_plannable, unsupported_sql
from nemeton.sql.functions.base import no_match
from nemeton.sql.logical import Aggregate, Field, Filter, Rel
from nemeton.sql.rex import AggCall, InputRef, Literal, Rex
from nemeton.sql.types import BIGINT

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.query import QueryBinder, SelectItem
    from nemeton.sql.functions.base import FunctionTable

_ESTIMATES = ("APPROX_COUNT_DISTINCT", "APPROX_COUNT_DISTINCT_BUILTIN")


def is_aggregate(node: exp.Expression, functions: FunctionTable) -> bool:
    """Whether a SELECT groups: it has GROUP BY or HAVING, or an aggregate function outside of subqueries."""
    if node.args.get("group") or node.args.get("having"):
        return True
    order = node.args.get("order")
    parts = [*node.expressions, *([order] if order is not None else [])]
    return any(contains_aggregate(part, functions) for part in parts)


def contains_aggregate(node: exp.Expression, functions: FunctionTable) -> bool:
    """Whether an aggregate function is called in the expression itself, not in a subquery or window of it."""
    from sqlglot import exp as nodes

    def stop(inner: Any) -> bool:
        return isinstance(inner, (nodes.Query, nodes.Window))

    if stop(node):
        return False
    return any(
        isinstance(inner, nodes.Anonymous) and functions.aggregator(inner.name) is not None
        for inner in node.walk(prune=stop)
    )


@define
class AggregateBinder:
    """Collects the groups and aggregates of one SELECT and binds expressions over their result."""

    query: QueryBinder
    base: ExpressionBinder
    groups: list[Rex] = field(factory=list)
    calls: list[AggCall] = field(factory=list)
    sets: list[tuple[int, ...]] = field(factory=list)
    aliases: dict[str, Any] = field(factory=dict)

    def binder(self) -> ExpressionBinder:
        """An expression binder whose columns are the groups and the aggregates."""
        return evolve(self.base, intercept=self._intercept)

    def _intercept(self, node: exp.Expression) -> Rex | None:
        functions = self.query.context.functions
        call, condition = _unwrap(node)
        if type(call).__name__ == "Anonymous" and functions.aggregator(call.name) is not None:
            return self._aggregate(call, condition)
        if type(node).__name__ in ("Paren", "Literal", "Null", "Boolean", "Interval", "Placeholder", "Subquery"):
            return None
        if contains_aggregate(node, functions):
            return None
        bound = self.base.bind(node)
        if bound in self.groups:
            index = self.groups.index(bound)
            nullable = bound.type.nullable or len(self.sets) > 1
            return InputRef(bound.type.with_nullable(nullable), index)
        if isinstance(bound, Literal):
            return bound
        if type(node).__name__ == "Column":
            raise invalid_sql(f"Expression '{_text(node)}' is not being grouped", self.base.span(node))
        return None

    def _aggregate(self, node: exp.Expression, condition: exp.Expression | None) -> Rex:
        name = node.name.upper()
        function = self.query.context.functions.aggregator(name)
        assert function is not None
        arguments, distinct = list(node.expressions), False
        if arguments and type(arguments[0]).__name__ == "Distinct":
            distinct, arguments = True, [*arguments[0].expressions, *arguments[1:]]
        if any(type(argument).__name__ == "Order" for argument in arguments):
            raise not_plannable(f"Aggregation [{name}] WITHIN GROUP is not supported")
        if len(arguments) == 1 and type(arguments[0]).__name__ == "Star":
            if name != "COUNT":
                raise invalid_sql(f"Unknown identifier '*' in {name}", self.base.span(node))
            arguments = []
        elif name == "COUNT" and not arguments:
            raise no_match(name, [], self.base.span(node))
        args = tuple(self._argument(argument) for argument in arguments)
        if not function.arguments[0] <= len(args) <= function.arguments[1]:
            raise no_match(name, args, self.base.span(node))
        if name == "GROUPING":
            return self._grouping(args, node)
        keep = self.base.condition(condition, "FILTER") if condition is not None else None
        if distinct and any(arg.type.name == "OTHER" for arg in args):
            raise not_plannable(
                "Using APPROX_COUNT_DISTINCT() or enabling approximation with COUNT(DISTINCT) is not supported for "
                f"column type [{args[0].type.native}]. You can disable approximation by setting "
                "[useApproximateCountDistinct: false] in the query context."
            )
        if name in _ESTIMATES:
            distinct = False
        elif name == "COUNT" and distinct and len(args) == 1 and self._estimates:
            name, distinct = _ESTIMATES[0], False
            function = self.query.context.functions.aggregator(name)
            assert function is not None
        distinct = distinct and name not in ("MIN", "MAX", "ANY_VALUE")
        result = function.result(args)
        return self._reference(AggCall(name, result, args, distinct, keep))

    @property
    def _estimates(self) -> bool:
        return self.query.context.flag("useApproximateCountDistinct", True)

    def _argument(self, node: exp.Expression) -> Rex:
        if contains_aggregate(node, self.query.context.functions):
            raise invalid_sql("Aggregate expressions cannot be nested", self.base.span(node))
        return self.base.bind(node)

    def _grouping(self, args: tuple[Rex, ...], node: exp.Expression) -> Rex:
        for arg, written in zip(args, node.expressions, strict=True):
            if arg not in self.groups:
                raise invalid_sql("Argument to GROUPING operator must be a grouped expression", self.base.span(written))
        if len(self.sets) == 1:
            return Literal(BIGINT.with_nullable(False), 0)
        return self._reference(AggCall("GROUPING", BIGINT.with_nullable(False), args))

    def _reference(self, call: AggCall) -> Rex:
        if call not in self.calls:
            self.calls.append(call)
        return InputRef(call.type, len(self.groups) + self.calls.index(call))

    # --- GROUP BY -------------------------------------------------------------------------------------------------

    def bind_groups(self, clause: exp.Expression | None) -> None:
        """Read GROUP BY with its sets, ordinals and aliases."""
        parts: list[list[tuple[int, ...]]] = []
        for item in [] if clause is None else _group_items(clause):
            kind = type(item).__name__
            if kind in ("Rollup", "Cube", "GroupingSets"):
                parts.append(self._sets(item, kind))
            elif kind == "Tuple":
                parts.append([tuple(self._group(inner) for inner in item.expressions)])
            else:
                parts.append([(self._group(item),)])
        combined = [tuple(dict.fromkeys(sum(choice, ()))) for choice in product(*parts)]
        self.sets = [tuple(sorted(chosen)) for chosen in combined] or [()]

    def _sets(self, item: exp.Expression, kind: str) -> list[tuple[int, ...]]:
        units = [self._unit(inner) for inner in item.expressions]
        if kind == "GroupingSets":
            return [chosen for unit in units for chosen in ([unit] if unit is not None else [])]
        if kind == "Rollup":
            return [tuple(sum(units[:length], ())) for length in range(len(units), -1, -1)]
        masks = range((1 << len(units)) - 1, -1, -1)
        return [sum((unit for bit, unit in enumerate(reversed(units)) if mask >> bit & 1), ()) for mask in masks]

    def _unit(self, node: exp.Expression) -> tuple[int, ...]:
        if type(node).__name__ == "Tuple":
            return tuple(self._group(inner) for inner in node.expressions)
        return (self._group(node),)

    def _group(self, node: exp.Expression) -> int:
        rex = self._group_expression(node)
        if rex not in self.groups:
            self.groups.append(rex)
        return self.groups.index(rex)

    def _group_expression(self, node: exp.Expression) -> Rex:
        while type(node).__name__ == "Paren":
            node = node.this
        if type(node).__name__ == "Literal" and not node.is_string:
            node = self._ordinal(node)
        elif type(node).__name__ == "Column" and not node.args.get("table") and node.name in self.aliases:
            node = self.aliases[node.name]
        if contains_aggregate(node, self.query.context.functions):
            raise invalid_sql("Aggregate expression is illegal in GROUP BY clause", self.base.span(node))
        return self.base.bind(node)

    def _ordinal(self, node: exp.Expression) -> exp.Expression:
        items = self.aliases["\0items"]
        position = int(node.this) if node.this.isdigit() else 0
        if not 1 <= position <= len(items):
            raise invalid_sql("Ordinal out of range", self.base.span(node))
        chosen: exp.Expression = items[position - 1]
        return chosen


def _group_items(clause: exp.Expression) -> list[exp.Expression]:
    items = list(clause.expressions)
    for key in ("rollup", "cube", "grouping_sets"):
        items.extend(clause.args.get(key) or [])
    if clause.args.get("all"):
        raise unsupported_sql("GROUP BY ALL")
    return items


def _unwrap(node: exp.Expression) -> tuple[Any, Any]:
    """The call inside of ``call FILTER (WHERE condition)``."""
    if type(node).__name__ == "Filter":
        return node.this, node.expression.this
    if type(node).__name__ == "WithinGroup":
        raise unsupported_sql("WITHIN GROUP")
    return node, None


def _text(node: exp.Expression) -> str:
    return ".".join(part.name for part in node.parts)  # type: ignore[attr-defined]


def bind_aggregate(
    query: QueryBinder, node: exp.Expression, rel: Rel, base: ExpressionBinder
) -> tuple[Rel, list[SelectItem], ExpressionBinder]:
    """The aggregation over `rel` with HAVING on it, the SELECT list over that, and the binder for ORDER BY."""
    expanded = _expand_stars(node, base.scope)
    aliases: dict[str, Any] = {item.alias: item.this for item in expanded if type(item).__name__ == "Alias"}
    aliases["\0items"] = [item.this if type(item).__name__ == "Alias" else item for item in expanded]
    grouping = AggregateBinder(query, base, aliases=aliases)
    grouping.bind_groups(node.args.get("group"))
    binder = grouping.binder()
    items = query.select_items(node, binder, base.scope) if not _has_star(node) else _star_items(query, node, binder)
    having = node.args.get("having")
    condition: Rex | None = None
    if having is not None:
        condition = binder.condition(_with_aliases(having.this, aliases, query), "HAVING")
    order = node.args.get("order")
    for key in order.expressions if order is not None else []:
        if contains_aggregate(key.this, query.context.functions):
            binder.bind(key.this)
    groups, calls = tuple(grouping.groups), tuple(grouping.calls)
    many = len(grouping.sets) > 1
    fields = tuple(
        [Field(f"$group{i}", g.type.with_nullable(g.type.nullable or many)) for i, g in enumerate(groups)]
        + [Field(f"$agg{i}", call.type) for i, call in enumerate(calls)]
    )
    result: Rel = Aggregate(fields, rel, groups, calls, tuple(grouping.sets))
    if condition is not None:
        result = Filter(result.fields, result, condition)
    return result, items, binder


def _has_star(node: exp.Expression) -> bool:
    return any(type(item).__name__ == "Star" for item in node.expressions)


def _expand_stars(node: exp.Expression, scope: Scope) -> list[exp.Expression]:
    from sqlglot import exp as nodes

    expanded: list[exp.Expression] = []
    for item in node.expressions:
        if type(item).__name__ == "Star":
            expanded.extend(
                nodes.column(field.name, quoted=True) for space in scope.namespaces for field in space.fields
            )
        else:
            expanded.append(item)
    return expanded


def _star_items(query: QueryBinder, node: exp.Expression, binder: ExpressionBinder) -> list[SelectItem]:
    copy = node.copy()
    copy.set("expressions", _expand_stars(node, binder.scope))
    return query.select_items(copy, binder, binder.scope)


def _with_aliases(node: exp.Expression, aliases: dict[str, Any], query: QueryBinder) -> exp.Expression:
    """HAVING may use the names of the SELECT list; in a condition with aggregates they mean columns first."""
    from sqlglot import exp as nodes

    if contains_aggregate(node, query.context.functions):
        return node

    def replace(inner: exp.Expression) -> exp.Expression:
        if isinstance(inner, nodes.Column) and len(inner.parts) == 1 and inner.name in aliases:
            return nodes.Paren(this=aliases[inner.name].copy())
        return inner

    return node.transform(replace)


__all__ = ["AggregateBinder", "bind_aggregate", "contains_aggregate", "is_aggregate"]
