"""Druid's orders of strings, as sort keys: a key compares as the strings do."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from nemeton.common.errors import invalid_input

Key = Callable[[str | None], Any]


def lexicographic_key(value: str | None) -> Any:
    """By UTF-16 code units; null first."""
    return (0, b"") if value is None else (1, value.encode("utf-16-be", "surrogatepass"))


def _number(value: str) -> Decimal | None:
    try:
        number = Decimal(value) if value == value.strip() and "_" not in value else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def numeric_key(value: str | None) -> Any:
    """By number; null first, then what is no number (by text), then the numbers."""
    if value is None:
        return (0, 0, b"")
    number = _number(value)
    return (1, 0, lexicographic_key(value)) if number is None else (2, number, (0, b""))


_DIGITS = re.compile(r"([0-9]+)")


def alphanumeric_key(value: str | None) -> Any:
    """Runs of digits as numbers (before letters), other runs by text without regard to case; null first."""
    if value is None:
        return (0,)
    parts: list[Any] = []
    for part in _DIGITS.split(value):
        if part and part[0].isdigit() and part.isascii():
            stripped = part.lstrip("0")
            parts.append((0, len(stripped), stripped, len(part)))
        else:
            parts.extend((1, ord(c.lower()[0]), "", 0) for c in part)
    return (1, *parts)


def strlen_key(value: str | None) -> Any:
    """By length, then by text; null first."""
    return (0, 0, b"") if value is None else (1, utf16_length(value), lexicographic_key(value)[1])


def utf16_length(value: str) -> int:
    """The length as Java counts it."""
    return len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) // 2


_QUALIFIERS = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "milestone": 2, "m": 2, "rc": 3, "cr": 3, "snapshot": 4}
_QUALIFIERS |= {"": 5, "ga": 5, "final": 5, "release": 5, "sp": 6}


def version_key(value: str | None) -> Any:
    """As Maven compares versions; null first."""
    if value is None:
        return (0,)
    items: list[Any] = [(2, 0, "")] if value[:1] in "-." and value else []
    for text in re.findall(r"[0-9]+|[^0-9.\-]+", value.lower()):
        if text.isdigit():
            items.append((2, int(text), ""))
        else:
            known = _QUALIFIERS.get(text)
            items.append((0, known, "") if known is not None else (1, 0, text))
    while items and items[-1] in ((2, 0, ""), (0, 5, "")):
        items.pop()
    # The end of the shorter version compares as an empty release qualifier.
    return (1, *items, (0, 5, ""))


_KEYS: dict[str, Key] = {
    "lexicographic": lexicographic_key,
    "numeric": numeric_key,
    "alphanumeric": alphanumeric_key,
    "strlen": strlen_key,
    "version": version_key,
    "natural": lexicographic_key,
}


def comparator_name(value: Any) -> str:
    """The name of an ordering from its JSON (`"numeric"`, `{"type": "numeric"}`); raises invalid input.

    A Java Broker writes the order of a search as an ordering within an ordering.
    """
    while isinstance(value, dict):
        value = value.get("type")
    if value is None:
        return "lexicographic"
    name = str(value).lower()
    if name not in _KEYS:
        raise invalid_input(f"Unknown string comparator [{value}]; known are [{', '.join(_KEYS)}]")
    return name


def sort_key(name: str) -> Key:
    """The key function of an ordering."""
    return _KEYS[name]
