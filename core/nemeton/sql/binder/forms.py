"""The expressions with a syntax of their own: BETWEEN, IN, LIKE, CASE, CAST, INTERVAL, …"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemeton.sql.binder.coercion import cast
from nemeton.sql.binder.constants import interval_value, timestamp_literal
from nemeton.sql.errors import general_error, invalid_sql, unsupported_sql
from nemeton.sql.native.check import constant_value
from nemeton.sql.native.text import string_literal
from nemeton.sql.rex import Call, Literal, Rex, SubqueryValue
from nemeton.sql.types import BOOLEAN, CHAR, VARCHAR, SqlType, array_of, named

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.expressions import ExpressionBinder

Form = Callable[["ExpressionBinder", "exp.Expression"], Rex]


def _between(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    value, low, high = binder.bind(node.this), binder.bind(node.args["low"]), binder.bind(node.args["high"])

    def within(lower: Rex, upper: Rex) -> Rex:
        above = binder.compare(">=", value, lower, node)
        below = binder.compare("<=", value, upper, node)
        return Call(BOOLEAN.with_nullable(above.type.nullable or below.type.nullable), "AND", (above, below))

    plain = within(low, high)
    if not node.args.get("symmetric"):
        return plain
    return Call(plain.type, "OR", (plain, within(high, low)))


def _in(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    value = binder.bind(node.this)
    query = node.args.get("query")
    if query is not None:
        plan = binder.subquery(query)
        if len(plan.fields) != 1:
            raise invalid_sql("Values passed to IN operator must have compatible types", binder.span(node))
        _check_comparable(binder, node, value.type, plan.fields[0].type)
        return SubqueryValue(BOOLEAN, plan, value)
    comparisons = [binder.compare("=", value, binder.bind(item), node) for item in node.expressions]
    sides = [part.args for part in comparisons if isinstance(part, Call) and part.op == "="]
    if len(sides) == len(comparisons) and all(
        isinstance(side[1], Literal) and side[0] == sides[0][0] for side in sides
    ):
        return Call(BOOLEAN, "IN", (sides[0][0], *(side[1] for side in sides)))
    return comparisons[0] if len(comparisons) == 1 else Call(BOOLEAN, "OR", tuple(comparisons))


def _check_comparable(binder: ExpressionBinder, node: exp.Expression, left: SqlType, right: SqlType) -> None:
    """The values of a subquery are compared as they are: no implicit casts between families."""
    if left.native != right.native and not (left.is_numeric and right.is_numeric):
        raise invalid_sql("Values passed to IN operator must have compatible types", binder.span(node))


def _like(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    escape: list[Rex] = []
    if type(node).__name__ == "Escape":
        escape = [binder.bind(node.expression)]
        node = node.this
    args = [binder.bind(node.this), binder.bind(node.expression), *escape]
    for arg in args:
        if not arg.type.is_character and arg.type.name != "NULL":
            raise invalid_sql(
                f"Cannot apply 'LIKE' to arguments of type '<{args[0].type}> LIKE <{args[1].type}>'. "
                "Supported form(s): 'LIKE(<STRING>, <STRING>, <STRING>)'",
                binder.span(node),
            )
    return Call(BOOLEAN.with_nullable(any(arg.type.nullable for arg in args)), "LIKE", tuple(args))


def _is(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    value = binder.bind(node.this)
    kind = type(node.expression).__name__
    never_null = BOOLEAN.with_nullable(False)
    if kind == "Null" or (kind == "Column" and node.expression.name.upper() == "UNKNOWN"):
        if not value.type.nullable:
            return Literal(never_null, False)
        return Call(never_null, "IS NULL", (value,))
    if kind == "Boolean":
        return Call(never_null, "IS TRUE" if node.expression.this else "IS FALSE", (value,))
    raise invalid_sql("IS takes NULL, TRUE, FALSE or UNKNOWN", binder.span(node))


def _null_safe(op: str) -> Form:
    def build(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        sides = binder.compare("=", binder.bind(node.this), binder.bind(node.expression), node)
        args = sides.args if isinstance(sides, Call) else (binder.bind(node.this), binder.bind(node.expression))
        return Call(BOOLEAN.with_nullable(False), op, args)

    return build


def _case(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    operand = node.this
    conditions: list[Rex] = []
    values: list[Rex] = []
    for branch in node.args["ifs"]:
        if operand is None:
            conditions.append(binder.condition(branch.this, "CASE"))
        else:
            conditions.append(binder.compare("=", binder.bind(operand), binder.bind(branch.this), branch))
        values.append(binder.bind(branch.args["true"]))
    default = node.args.get("default")
    values.append(binder.bind(default) if default is not None else Literal(VARCHAR, None))
    if default is None:
        values[-1] = Literal(SqlType("NULL"), None)
    return _case_call(binder, conditions, values, node)


def _case_call(binder: ExpressionBinder, conditions: list[Rex], values: list[Rex], node: exp.Expression) -> Rex:
    values, result = binder.unified(values, node)
    if len(conditions) == 1 and isinstance(conditions[0], Literal):
        return values[0] if conditions[0].value else values[1]
    args = [item for pair in zip(conditions, values, strict=False) for item in pair]
    return Call(result, "CASE", (*args, values[-1]))


def _if(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    raise invalid_sql("No match found for function signature IF", binder.span(node))


def _cast(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    target = _target_type(binder, node)
    if node.meta.get("typed_literal"):
        return _time_literal(binder, node, target)
    value = binder.bind(node.this)
    if target.is_integer and target.name not in ("BIGINT", "INTEGER"):
        raise general_error(f"Cannot coerce a field from type [java.lang.Integer] to type [{target.name}]")
    if value.type.is_array and not target.is_array and not target.is_character:
        raise invalid_sql(
            f"Cast function cannot convert value of type {value.type} to type {target}", binder.span(node)
        )
    bound = cast(value, target, binder.context.zone)
    if isinstance(value, Literal) and value.type.is_character and target.is_numeric and not isinstance(bound, Literal):
        _check_number(binder, node, str(value.value), target)
    return bound


def _check_number(binder: ExpressionBinder, node: exp.Expression, text: str, target: SqlType) -> None:
    """Refuse a constant column that is null where its type says it cannot be, which Calcite does not survive."""
    item = node.parent if type(node.parent).__name__ == "Alias" else node
    select = item.parent if item is not None else None
    if type(select).__name__ != "Select" or item not in select.expressions:  # type: ignore[union-attr]
        return
    native = constant_value(f"CAST({string_literal(text)}, {string_literal(target.native)})")
    if native is not None:
        return
    name = item.alias if item is not None and item is not node else f"EXPR${select.expressions.index(item)}"  # type: ignore[union-attr]
    raise invalid_sql(
        "Calcite assertion violated: [Conversion to relational algebra failed to preserve datatypes:\nvalidated type:\n"
        f"RecordType({target.name} NOT NULL {name}) NOT NULL\nconverted type:\n"
        f"RecordType({target.name} {name}) NOT NULL\nrel:\nLogicalValues(tuples=[[{{ null }}]])\n]"
    )


def _target_type(binder: ExpressionBinder, node: exp.Expression) -> SqlType:
    to = node.args["to"]
    name = getattr(to.this, "name", None) or getattr(to.this, "value", None) or str(to.this)
    if name == "ARRAY" and to.expressions:
        inner = named(to.expressions[0].this.name)
        return array_of(inner.native if inner else "STRING")
    if name == "USERDEFINED":
        name = str(to.args.get("kind") or to)
    target = named(str(name))
    if target is None:
        raise invalid_sql(f"Unknown datatype name '{to.sql()}'", binder.span(node))
    return target


def _time_literal(binder: ExpressionBinder, node: exp.Expression, target: SqlType) -> Rex:
    text = node.this.this
    moment = timestamp_literal(text, binder.context.zone)
    if moment is None:
        pattern = "yyyy-MM-dd" if target.name == "DATE" else "yyyy-MM-dd HH:mm:ss"
        raise invalid_sql(
            f"Illegal {target.name} literal '{text}': not in format '{pattern}'", node.meta.get("literal_span")
        )
    return Literal(target.with_nullable(False), moment)


def _interval(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    unit: Any = node.args.get("unit")
    end: str | None = None
    if type(unit).__name__ == "IntervalSpan":
        end = unit.expression.name
        unit = unit.this
    if not node.this.is_string or unit is None:
        raise invalid_sql("INTERVAL takes a literal and a unit", binder.span(node))
    parsed = interval_value(node.this.this, unit.name, end)
    if parsed is None:
        raise invalid_sql(f"Illegal interval literal format '{node.this.this}'", binder.span(node))
    return Literal(SqlType(parsed[0], nullable=False), parsed[1])


def _trim(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    name = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(str(node.args.get("position") or "").upper(), "BTRIM")
    args = [binder.bind(node.this)]
    if node.expression is not None:
        args.append(binder.bind(node.expression))
    return binder.function(name, args, node)


def _position(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    args = [binder.bind(node.args["substr"]), binder.bind(node.this)]
    if node.args.get("position") is not None:
        args.append(binder.bind(node.args["position"]))
    return binder.function("POSITION", args, node)


def _concat(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    parts = [cast(binder.bind(part), VARCHAR, binder.context.zone) for part in (node.this, node.expression)]
    flat = [arg for part in parts for arg in (part.args if isinstance(part, Call) and part.op == "CONCAT" else (part,))]
    return binder.call("CONCAT", flat, VARCHAR.with_nullable(any(part.type.nullable for part in parts)))


def _adjacent_strings(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    return Literal(CHAR, "".join(part.this for part in node.expressions))


def _array(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    items = [binder.bind(item) for item in node.expressions]
    if not items:
        return Call(array_of("STRING"), "ARRAY", ())
    items, common = binder.unified(items, node)
    return Call(array_of(common.native).with_nullable(False), "ARRAY", tuple(items))


def _subscript(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    return binder.function("ARRAY_OFFSET", [binder.bind(node.this), binder.bind(node.expressions[0])], node)


def _unicode_literal(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    """``U&'\\2026'``, which sqlglot takes for an AND of bits; Druid SQL has no such operator."""
    prefix, text = node.this, node.expression
    if type(prefix).__name__ != "Column" or prefix.name.upper() != "U" or not getattr(text, "is_string", False):
        raise invalid_sql("Received an unexpected token [&]", binder.span(node))
    decoded = re.sub(r"\\(\+[0-9a-fA-F]{6}|[0-9a-fA-F]{4})", lambda m: chr(int(m[1].lstrip("+"), 16)), text.this)
    return Literal(CHAR, decoded.replace("\\\\", "\\"))


def _similar(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    args = [binder.bind(node.this), binder.bind(node.expression)]
    families = " SIMILAR TO ".join(f"<{arg.type.family}>" for arg in args)
    raise invalid_sql(f"No match found for function signature SIMILAR TO({families})", binder.span(node))


def _scalar_subquery(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    plan = binder.subquery(node.this)
    if len(plan.fields) != 1:
        raise invalid_sql("Cannot apply '$SCALAR_QUERY' to more than one column", binder.span(node))
    return SubqueryValue(plan.fields[0].type.with_nullable(True), plan)


def not_yet(what: str) -> Form:
    """A form that this version knows by name only."""

    def refuse(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        raise unsupported_sql(what)

    return refuse


def _no_match(name: str) -> Form:
    """What Druid itself does not know where it stands."""

    def refuse(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        raise invalid_sql(f"No match found for function signature {name}", binder.span(node))

    return refuse


FORMS: dict[str, Form] = {
    "Between": _between,
    "In": _in,
    "Like": _like,
    "Escape": _like,
    "Is": _is,
    "NullSafeEQ": _null_safe("IS NOT DISTINCT FROM"),
    "NullSafeNEQ": _null_safe("IS DISTINCT FROM"),
    "Case": _case,
    "If": _if,
    "Cast": _cast,
    "TryCast": _cast,
    "Interval": _interval,
    "Trim": _trim,
    "StrPosition": _position,
    "DPipe": _concat,
    "Concat": _adjacent_strings,
    "Array": _array,
    "Bracket": _subscript,
    "BitwiseAnd": _unicode_literal,
    "SimilarTo": _similar,
    "Subquery": _scalar_subquery,
    "Exists": _no_match("EXISTS"),
    "Window": not_yet("A window function"),
    "All": not_yet("A comparison with ALL"),
    "Any": not_yet("A comparison with ANY"),
}
