"""Constants while binding: literals of date and time, and what can be computed before the query runs."""

from __future__ import annotations

import re
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.sql.functions.times import UNIT_MONTHS, UNIT_PERIODS
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import SqlType
from nemeton.time import Period, Zone, parse_datetime

_DAY = 86_400_000
_STRICT = re.compile(r"\s*\d{4}-\d{1,2}-\d{1,2}(?:[ T]\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d+)?)?)?\s*")


def timestamp_literal(text: str, zone: Zone) -> int | None:
    """Milliseconds of ``yyyy-MM-dd[ HH:mm:ss[.SSS]]`` in the zone, or None."""
    if not _STRICT.fullmatch(text):
        return None
    return parse_time(text.strip(), zone)


def parse_time(text: str, zone: Zone) -> int | None:
    """As CAST to TIMESTAMP reads a string: ISO-8601, a blank for the T; None where it is no time."""
    try:
        if re.fullmatch(r"[+-]?\d{5,}", text.strip()):
            return None
        return parse_datetime(text.strip(), zone)
    except DruidException:
        return None


def floor_day(value: int, zone: Zone) -> int:
    """The local midnight at or before the instant."""
    local = zone.to_local(value)
    return zone.to_utc(local - local % _DAY)


def add_period(value: int, period: str, times: int, zone: Zone) -> int:
    """The instant so many periods later, by the calendar of the zone."""
    return Period.parse(period).add_to(value, times, zone)


def interval_value(text: str, unit: str, end: str | None = None) -> tuple[str, int] | None:
    """(type name, value) of an INTERVAL literal: months for years and months, milliseconds for the rest."""
    unit, end = unit.upper().rstrip("S") if unit.upper() != "S" else unit.upper(), end.upper() if end else None
    sign = -1 if text.strip().startswith("-") else 1
    body = text.strip().lstrip("+-")
    try:
        if end is None and unit in UNIT_MONTHS:
            return "INTERVAL_MONTH", sign * int(body) * UNIT_MONTHS[unit]
        if unit == "YEAR" and end == "MONTH":
            years, months = body.split("-")
            return "INTERVAL_MONTH", sign * (int(years) * 12 + int(months))
        if end is None:
            return "INTERVAL_DAY", sign * round(float(body) * _MILLIS[unit])
        return "INTERVAL_DAY", sign * _compound(body, unit, end)
    except (ValueError, KeyError):
        return None


_MILLIS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": _DAY, "WEEK": 7 * _DAY}
_ORDER = ("DAY", "HOUR", "MINUTE", "SECOND")


def _compound(body: str, unit: str, end: str) -> int:
    units = _ORDER[_ORDER.index(unit) : _ORDER.index(end) + 1]
    parts = re.split(r"[ :]", body)
    if len(parts) != len(units):
        raise ValueError(body)
    return sum(round(float(part) * _MILLIS[name]) for part, name in zip(parts, units, strict=True))


def fold(rex: Rex, zone: Zone) -> Rex:
    """The literal that a call on literals makes, where it is plain to say; the call itself otherwise."""
    if not isinstance(rex, Call) or not rex.args or not all(isinstance(arg, Literal) for arg in rex.args):
        return rex
    values = [arg.value for arg in rex.args if isinstance(arg, Literal)]
    result = _fold_call(rex, values, zone)
    return rex if result is NotImplemented else Literal(rex.type, result)


def _fold_call(rex: Call, values: list[Any], zone: Zone) -> Any:
    if rex.op in ("CAST",):
        return _fold_cast(values[0], rex.args[0].type, rex.type, zone)
    if any(value is None for value in values):
        return None if rex.op in ("+", "-", "*", "NEGATE", "+ INTERVAL", "- INTERVAL") else NotImplemented
    if rex.op == "NEGATE":
        return -values[0]
    if rex.op in ("+ INTERVAL", "- INTERVAL"):
        amount = values[1] if rex.op[0] == "+" else -values[1]
        months = rex.args[1].type.name == "INTERVAL_MONTH"
        return add_period(values[0], "P1M", amount, zone) if months else values[0] + amount
    if rex.op in ("+", "-", "*"):
        return _arithmetic(rex, values)
    if rex.op == "TIMESTAMPADD" and isinstance(values[1], int) and values[0] in UNIT_PERIODS:
        return add_period(values[2], UNIT_PERIODS[values[0]], values[1], zone)
    if rex.op == "TIME_SHIFT" and len(values) == 3:
        return _or_not(lambda: add_period(values[0], values[1], values[2], zone))
    if rex.op in ("=", "<>", "<", "<=", ">", ">="):
        return _compare(rex.op, values[0], values[1])
    return NotImplemented


def _or_not(compute: Any) -> Any:
    try:
        return compute()
    except DruidException:
        return NotImplemented


def _compare(op: str, left: Any, right: Any) -> Any:
    if isinstance(left, str) != isinstance(right, str):
        return NotImplemented
    outcome = {"=": left == right, "<>": left != right}
    return outcome.get(op, (left < right) if op == "<" else (left > right) if op == ">" else _or_equal(op, left, right))


def _or_equal(op: str, left: Any, right: Any) -> bool:
    return bool(left <= right) if op == "<=" else bool(left >= right)


def _arithmetic(rex: Call, values: list[Any]) -> Any:
    left, right = values
    result = left + right if rex.op == "+" else left - right if rex.op == "-" else left * right
    if isinstance(result, int):
        return (result + 2**63) % 2**64 - 2**63
    return result


def _fold_cast(value: Any, source: SqlType, target: SqlType, zone: Zone) -> Any:
    if value is None or source.name == target.name:
        return value
    if target.is_datetime:
        moment = parse_time(value, zone) if source.is_character else value
        if moment is None or not isinstance(moment, int):
            return NotImplemented
        return floor_day(moment, zone) if target.name == "DATE" else moment
    if target.is_integer and (source.is_integer or source.is_datetime):
        return value
    if target.is_integer and source.is_character and re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    if target.is_numeric and not target.is_integer and source.is_numeric:
        return float(value)
    if target.is_character and source.is_character:
        return value
    if target.is_character and source.is_integer:
        return str(value)
    return NotImplemented
