"""Compressing with LZF: the compiled loop. Importing this imports numba; the machine code is cached on disk."""

from __future__ import annotations

from typing import Any

from nemeton.common.numba_cache import use_writable_cache

use_writable_cache(__file__)

import numba  # noqa: E402  (the cache folder must be known before)
import numpy as np  # noqa: E402

Array = np.ndarray[Any, Any]
_HASH_BITS = 14
_MAX_DISTANCE, _MAX_LITERALS, _MAX_LENGTH = 1 << 13, 32, 264


@numba.njit(nogil=True, cache=True)
def compress_chunk(raw: Array, out: Array) -> int:
    """Compress at most 65535 bytes; returns the bytes written to ``out``, which has room for 33/32 of them."""
    size = len(raw)
    table = np.full(1 << _HASH_BITS, -1, np.int32)
    at = literal = written = 0
    while at < size - 2:
        word = (np.uint32(raw[at]) << 16) | (np.uint32(raw[at + 1]) << 8) | np.uint32(raw[at + 2])
        place = ((word * np.uint32(2654435761)) & np.uint32(0xFFFFFFFF)) >> np.uint32(32 - _HASH_BITS)
        before = table[place]
        table[place] = at
        if (
            before < 0
            or at - before > _MAX_DISTANCE
            or raw[before] != raw[at]
            or raw[before + 1] != raw[at + 1]
            or raw[before + 2] != raw[at + 2]
        ):
            at += 1
            continue
        written = _literals(raw, literal, at, out, written)
        length = 3
        most = min(size - at, _MAX_LENGTH)
        while length < most and raw[before + length] == raw[at + length]:
            length += 1
        distance = at - before - 1
        if length < 9:
            out[written] = (length - 2) << 5 | distance >> 8
            written += 1
        else:
            out[written] = 7 << 5 | distance >> 8
            out[written + 1] = length - 9
            written += 2
        out[written] = distance & 0xFF
        written += 1
        at += length
        literal = at
    return _literals(raw, literal, size, out, written)


@numba.njit(nogil=True, cache=True)
def _literals(raw: Array, start: int, stop: int, out: Array, written: int) -> int:
    while start < stop:
        count = min(stop - start, _MAX_LITERALS)
        out[written] = count - 1
        written += 1
        for i in range(count):
            out[written + i] = raw[start + i]
        written += count
        start += count
    return written
