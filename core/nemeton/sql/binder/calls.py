"""Calls that the binder must read before their arguments are bound: a unit stands where an expression would, or the
result depends on what the arguments are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nemeton.common.errors import DruidException
from nemeton.sql.binder.coercion import cast
from nemeton.sql.binder.forms import Form, not_yet
from nemeton.sql.dialect import JSON_NOT_YET
from nemeton.sql.errors import invalid_sql, unhandled
from nemeton.sql.functions.times import EXTRACT_UNITS, UNIT_MILLIS, UNIT_MONTHS, UNIT_PERIODS, UNKNOWN_TO_NATIVE
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import BIGINT, BOOLEAN, CHAR, DOUBLE, TIMESTAMP, VARCHAR, SqlType, array_of
from nemeton.time import Interval

if TYPE_CHECKING:
    from sqlglot import exp

    from nemeton.sql.binder.expressions import ExpressionBinder


def _unit(binder: ExpressionBinder, node: exp.Expression) -> str:
    return node.name.upper()


def _round_to(name: str) -> Form:
    def build(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        value, unit_node = binder.bind(node.expressions[0]), node.expressions[1]
        unit = _unit(binder, unit_node)
        if unit not in UNIT_PERIODS:
            raise invalid_sql(f"'{unit_node.name}' is not a valid time frame", binder.span(unit_node))
        return binder.function(name, [value, Literal(CHAR, unit)], node)

    return build


def _extract(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    unit_node = node.expressions[0]
    unit = _unit(binder, unit_node)
    if unit in UNKNOWN_TO_NATIVE:
        raise unhandled()
    if unit not in EXTRACT_UNITS:
        raise invalid_sql(f"'{unit_node.name}' is not a valid time frame", binder.span(unit_node))
    return binder.function("TIME_EXTRACT", [binder.bind(node.expressions[1]), Literal(CHAR, unit)], node)


def _date_part(unit: str) -> Form:
    def refuse(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        args = [binder.bind(arg) for arg in node.expressions]
        families = ", ".join(f"<{arg.type.family}>" for arg in args)
        raise invalid_sql(f"No match found for function signature {unit}({families})", binder.span(node))

    return refuse


def _timestamp_units(name: str) -> Form:
    def build(binder: ExpressionBinder, node: exp.Expression) -> Rex:
        unit = node.expressions[0].name.upper().removeprefix("SQL_TSI_")
        if unit not in UNIT_MILLIS and unit not in UNIT_MONTHS:
            raise invalid_sql(
                f"'{node.expressions[0].name}' is not a valid time frame", binder.span(node.expressions[0])
            )
        args = [binder.bind(arg) for arg in node.expressions[1:]]
        return binder.function(name, [Literal(CHAR, unit), *args], node)

    return build


def _coalesce(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    args, result = binder.unified([binder.bind(arg) for arg in node.expressions], node)
    kept: list[Rex] = []
    for arg in args:
        if isinstance(arg, Literal) and arg.value is None:
            continue
        kept.append(arg)
        if not arg.type.nullable:
            break
    if not kept:
        return args[0]
    if len(kept) == 1:
        return kept[0]
    return Call(result.with_nullable(all(arg.type.nullable for arg in kept)), "COALESCE", tuple(kept))


def _nullif(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    value, other = (binder.bind(arg) for arg in node.expressions)
    same = binder.compare("=", value, other, node)
    return Call(value.type.with_nullable(True), "CASE", (same, Literal(value.type.with_nullable(True), None), value))


def _time_in_interval(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    value, text = (binder.bind(arg) for arg in node.expressions)
    if not isinstance(text, Literal) or not isinstance(text.value, str):
        raise invalid_sql("The second argument of TIME_IN_INTERVAL must be a literal", binder.span(node))
    value = cast(value, TIMESTAMP, binder.context.zone)
    start, end = _interval_bounds(binder, text.value)
    bounds = [Literal(TIMESTAMP.with_nullable(False), moment) for moment in (start, end)]
    above, below = binder.compare(">=", value, bounds[0], node), binder.compare("<", value, bounds[1], node)
    return Call(above.type, "AND", (above, below))


def _interval_bounds(binder: ExpressionBinder, text: str) -> tuple[int, int]:
    try:
        interval = Interval.parse(text)
    except DruidException as error:
        raise invalid_sql(
            f"Function 'TIME_IN_INTERVAL' second argument is not a valid ISO8601 interval: {text}"
        ) from error
    zone = binder.context.zone

    def local(moment: int, written: str) -> int:
        return moment if re.search(r"(Z|[+-]\d{2}:?\d{2})$", written) else zone.to_utc(moment)

    first, _, second = text.partition("/")
    return local(interval.start, first), local(interval.end, second if not second.startswith("P") else first)


def _concat_call(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    parts = [cast(binder.bind(arg), VARCHAR, binder.context.zone) for arg in node.expressions]
    return binder.call("CONCAT", parts, VARCHAR.with_nullable(any(part.type.nullable for part in parts)))


_RETURNED = {
    **dict.fromkeys(("VARCHAR", "CHAR"), VARCHAR),
    **dict.fromkeys(("BIGINT", "INTEGER", "SMALLINT", "TINYINT"), BIGINT),
    **dict.fromkeys(("DOUBLE", "DECIMAL", "REAL"), DOUBLE),
    "FLOAT": SqlType("FLOAT"),
    "BOOLEAN": BOOLEAN,
}


def _json_value(binder: ExpressionBinder, node: exp.Expression) -> Rex:
    """A scalar of a document, or an array of scalars, as the type that is named after RETURNING; else a text."""
    if len(node.expressions) < 2:
        return binder.function("JSON_VALUE", [binder.bind(arg) for arg in node.expressions], node)
    value, path = (binder.bind(arg) for arg in node.expressions[:2])
    if not isinstance(path, Literal) or not isinstance(path.value, str):
        raise invalid_sql("Argument 2 of JSON_VALUE must be a literal", binder.span(node))
    words = node.expressions[2].name.split() if len(node.expressions) > 2 else ["VARCHAR"]
    element = _RETURNED.get(words[0])
    if element is None or words[1:] not in ([], ["ARRAY"]):
        raise invalid_sql(f"JSON_VALUE cannot return [{' '.join(words)}]", binder.span(node))
    kind = array_of(element.native) if len(words) > 1 else element
    native = "DOUBLE" if kind.native == "FLOAT" else kind.native
    return Call(kind, "JSON_VALUE", (value, path, Literal(CHAR, native)))


CALLS: dict[str, Form] = {
    "FLOOR_TO": _round_to("FLOOR_TO"),
    "CEIL_TO": _round_to("CEIL_TO"),
    "EXTRACT": _extract,
    "TIMESTAMPADD": _timestamp_units("TIMESTAMPADD"),
    "TIMESTAMPDIFF": _timestamp_units("TIMESTAMPDIFF"),
    "COALESCE": _coalesce,
    "NVL": _coalesce,
    "IFNULL": _coalesce,
    "NULLIF": _nullif,
    "TIME_IN_INTERVAL": _time_in_interval,
    "CONCAT": _concat_call,
    "JSON_VALUE": _json_value,
    **{name: not_yet(name) for name in JSON_NOT_YET},
    **{
        unit: _date_part(unit)
        for unit in (
            "YEAR",
            "MONTH",
            "QUARTER",
            "WEEK",
            "HOUR",
            "MINUTE",
            "SECOND",
            "DAYOFMONTH",
            "DAYOFWEEK",
            "DAYOFYEAR",
        )
    },
}
