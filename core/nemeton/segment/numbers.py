"""Number columns as stored: longs with their encodings, doubles, floats."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from attrs import frozen

from nemeton.segment.blocks import Blocks, allocate
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.compression import Codec
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.smoosh import SmooshReader

_VERSION_LZF, _VERSION = 1, 2
_FLAGGED_BELOW = -2
_FLAG_SHIFT = 126
_DELTA, _TABLE, _LONGS = 0x00, 0x01, 0xFF
_PADDING = 4  # bit-packed blocks end with four zero bytes
BIT_WIDTHS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64)


class Numbers(Protocol):
    """A readable run of numbers."""

    @property
    def total(self) -> int:
        """How many there are."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded values."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into an array in native order."""


@frozen
class PlainNumbers:
    """Fixed-width numbers in blocks."""

    blocks: Blocks
    stored: np.dtype

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return self.blocks.total

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded values."""
        return self.stored.newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into a new array."""
        raw, first = self.blocks.decode(start, stop, self.stored.itemsize)
        return raw.view(self.stored)[start - first : stop - first].astype(self.dtype, copy=False)


@frozen
class EntireNumbers:
    """Fixed-width numbers without any compression; a read is a view of the mapped file where byte order allows."""

    data: np.ndarray

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return len(self.data)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded values."""
        return self.data.dtype.newbyteorder("=")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return a range, copied only to change byte order."""
        return self.data[start:stop].astype(self.dtype, copy=False)


@frozen
class PackedLongs:
    """Longs as bit-packed differences from a base, or as bit-packed indexes into a table."""

    part: str
    blocks: Blocks | None
    entire: memoryview | None
    total: int
    bits: int
    base: int
    table: np.ndarray | None

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded values."""
        return np.dtype(np.int64)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into a new array."""
        if self.blocks is None:
            assert self.entire is not None
            return self._decode(self.entire, self.total)[start:stop]
        per = self.blocks.per_block
        first, last = start // per, -(-stop // per)
        held = min(last * per, self.total) - first * per
        out = allocate(held * 8, self.part).view(np.int64)
        for block in range(first, last):
            count = self.blocks.values_in(block)
            raw = self.blocks.raw(block, packed_size(count, self.bits))
            position = (block - first) * per
            out[position : position + count] = self._decode(memoryview(raw), count)
        return out[start - first * per : stop - first * per]

    def _decode(self, raw: memoryview, count: int) -> np.ndarray:
        packed = unpack(raw, count, self.bits)
        if self.table is None:
            return (packed + np.uint64(self.base & (2**64 - 1))).view(np.int64)
        if count and int(packed.max()) >= len(self.table):
            raise corrupt(self.part, f"index {int(packed.max())} into a table of {len(self.table)}")
        return self.table[packed.astype(np.intp)]


def packed_size(count: int, bits: int) -> int:
    """Return the bytes that `count` bit-packed values take, padding included."""
    return -(-count * bits // 8) + _PADDING


def unpack(raw: memoryview, count: int, bits: int) -> np.ndarray:
    """Unpack big-endian bit-packed values to uint64, vectorised."""
    data = np.frombuffer(raw, np.uint8)[: -(-count * bits // 8)]
    if bits in (8, 16, 32, 64):
        return data.view(f">u{bits // 8}").astype(np.uint64)
    if bits < 8:
        per_byte = 8 // bits
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        spread = (data[:, None] >> shifts) & np.uint8((1 << bits) - 1)
        return spread.reshape(len(data) * per_byte)[:count].astype(np.uint64)
    if bits % 8 == 0:
        return _from_bytes(data.reshape(-1, bits // 8))
    padded = np.zeros(
        -(-len(data) // (bits // 4)) * (bits // 4), np.uint8
    )  # 12 and 20 bits: two values in bits/4 bytes
    padded[: len(data)] = data
    pairs = _from_bytes(padded.reshape(-1, bits // 4))
    both = np.stack([pairs >> np.uint64(bits), pairs & np.uint64((1 << bits) - 1)], axis=1)
    return both.reshape(-1)[:count]


def _from_bytes(rows: np.ndarray) -> np.ndarray:
    wide = np.zeros((len(rows), 8), np.uint8)
    wide[:, 8 - rows.shape[1] :] = rows
    return wide.reshape(-1).view(">u8").astype(np.uint64)


def read_numbers(reader: ByteReader, smoosh: SmooshReader, kind: str, order: str) -> Numbers:
    """Read a number structure; `kind` is numpy's (`i8`, `f8`, `f4`), `order` the payload's (`<` or `>`)."""
    version = reader.u8()
    if version not in (_VERSION_LZF, _VERSION):
        raise corrupt(reader.part, f"unknown version {version} of numbers")
    total, per_block = reader.size("number of values"), reader.size("values per block")
    stored = np.dtype(f"{order}{kind}")
    if version == _VERSION_LZF:
        return _plain(reader, smoosh, Codec.LZF, total, per_block, stored)
    codec_byte = reader.u8()
    encoding = _LONGS
    if kind == "i8" and codec_byte >= 0x80 and codec_byte - 256 < _FLAGGED_BELOW:
        encoding = reader.u8()
        codec_byte = (codec_byte + _FLAG_SHIFT) & 0xFF
    codec = Codec.of_byte(codec_byte, reader.part)
    if encoding == _LONGS:
        return _plain(reader, smoosh, codec, total, per_block, stored)
    return _packed(reader, smoosh, codec, total, per_block, encoding)


def _plain(
    reader: ByteReader, smoosh: SmooshReader, codec: Codec, total: int, per_block: int, stored: np.dtype
) -> Numbers:
    if codec is Codec.NONE:
        return EntireNumbers(np.frombuffer(reader.take(total * stored.itemsize), stored))
    blocks = Blocks(reader.part, codec, GenericIndexed.read(reader, smoosh), total, per_block)
    blocks.check(per_block * stored.itemsize)
    return PlainNumbers(blocks, stored)


def _packed(
    reader: ByteReader, smoosh: SmooshReader, codec: Codec, total: int, per_block: int, encoding: int
) -> Numbers:
    encoding_version = reader.u8()
    if encoding not in (_DELTA, _TABLE) or encoding_version != 1:
        raise corrupt(reader.part, f"unknown encoding 0x{encoding:02x} version {encoding_version} of longs")
    base, table = 0, None
    if encoding == _DELTA:
        base, bits = reader.i64(), reader.i32()
    else:
        entries = reader.size("size of table")
        if entries > 256:
            raise corrupt(reader.part, f"a table of {entries} values; at most 256 are possible")
        table = np.frombuffer(reader.take(8 * entries), ">i8").astype(np.int64)
        bits = next(b for b in BIT_WIDTHS if entries <= 1 << b)
    if bits not in BIT_WIDTHS:
        raise corrupt(reader.part, f"values of {bits} bits")
    if codec is Codec.NONE:
        return PackedLongs(reader.part, None, reader.take(packed_size(total, bits)), total, bits, base, table)
    blocks = Blocks(reader.part, codec, GenericIndexed.read(reader, smoosh), total, per_block)
    blocks.check(packed_size(per_block, bits))
    return PackedLongs(reader.part, blocks, None, total, bits, base, table)
