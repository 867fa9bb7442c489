"""Expressions: nodes of the syntax tree become bound, typed row expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.sql.binder.calls import CALLS
from nemeton.sql.binder.coercion import cast, comparable, unify
from nemeton.sql.binder.constants import fold
from nemeton.sql.binder.forms import FORMS
from nemeton.sql.binder.scope import Scope
from nemeton.sql.errors import Span, invalid_sql, unsupported_sql
from nemeton.sql.functions.base import no_match
from nemeton.sql.native.check import constant_value
from nemeton.sql.native.expressions import ExpressionWriter
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import BIGINT, BOOLEAN, CHAR, DATE, DECIMAL, DOUBLE, INTEGER, NULL, TIMESTAMP, VARCHAR, SqlType

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.context import PlannerContext
    from nemeton.sql.dialect import ParsedStatement

_COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}
_NOW_NAMES = frozenset({"CURRENT_TIMESTAMP", "LOCALTIMESTAMP"})


@define
class ExpressionBinder:
    """Binds expressions over one scope. `intercept` sees every node first; the aggregate binder hooks in there.

    `subquery` binds a query expression to a logical plan.
    """

    context: PlannerContext
    statement: ParsedStatement
    scope: Scope
    subquery: Callable[[exp.Expression], Any]
    intercept: Callable[[exp.Expression], Rex | None] = field(default=lambda node: None)

    def bind(self, node: exp.Expression) -> Rex:
        """The bound expression; INVALID_INPUT with the place where it is wrong."""
        intercepted = self.intercept(node)
        if intercepted is not None:
            return intercepted
        kind = type(node).__name__
        if kind in _COMPARISONS:
            return self._comparison(_COMPARISONS[kind], node)
        if kind in _ARITHMETIC:
            return self._arithmetic(_ARITHMETIC[kind], node)
        method = getattr(self, f"_bind_{kind.lower()}", None)
        if method is not None:
            return method(node)  # type: ignore[no-any-return]
        form = FORMS.get(kind)
        if form is not None:
            return form(self, node)
        raise unsupported_sql(f"The expression {kind.upper()}")

    def condition(self, node: exp.Expression, clause: str) -> Rex:
        """A bound BOOLEAN; `clause` names where it stands, for the error of what is none."""
        rex = self.bind(node)
        if not rex.type.is_boolean and rex.type.name != "NULL":
            raise invalid_sql(f"{clause} clause must be a condition", self.span(node))
        return rex

    def span(self, node: exp.Expression) -> Span | None:
        """Where the node stands in the statement, for an error."""
        return self.statement.span(node)

    def call(self, op: str, args: list[Rex] | tuple[Rex, ...], result: SqlType) -> Rex:
        """A call, or the literal that it makes."""
        return fold(Call(result, op, tuple(args)), self.context.zone)

    # --- leaves -------------------------------------------------------------------------------------------------

    def _bind_column(self, node: exp.Expression) -> Rex:
        path = [part.name for part in node.parts]  # type: ignore[attr-defined]
        name = path[0].upper()
        if len(path) == 1 and not node.this.quoted and not self.scope.has(path[0]):
            if name in _NOW_NAMES:
                return Literal(TIMESTAMP.with_nullable(False), self.context.now)
            if name == "CURRENT_DATE":
                return cast(Literal(TIMESTAMP.with_nullable(False), self.context.now), DATE, self.context.zone)
            if name == "PI":
                return Call(DOUBLE.with_nullable(False), "PI", ())
        return self.scope.resolve(path, partial(self.span, node.this))

    def _bind_literal(self, node: exp.Expression) -> Rex:
        if node.is_string:
            return Literal(CHAR, node.this)
        text = node.this
        if "e" in text.lower():
            return Literal(DOUBLE.with_nullable(False), float(text))
        if "." in text:
            return Literal(DECIMAL, float(text))
        value = int(text)
        if value > 2**63:
            raise invalid_sql(f"Numeric literal '{text}' out of range", self.span(node))
        return Literal(INTEGER if value < 2**31 else BIGINT.with_nullable(False), value)

    def _bind_boolean(self, node: exp.Expression) -> Rex:
        return Literal(BOOLEAN.with_nullable(False), bool(node.this))

    def _bind_null(self, node: exp.Expression) -> Rex:
        return Literal(NULL, None)

    def _bind_paren(self, node: exp.Expression) -> Rex:
        return self.bind(node.this)

    def _bind_placeholder(self, node: exp.Expression) -> Rex:
        position = self.statement.parameter_position(node)
        if position >= len(self.context.parameters):
            if type(node.parent).__name__ == "Select":
                raise invalid_sql("Illegal use of dynamic parameter", self.span(node))
            raise invalid_sql(f"No value bound for parameter (position [{position + 1}])")
        parameter = self.context.parameters[position]
        return Literal(parameter.type.with_nullable(parameter.value is None), parameter.value)

    # --- operators ----------------------------------------------------------------------------------------------

    def _comparison(self, op: str, node: exp.Expression) -> Rex:
        return self.compare(op, self.bind(node.this), self.bind(node.expression), node)

    def compare(self, op: str, left: Rex, right: Rex, node: exp.Expression) -> Rex:
        """A comparison in the sides' common type."""
        sides = comparable(left, right, self.context.zone)
        if sides is None:
            shown = f"<{left.type}> {op} <{right.type}>"
            raise invalid_sql(
                f"Cannot apply '{op}' to arguments of type '{shown}'. Supported form(s): "
                f"'<COMPARABLE_TYPE> {op} <COMPARABLE_TYPE>'",
                self.span(node),
            )
        nullable = any(side.type.nullable for side in sides)
        return self.call(op, sides, BOOLEAN.with_nullable(nullable))

    def _arithmetic(self, op: str, node: exp.Expression) -> Rex:
        left, right = self.bind(node.this), self.bind(node.expression)
        if right.type.is_interval and left.type.is_datetime and op in "+-":
            return self.call(f"{op} INTERVAL", (left, right), left.type)
        if left.type.is_interval and right.type.is_datetime and op == "+":
            return self.call("+ INTERVAL", (right, left), right.type)
        if left.type.is_interval and right.type.is_numeric and op == "*":
            return self.call("*", (left, right), left.type)
        left, right = self._number(left, op, node), self._number(right, op, node)
        result = _arithmetic_type(left.type, right.type)
        return self.call(op, (left, right), result)

    def _number(self, rex: Rex, op: str, node: exp.Expression) -> Rex:
        if rex.type.is_numeric:
            return rex
        if rex.type.is_character or rex.type.name == "NULL":
            return cast(rex, DOUBLE, self.context.zone)
        if rex.type.is_datetime:
            return cast(rex, BIGINT, self.context.zone)
        raise invalid_sql(f"Cannot apply '{op}' to arguments of type '<{rex.type}>'", self.span(node))

    def _bind_and(self, node: exp.Expression) -> Rex:
        return self._logical("AND", node)

    def _bind_or(self, node: exp.Expression) -> Rex:
        return self._logical("OR", node)

    def _logical(self, op: str, node: exp.Expression) -> Rex:
        parts: list[Rex] = []
        for side in (node.this, node.expression):
            bound = self.bind(side)
            if not bound.type.is_boolean and bound.type.name != "NULL":
                raise invalid_sql(
                    f"Cannot apply '{op}' to arguments of type '<{bound.type}> {op} <…>'. "
                    f"Supported form(s): '<BOOLEAN> {op} <BOOLEAN>'",
                    self.span(node),
                )
            parts.extend(bound.args if isinstance(bound, Call) and bound.op == op else [bound])
        return Call(BOOLEAN.with_nullable(any(part.type.nullable for part in parts)), op, tuple(parts))

    def _bind_not(self, node: exp.Expression) -> Rex:
        inner = self.bind(node.this)
        if isinstance(inner, Call) and inner.op in _NEGATIONS:
            return Call(inner.type, _NEGATIONS[inner.op], inner.args)
        if isinstance(inner, Literal) and isinstance(inner.value, bool):
            return Literal(inner.type, not inner.value)
        return Call(inner.type, "NOT", (inner,))

    def _bind_neg(self, node: exp.Expression) -> Rex:
        inner = self._number(self.bind(node.this), "-", node) if not _is_interval(node.this) else self.bind(node.this)
        return self.call("NEGATE", (inner,), inner.type)

    # --- calls --------------------------------------------------------------------------------------------------

    def _bind_anonymous(self, node: exp.Expression) -> Rex:
        name = node.name.upper()
        special = CALLS.get(name)
        if special is not None:
            return special(self, node)
        if name in _NOT_YET or any(type(arg).__name__ in ("Distinct", "Order") for arg in node.expressions):
            raise unsupported_sql(name)
        args = [self.bind(arg) for arg in node.expressions]
        return self.function(name, args, node)

    def function(self, name: str, args: list[Rex], node: exp.Expression) -> Rex:
        """A call of a function of the table, its arguments checked; strings may stand where times are wanted."""
        function = self.context.functions.function(name)
        if function is None:
            raise no_match(name, args, self.span(node))
        for position, arg in enumerate(args):
            family = function.operands[min(position, len(function.operands) - 1)] if function.operands else "ANY"
            if family == "TIMESTAMP" and (arg.type.is_character or arg.type.is_integer):
                args[position] = cast(arg, TIMESTAMP, self.context.zone)
            elif family == "CHARACTER" and (arg.type.is_numeric or arg.type.is_datetime or arg.type.is_boolean):
                args[position] = cast(arg, VARCHAR, self.context.zone)
            elif family in ("NUMERIC", "INTEGER") and arg.type.is_character:
                args[position] = cast(arg, DOUBLE if family == "NUMERIC" else BIGINT, self.context.zone)
        function.check(args, partial(self.span, node))
        bound = self.call(name, args, function.result(args))
        if isinstance(bound, Call) and bound.type.native == "DOUBLE" and all(isinstance(arg, Literal) for arg in args):
            self._check_finite(bound)
        return bound

    def _check_finite(self, rex: Call) -> None:
        """Druid computes constants while planning, and refuses those that are no number."""
        text = ExpressionWriter((), self.context.functions, self.context.time_zone).write(rex)
        value = constant_value(text)
        if isinstance(value, float) and not math.isfinite(value):
            shown = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            raise invalid_sql(
                f"Expression [{text}] evaluates to an unsupported value [{shown}], expected something that can be a "
                "Double.  Consider casting with 'CAST(<col> AS BIGINT)'"
            )

    def unified(self, branches: list[Rex], node: exp.Expression) -> tuple[list[Rex], SqlType]:
        """Branches in their common type, or INVALID_INPUT."""
        united = unify(branches, self.context.zone)
        if united is None:
            raise invalid_sql("Illegal mixing of types in CASE or COALESCE statement", self.span(node))
        return united


#: Functions of Druid's core that this version knows by name only.
_NOT_YET = frozenset(
    {
        "ARRAY_AGG", "ARRAY_CONCAT_AGG", "STRING_AGG", "LISTAGG", "APPROX_QUANTILE_FIXED_BUCKETS",
        "COMPLEX_DECODE_BASE64", "DECODE_BASE64_COMPLEX", "TABLE_APPEND", "UNNEST",
    }
)  # fmt: skip
_NEGATIONS = {
    "IS NULL": "IS NOT NULL",
    "IS TRUE": "IS NOT TRUE",
    "IS FALSE": "IS NOT FALSE",
    "IS DISTINCT FROM": "IS NOT DISTINCT FROM",
    "IS NOT DISTINCT FROM": "IS DISTINCT FROM",
}


def _arithmetic_type(left: SqlType, right: SqlType) -> SqlType:
    nullable = left.nullable or right.nullable
    if left.is_integer and right.is_integer:
        both = left.name == right.name == "INTEGER"
        return (INTEGER if both else BIGINT).with_nullable(nullable)
    if left.name == right.name == "DECIMAL" or {left.name, right.name} == {"DECIMAL", "INTEGER"}:
        return DECIMAL.with_nullable(nullable)
    if left.name == right.name == "FLOAT" or (left.name == "FLOAT" and right.is_integer):
        return left.with_nullable(nullable)
    if right.name == "FLOAT" and left.is_integer:
        return right.with_nullable(nullable)
    return DOUBLE.with_nullable(nullable)


def _is_interval(node: exp.Expression) -> bool:
    return type(node).__name__ == "Interval"
