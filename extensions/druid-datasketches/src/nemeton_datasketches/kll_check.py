"""Whether bytes are a KLL sketch. The library does not look closely enough, and crashes on some that are none."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_HEAD = struct.Struct("<4BHBx")
_FULL = struct.Struct("<QHBx")
_FAMILY, _EMPTY_FLAG, _SINGLE_FLAG = 15, 1, 4
_MOST_LEVELS = 61


def level_capacity(k: int, depth: int) -> int:
    """How many items the level at this depth below the top may hold, if it is not too small."""
    return ((2 * k << depth) // int(3**depth) + 1) // 2


def capacity(k: int, m: int, levels: int) -> int:
    """How many items a sketch of that many levels may hold."""
    return sum(max(m, level_capacity(k, depth)) for depth in range(levels))


def problem(blob: bytes, dtype: Any) -> str | None:
    """What is wrong with the bytes of a sketch of such items; None when nothing is."""
    size = np.dtype(dtype).itemsize
    if len(blob) < _HEAD.size:
        return f"{len(blob)} bytes"
    ints, version, family, flags, k, m = _HEAD.unpack_from(blob)
    if family != _FAMILY or k < 8 or not 2 <= m <= 8 or m % 2:
        return "the header"
    if flags & _EMPTY_FLAG:
        return None if (ints, version, len(blob)) == (2, 1, 8) else "the header of an empty one"
    if flags & _SINGLE_FLAG:
        return None if (ints, version, len(blob)) == (2, 2, 8 + size) else "the header of a single item"
    if (ints, version) != (5, 1) or len(blob) < 20:
        return "the version or the length"
    count, least_k, levels = _FULL.unpack_from(blob, 8)
    if not count or not m <= least_k <= k or not 1 <= levels <= _MOST_LEVELS or len(blob) < 20 + 4 * levels:
        return "the numbers of items and levels"
    bounds = np.append(np.frombuffer(blob, "<u4", levels, 20), capacity(k, m, levels)).astype(np.int64)
    held = np.diff(bounds)
    if (held < 0).any() or len(blob) != 20 + 4 * levels + size * (2 + int(held.sum())):
        return "the bounds of levels"
    if sum(int(number) << level for level, number in enumerate(held.tolist())) != count:
        return "the number of items"
    return _items_problem(np.frombuffer(blob, np.dtype(dtype).newbyteorder("<"), offset=20 + 4 * levels), bounds)


def _items_problem(items: Array, bounds: Array) -> str | None:
    """Levels above the first have to ascend, and nothing may be beyond the least and the greatest item."""
    least, most, values = items[0], items[1], items[2:]
    if np.isnan(items).any() or (values < least).any() or (values > most).any():
        return "the items"
    ascends = values[1:] >= values[:-1]
    starts = (bounds - bounds[0])[1:-1]
    ascends[: max(int(starts[0]), 1) - 1 if len(starts) else len(ascends)] = True  # the first level is in any order
    ascends[starts[(starts > 0) & (starts < len(values))] - 1] = True
    return None if ascends.all() else "the order of items"
