"""Murmur3 of many byte strings at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]

_C1, _C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
_D1, _D2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)


class ByteStrings:
    """Byte strings in one buffer; `data` is padded, so that whole words may be read at every place."""

    def __init__(self, data: Array, starts: Array, lengths: Array) -> None:
        self.data = np.concatenate([data, np.zeros(16, dtype=np.uint8)])
        self.starts = starts
        self.lengths = lengths

    @classmethod
    def of(cls, column: pl.Series) -> ByteStrings:
        """The UTF-8 of a String column without nulls."""
        import pyarrow as pa

        array = column.to_arrow()
        array = array if array.type == pa.large_string() else array.cast(pa.large_string())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        raw = np.zeros(0, dtype=np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)
        return cls(raw, bounds[:-1], np.diff(bounds))

    def words(self, rows: Array, shift: int, dtype: str) -> Array:
        """The little-endian words at `shift` bytes from the start of these strings."""
        size = np.dtype(dtype).itemsize
        places = (self.starts[rows] + shift)[:, None] + np.arange(size)
        words: Array = np.ascontiguousarray(self.data[places]).view(dtype)[:, 0]
        return words

    def tails(self, rows: Array, begins: Array, size: int, dtype: str) -> Array:
        """As `words`, from a place in each string that `begins` gives, with zeros for what is beyond its end."""
        places = (self.starts[rows] + begins)[:, None] + np.arange(size)
        there = begins[:, None] + np.arange(size) < self.lengths[rows][:, None]
        # a string may end where the buffer does: no place lies beyond the padding
        raw = np.where(there, self.data[np.minimum(places, len(self.data) - 1)], 0).astype(np.uint8)
        words: Array = np.ascontiguousarray(raw).view(dtype)[:, 0]
        return words


def murmur3_32(strings: ByteStrings, seed: int = 0) -> NDArray[np.int32]:
    """The 32-bit hash of each, as Java's ``int`` (Guava: ``Hashing.murmur3_32().hashBytes``)."""
    order, blocks = _longest_first(strings, 4)
    h = np.full(len(order), seed, dtype=np.uint32)
    with np.errstate(over="ignore"):
        for block, active in _active(blocks):
            k = _mix32(strings.words(order[:active], 4 * block, "<u4"))
            mixed = h[:active] ^ k
            h[:active] = _rotate32(mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
        h ^= _mix32(strings.tails(order, 4 * blocks, 4, "<u4"))
        h ^= strings.lengths[order].astype(np.uint32)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
        h ^= h >> np.uint32(16)
    out = np.empty(len(order), dtype=np.int32)
    out[order] = h.view(np.int32)
    return out


def _mix32(k: Array) -> Array:
    mixed: Array = _rotate32(k * _C1, 15) * _C2
    return mixed


def _rotate32(value: Array, bits: int) -> Array:
    rotated: Array = (value << np.uint32(bits)) | (value >> np.uint32(32 - bits))
    return rotated


def murmur3_128(strings: ByteStrings, seed: int = 0) -> tuple[Array, Array]:
    """The two halves of the x64 128-bit hash of each, as uint64."""
    order, blocks = _longest_first(strings, 16)
    h1 = np.full(len(order), seed, dtype=np.uint64)
    h2 = h1.copy()
    with np.errstate(over="ignore"):
        for block, active in _active(blocks):
            rows = order[:active]
            a, b = h1[:active], h2[:active]
            a = a ^ _mix_low(strings.words(rows, 16 * block, "<u8"))
            a = (_rotate64(a, 27) + b) * np.uint64(5) + np.uint64(0x52DCE729)
            b = b ^ _mix_high(strings.words(rows, 16 * block + 8, "<u8"))
            b = (_rotate64(b, 31) + a) * np.uint64(5) + np.uint64(0x38495AB5)
            h1[:active], h2[:active] = a, b
        h2 ^= _mix_high(strings.tails(order, 16 * blocks + 8, 8, "<u8"))
        h1 ^= _mix_low(strings.tails(order, 16 * blocks, 8, "<u8"))
        length = strings.lengths[order].astype(np.uint64)
        h1, h2 = h1 ^ length, h2 ^ length
        h1 = h1 + h2
        h2 = h2 + h1
        h1, h2 = _final64(h1), _final64(h2)
        h1 = h1 + h2
        h2 = h2 + h1
    out1, out2 = np.empty_like(h1), np.empty_like(h2)
    out1[order], out2[order] = h1, h2
    return out1, out2


def _mix_low(k: Array) -> Array:
    mixed: Array = _rotate64(k * _D1, 31) * _D2
    return mixed


def _mix_high(k: Array) -> Array:
    mixed: Array = _rotate64(k * _D2, 33) * _D1
    return mixed


def _rotate64(value: Array, bits: int) -> Array:
    rotated: Array = (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))
    return rotated


def _final64(value: Array) -> Array:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> np.uint64(33))) * np.uint64(factor)
    mixed: Array = value ^ (value >> np.uint64(33))
    return mixed


def _longest_first(strings: ByteStrings, size: int) -> tuple[Array, Array]:
    """The strings by falling number of whole blocks, and those numbers."""
    order = np.argsort(-strings.lengths, kind="stable")
    return order, strings.lengths[order] // size


def _active(blocks: Array) -> list[tuple[int, int]]:
    """For each block the number of strings that have it; they are the first ones."""
    most = int(blocks[0]) if len(blocks) else 0
    counts = len(blocks) - np.searchsorted(blocks[::-1], np.arange(most), side="right")
    return list(enumerate(counts.tolist()))
