"""Python values, as JSON has them, to typed values: Druid's rules for what an array of several types becomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np

from nemeton.common.java_numbers import format_double
from nemeton.segment.typed_values import Arrays, TypedValues, bounds, join, no_strings

_INT_MAX, _LONG_MAX = 2**31, 2**63
_LOW_BITS = 2**64 - 1


def is_plain_array(items: Iterable[Any]) -> bool:
    """Whether an array holds scalars alone, so that it is one value."""
    return not any(isinstance(item, list | dict) for item in items)


def typed_values(values: Sequence[Any]) -> TypedValues:
    """Values (None, str, bool, int, float, and lists of these that `is_plain_array` accepts) as typed values."""
    lists = [coerced(value) if isinstance(value, list) else None for value in values]
    flat = [value for value in values if not isinstance(value, list)]
    elements = list(chain.from_iterable(items for items in lists if items is not None))
    scalars = _scalars(flat + elements)
    lengths = np.array([len(items) for items in lists if items is not None], np.int64)
    arrays = Arrays(bounds(lengths), scalars.ids[len(flat) :].astype(np.int64))
    is_list = np.fromiter((items is not None for items in lists), bool, len(lists))
    ids = np.empty(len(values), np.int32)
    ids[~is_list] = scalars.ids[: len(flat)]
    ids[is_list] = scalars.starts[4] + np.arange(len(lengths))
    whole = TypedValues(ids, scalars.strings, scalars.longs, scalars.doubles, arrays)
    return join([whole])[0]


def _scalars(values: Sequence[Any]) -> TypedValues:
    import pyarrow as pa

    seen: dict[Any, int] = {}
    keys = [_key(value) for value in values]
    codes = np.fromiter((seen.setdefault(key, len(seen)) for key in keys), np.int64, len(keys))
    distinct = list(seen)
    places: dict[type, list[int]] = {str: [], int: [], float: []}
    for place, (kind, _) in enumerate(distinct):
        if kind is not None:
            places[kind].append(place)
    ids = np.zeros(len(distinct), np.int32)
    at = 1
    for found in places.values():
        ids[found] = at + np.arange(len(found))
        at += len(found)
    strings = pa.array([distinct[p][1] for p in places[str]], pa.large_string()) if places[str] else no_strings()
    longs = np.array([distinct[p][1] for p in places[int]], np.int64)
    doubles = np.array([float.fromhex(distinct[p][1]) for p in places[float]], np.float64)
    return TypedValues(ids[codes], strings, longs, doubles)


def _key(value: Any) -> tuple[type | None, Any]:
    if value is None:
        return None, None
    if isinstance(value, str):
        return str, value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, int):
        return int, wrapped_long(int(value))
    return float, float(value).hex()


def wrapped_long(value: int) -> int:
    """A whole number's low 64 bits, which is what is left of one that is no long."""
    if -_LONG_MAX <= value < _LONG_MAX:
        return value
    low = value & _LOW_BITS
    return low - 2**64 if low >= _LONG_MAX else low


def coerced(items: list[Any]) -> list[Any]:
    """The elements of an array as one type: texts if there is any text, doubles if there is any double."""
    kind = _common(items)
    if kind == "long":
        return [None if item is None else int(item) for item in items]
    if kind == "double":
        return [None if item is None else float(item) for item in items]
    return [None if item is None else _text(item) for item in items]


def _common(items: list[Any]) -> str:
    """The kind that Druid finds by going through the elements; of numbers beyond long it has odd opinions."""
    found: str | None = None
    for item in items:
        if item is None:
            continue
        kind = _kind(item)
        if found is None or found == "int":
            found = "text" if kind == "text" else kind
        elif found == "text" or kind == "text":
            found = "text"
        elif found == "long":
            found = found if kind == "int" else kind
        else:
            found = "double"
    return "long" if found in ("int", "long") else "double" if found == "double" else "text"


def _kind(item: Any) -> str:
    if isinstance(item, bool):
        return "long"
    if isinstance(item, int):
        return "int" if -_INT_MAX <= item < _INT_MAX else "long" if -_LONG_MAX <= item < _LONG_MAX else "big"
    return "double" if isinstance(item, float | Decimal) else "text"


def _text(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return format_double(item) if isinstance(item, float) else str(item)
