"""Compiled kernels of the pass that decide which rows meet the conditions. Importing this imports numba."""

from __future__ import annotations

from typing import Any

from nemeton.common.numba_cache import use_writable_cache

use_writable_cache(__file__)

import numba  # noqa: E402  (the cache folder must be known before)
import numpy as np  # noqa: E402
from numba.core import cgutils, types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from nemeton.query.fused import codes as op  # noqa: E402
from nemeton.query.fused.codes import CHUNK  # noqa: E402

Array = np.ndarray[Any, Any]
_jit = numba.njit(nogil=True, cache=True)


@intrinsic
def _address_pointer(typing: Any, address: Any) -> Any:
    """The address (int64) as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


pointer_to: Any = _address_pointer
array_at: Any = numba.carray  # type: ignore[attr-defined]


@_jit
def flag_chunk(conditions: Array, inputs: Array, start: int, size: int, flags: Array) -> None:
    """Which rows of a chunk meet all conditions: 1, else 0."""
    for k in range(len(conditions)):
        kind, codes, high = conditions[k, 0], inputs[conditions[k, 1]], conditions[k, 3]
        if kind in (op.OF_U8, op.RANGE_U8, op.BITS_U8):
            found = array_at(pointer_to(codes + start), (CHUNK,), np.uint8)[:size]
            if kind == op.OF_U8:
                _flag(flags, found, array_at(pointer_to(inputs[conditions[k, 2]]), (1 << 8,), np.uint8), k == 0)
            elif kind == op.RANGE_U8:
                _flag_range(flags, found, np.uint8(conditions[k, 2]), np.uint8(high), k == 0)
            else:
                _flag_bits(flags, found, np.uint64(conditions[k, 2]), k == 0)
        elif kind in (op.OF_U16, op.RANGE_U16):
            found16 = array_at(pointer_to(codes + 2 * start), (CHUNK,), np.uint16)[:size]
            if kind == op.OF_U16:
                _flag(flags, found16, array_at(pointer_to(inputs[conditions[k, 2]]), (1 << 16,), np.uint8), k == 0)
            else:
                _flag_range(flags, found16, np.uint16(conditions[k, 2]), np.uint16(high), k == 0)
        else:
            found32 = array_at(pointer_to(codes + 4 * start), (CHUNK,), np.uint32)[:size]
            if kind == op.OF_U32:
                _flag(flags, found32, array_at(pointer_to(inputs[conditions[k, 2]]), (1 << 32,), np.uint8), k == 0)
            else:
                _flag_range(flags, found32, np.uint32(conditions[k, 2]), np.uint32(high), k == 0)


@_jit
def _flag_range(flags: Array, codes: Array, low: Any, high: Any, is_first: bool) -> None:
    """As `_flag`: whether each code lies between two, all of one unsigned type."""
    if is_first:
        for i in range(len(codes)):
            flags[i] = np.uint8(codes[i] >= low) & np.uint8(codes[i] <= high)
    else:
        for i in range(len(codes)):
            flags[i] &= np.uint8(codes[i] >= low) & np.uint8(codes[i] <= high)


@_jit
def _flag_bits(flags: Array, codes: Array, bits: Any, is_first: bool) -> None:
    """As `_flag`: whether each code's bit is set."""
    if is_first:
        for i in range(len(codes)):
            flags[i] = (bits >> np.uint64(codes[i])) & np.uint64(1)
    else:
        for i in range(len(codes)):
            flags[i] &= np.uint8((bits >> np.uint64(codes[i])) & np.uint64(1))


@_jit
def flag_rows(conditions: Array, inputs: Array, out: Array) -> None:
    """Which rows meet all conditions: 1, else 0, into `out` (uint8, one per row); arguments as in `run`."""
    for start in range(0, len(out), CHUNK):
        size = min(CHUNK, len(out) - start)
        flag_chunk(conditions, inputs, start, size, out[start : start + size])


@_jit
def _flag(flags: Array, codes: Array, table: Array, is_first: bool) -> None:
    """Whether each code's flag is set, and was for the conditions before."""
    if is_first:
        for i in range(len(codes)):
            flags[i] = table[codes[i]]
    else:
        for i in range(len(codes)):
            flags[i] &= table[codes[i]]


def warm() -> None:
    """Compile, or load from the cache, what the engines call."""
    flag_rows(np.zeros((0, 4), np.int64), np.zeros(1, np.int64), np.zeros(1, np.uint8))
