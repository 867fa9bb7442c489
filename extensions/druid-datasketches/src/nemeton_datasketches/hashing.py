"""Hashes as the Java library makes them: MurmurHash3 of 128 bits with its seed, of strings, longs and doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nemeton.query.aggregators.hll import murmur3_128
from nemeton.query.byte_strings import by_length

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

SEED = 9001
SEED_HASH = 0x93CC
"""What sketches made with that seed carry, so that others are not merged with them."""

Hashes = tuple["Array", "Array"]
"""The two halves of each hash, uint64."""


def hash_bytes(values: Sequence[bytes]) -> Hashes:
    """The hashes of byte strings; those of one length are hashed together."""
    first, second = np.zeros(len(values), dtype=np.uint64), np.zeros(len(values), dtype=np.uint64)
    for rows, matrix in by_length(values):
        first[rows], second[rows] = murmur3_128(matrix, SEED)
    return first, second


def hash_longs(values: Array) -> Hashes:
    """The hashes of int64 values."""
    words = np.ascontiguousarray(values, dtype="<i8")
    return murmur3_128(words.view(np.uint8).reshape(len(words), 8), SEED)


def hash_doubles(values: Array) -> Hashes:
    """The hashes of doubles: both zeros are one value, and so are all NaN."""
    plain = values.astype(np.float64) + 0.0  # turns -0.0 into 0.0
    plain[np.isnan(plain)] = np.nan
    return hash_longs(plain.view(np.int64))


def hash_numbers(values: Array) -> Hashes:
    """The hashes of longs, or of floats and doubles as doubles."""
    return hash_longs(values) if values.dtype == np.int64 else hash_doubles(values)


def theta_hashes(first: Array) -> Array:
    """What theta and tuple sketches keep of the first halves of hashes: int64, not negative."""
    out: Array = (first >> np.uint64(1)).astype(np.int64)
    return out


def utf8(value: str) -> bytes:
    """The bytes that theta and tuple sketches hash."""
    return value.encode("utf-8", "surrogatepass")


def utf16(value: str) -> bytes:
    """The bytes that HLL sketches hash unless told otherwise: Java's chars."""
    return value.encode("utf-16-le", "surrogatepass")


def hash_strings(values: Sequence[str | None], encode: Callable[[str], bytes]) -> tuple[Array, Array, Array]:
    """The hashes of strings, and which of them count: null and the empty string do not."""
    counts = np.fromiter((bool(value) for value in values), dtype=bool, count=len(values))
    return (*hash_bytes([encode(value) if value else b"" for value in values]), counts)
