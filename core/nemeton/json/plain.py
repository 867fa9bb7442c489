"""Plain data made safe for the encoder, mostly without looking at each value."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any
from uuid import UUID

from nemeton.json.scalars import write_float

SAFE = frozenset({str, int, bool, type(None)})
"""Most fields are of these, and written as they are."""
_SAFE_OR_FLOAT = SAFE | {float}
_FLOATS = frozenset({float, type(None)})
_ROWS = frozenset({list, tuple})


def plain_writers(write: Callable[[Any], Any]) -> dict[type, Callable[[Any], Any]]:
    """Writers of the built-in types; ``write`` is the way back for what they hold."""

    def write_list(values: Any) -> Any:
        kinds = set(map(type, values))
        if kinds <= SAFE or (kinds <= _SAFE_OR_FLOAT and _finite(values)):
            return values
        if kinds <= _ROWS and len(values) > 1 and _are_plain_rows(values):
            return values
        return [write(value) for value in values]

    def write_dict(values: Any) -> Any:
        if set(map(type, values)) <= {str}:
            kinds = set(map(type, values.values()))
            if kinds <= SAFE or (kinds <= _SAFE_OR_FLOAT and _finite(values.values())):
                return values
            return {key: write(value) for key, value in values.items()}
        return {_key(write(key)): write(value) for key, value in values.items()}

    def write_sorted(values: Any) -> list[Any]:
        written = [write(value) for value in values]
        return sorted(written) if set(map(type, written)) <= {str} else written

    def same(value: Any) -> Any:
        return value

    return {
        str: str,
        int: int,
        bool: same,
        type(None): same,
        float: write_float,
        Decimal: same,
        list: write_list,
        tuple: lambda values: write_list(list(values)),
        dict: write_dict,
        set: write_sorted,
        frozenset: write_sorted,
        bytes: lambda value: base64.b64encode(value).decode("ascii"),
        Enum: lambda value: write(value.value),
        PurePath: str,
        UUID: str,
        datetime: _write_datetime,
    }


def binary_writers(write: Callable[[Any], Any]) -> dict[type, Callable[[Any], Any]]:
    """As `plain_writers`, for a form that has bytes and every float."""
    return plain_writers(write) | {float: float, bytes: bytes}


def _are_plain_rows(rows: Any) -> bool:
    """Whether rows of equal length hold only what needs no writer, told column by column."""
    return len(set(map(len, rows))) == 1 and all(map(is_plain_column, zip(*rows, strict=True)))


def is_plain_column(values: Any) -> bool:
    """Whether all of them are written as they are: texts, integers, booleans, nulls, or finite floats."""
    kinds = set(map(type, values))
    if kinds <= SAFE:
        return True
    return kinds <= _FLOATS and are_finite(values)


def are_finite(values: Any) -> bool:
    """Whether floats and nulls are all numbers that JSON has. Large ones may be taken for others, which only costs."""
    return isfinite(sum(filter(None, values)))


def _finite(values: Any) -> bool:
    return all(isfinite(value) for value in values if type(value) is float)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return "null" if key is None else str(key).lower() if isinstance(key, bool) else str(key)


def _write_datetime(value: datetime) -> str:
    from nemeton.time import format_datetime

    return format_datetime(round(value.timestamp() * 1000))
