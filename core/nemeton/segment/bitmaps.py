"""Row bitmaps as segments store them: Roaring, and Concise for segments that were made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed

if TYPE_CHECKING:
    from pyroaring import BitMap

_GROUP = 31
_COUNT_MASK = (1 << 25) - 1


def read_bitmap(data: memoryview, is_concise: bool, num_rows: int, part: str) -> BitMap:
    """Decode one bitmap; zero bytes are the empty one. Rows beyond `num_rows` are a `corrupt` error."""
    from pyroaring import BitMap

    if not len(data):
        return BitMap()
    if is_concise:
        return BitMap(concise_rows(data, num_rows, part))
    try:
        bitmap = BitMap.deserialize(bytes(data))
    except (ValueError, IndexError) as e:
        raise corrupt(part, f"a bitmap of {len(data)} bytes cannot be read: {e}") from e
    if bitmap and bitmap.max() >= num_rows:
        raise corrupt(part, f"a bitmap holds row {bitmap.max()} of {num_rows}")
    return bitmap


def concise_rows(data: memoryview, num_rows: int, part: str) -> np.ndarray:
    """Decode a Concise bitmap to its row numbers, ascending."""
    if len(data) % 4:
        raise corrupt(part, f"a Concise bitmap of {len(data)} bytes")
    words = np.frombuffer(data, ">u4").astype(np.int64)
    literal = words >= 1 << 31
    groups = np.where(literal, 1, (words & _COUNT_MASK) + 1)
    starts = np.cumsum(groups) - groups
    if len(words) and (starts[-1] + groups[-1] - 1) * _GROUP > num_rows:
        raise corrupt(part, f"a Concise bitmap reaches beyond {num_rows} rows")
    bits = np.where(literal, words & 0x7FFFFFFF, np.where(words & (1 << 30), 0x7FFFFFFF, 0))
    flip = (words >> 25) & 31
    first = bits ^ np.where(literal | (flip == 0), 0, 1 << np.maximum(flip - 1, 0))
    spread = np.repeat(bits, groups)
    spread[starts] = first
    set_bits = (spread[:, None] >> np.arange(_GROUP)) & 1
    rows = np.flatnonzero(set_bits).astype(np.uint32)
    if len(rows) and rows[-1] >= num_rows:
        raise corrupt(part, f"a Concise bitmap holds row {rows[-1]} of {num_rows}")
    return rows


@frozen
class BitmapIndex:
    """The bitmaps of a dictionary's values, each decoded when asked for (about 5 µs)."""

    part: str
    bitmaps: GenericIndexed
    is_concise: bool
    num_rows: int

    def get(self, code: int) -> BitMap:
        """Return the rows that hold a code; a bitmap of the caller's own."""
        return read_bitmap(self.bitmaps[code], self.is_concise, self.num_rows, self.part)
