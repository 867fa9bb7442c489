"""Java's order of strings, by UTF-16 code units, and of doubles.

That of strings differs from the order of UTF-8 bytes (and of Python's strings) in one place: characters beyond
U+FFFF, whose UTF-8 starts with F0 to F4, come *before* U+E000 to U+FFFF, which start with EE and EF. Those two bytes
never occur in the middle of a character, so that moving them above F4 turns a comparison of bytes into Java's order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_MOVED = bytes({0xEE: 0xFE, 0xEF: 0xFF}.get(b, b) for b in range(256))
_FIRST_SUPPLEMENTARY = 0xF0


def java_key(utf8: bytes) -> bytes:
    """Return bytes whose order is Java's order of the string that `utf8` encodes."""
    return utf8.translate(_MOVED)


def java_sort_key(value: str) -> bytes:
    """Return a sort key for a string: ``sorted(names, key=java_sort_key)``."""
    return value.encode("utf-8", "replace").translate(_MOVED)


def java_keys(values: pa.Array) -> pa.Array:
    """Return the values of a large_string array in a form that sorts in Java's order; the array itself if it does."""
    import pyarrow as pa

    _, offsets, data = values.buffers()
    if data is None or values.offset:
        values = pa.concat_arrays([values]) if values.offset else values
        _, offsets, data = values.buffers()
    if data is None:
        return values
    raw = np.frombuffer(data, np.uint8)
    if not len(raw) or raw.max() < _FIRST_SUPPLEMENTARY:
        return values
    moved = pa.py_buffer(np.frombuffer(_MOVED, np.uint8)[raw])
    return pa.Array.from_buffers(pa.large_binary(), len(values), [values.buffers()[0], offsets, moved])


def java_argsort(values: pa.Array) -> np.ndarray:
    """Return the positions of a string array's values in dictionary order: nulls first, then Java's order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = java_keys(values.cast(pa.large_string()))
    return pc.array_sort_indices(keys, null_placement="at_start").to_numpy()  # type: ignore[no-any-return]


def double_keys(values: np.ndarray) -> np.ndarray:
    """Return longs that are in the order of Java's `Double.compare`: -0.0 before 0.0, NaN (which has one form) last."""
    bits = np.where(np.isnan(values), np.nan, values).astype(np.float64).view(np.int64)
    return _flipped(bits)


def doubles_of(keys: np.ndarray) -> np.ndarray:
    """Return the doubles that have these keys."""
    return _flipped(keys).view(np.float64)


def _flipped(bits: np.ndarray) -> np.ndarray:
    """Turn the order of negative numbers around; twice, it is as it was."""
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
