"""Scalars as Jackson reads them: numbers and strings stand for each other, booleans are strict."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from nemeton.json.errors import expected

_NON_FINITE = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
    "INF": math.inf,
    "+INF": math.inf,
    "-INF": -math.inf,
}
_BEYOND_LONG = 2**63
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_str(value: Any, _: Any = None) -> str:
    """A string; numbers and booleans as they are spelled in JSON."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, str):
        return str(value)
    raise expected("a string", value)


def read_int(value: Any, _: Any = None) -> int:
    """An integer; floats lose their fraction, strings must spell an integer."""
    if type(value) is int:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value.strip())
        except ValueError:
            raise expected("an integer", value) from None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal) and -_BEYOND_LONG <= value < _BEYOND_LONG:  # 1E+999999999 must not be written out
        return int(value)
    raise expected("an integer", value)


def read_float(value: Any, _: Any = None) -> float:
    """A float; integers, and strings that spell a number, NaN or an infinity."""
    if type(value) is float:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if text in _NON_FINITE:
            return _NON_FINITE[text]
        try:
            return float(text)
        except ValueError:
            raise expected("a number", value) from None
    if isinstance(value, float | Decimal):
        return float(value)
    raise expected("a number", value)


def read_bool(value: Any, _: Any = None) -> bool:
    """``true`` or ``false``, also as strings; numbers are refused."""
    if type(value) is bool:
        return value
    if isinstance(value, str) and value in _BOOLEANS:
        return _BOOLEANS[value]
    raise expected("true or false", value)


READERS: Mapping[type, Callable[..., Any]] = {str: read_str, bool: read_bool, int: read_int, float: read_float}
"""How each scalar is read; bool stands before int, whose subclass it is."""


def read_bytes(value: Any, _: Any = None) -> bytes:
    """Base64, as Jackson writes byte arrays."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise expected("a base64 string", value) from None


def write_float(value: float) -> float | str:
    """The number, or the string that Jackson writes for what JSON cannot spell."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def enum_reader(cls: type[Enum]) -> Callable[[Any, Any], Enum]:
    """Reads members by value, then by name, then by either in another case."""
    exact = {member.name: member for member in cls} | {member.value: member for member in cls}
    folded = {str(key).casefold(): member for key, member in exact.items()}
    options = ", ".join(str(member.value) for member in cls)

    def read(value: Any, _: Any = None) -> Enum:
        if isinstance(value, cls):
            return value
        member: Enum | None = exact.get(value) if isinstance(value, str | int) else None
        if member is None and isinstance(value, str):
            member = folded.get(value.casefold())
        if member is None:
            raise expected(f"one of [{options}]", value)
        return member

    return read
