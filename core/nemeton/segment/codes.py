"""Integer columns: dictionary codes of single-value strings, and offsets with codes of multi-value ones."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from attrs import frozen

from nemeton.segment.blocks import Blocks
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.compression import Codec
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.smoosh import SmooshReader

_UNCOMPRESSED, _UNCOMPRESSED_MULTI, _COMPRESSED, _COMPRESSED_MULTI = 0, 1, 2, 3


class Ints(Protocol):
    """A readable run of unsigned integers."""

    @property
    def total(self) -> int:
        """How many there are."""

    @property
    def item_bytes(self) -> int:
        """Bytes per value once decoded."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into a new array of unsigned integers in native order."""


def widen(raw: np.ndarray, width: int, order: str) -> np.ndarray:
    """Turn raw bytes of `width`-byte integers into native uint8, uint16 or uint32 (three bytes become four)."""
    if width == 3:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        if order == "<":
            wide[:, :3] = raw.reshape(-1, 3)
        else:
            wide[:, 1:] = raw.reshape(-1, 3)
        raw, width = wide.reshape(-1), 4
    return raw.view(f"{order}u{width}").astype(f"=u{width}", copy=False)


def _check_width(width: int, part: str) -> int:
    if not 1 <= width <= 4:
        raise corrupt(part, f"integers of {width} bytes")
    return width


@frozen
class CompressedInts:
    """Integers of one to four bytes in compressed blocks."""

    blocks: Blocks
    width: int
    order: str

    @property
    def total(self) -> int:
        """How many integers there are."""
        return self.blocks.total

    @property
    def item_bytes(self) -> int:
        """Bytes per value once decoded."""
        return 4 if self.width == 3 else self.width

    @classmethod
    def read_from(cls, reader: ByteReader, smoosh: SmooshReader, order: str, has_width: bool = True) -> CompressedInts:
        """Read the structure; without a width of its own it holds four-byte integers."""
        version = reader.u8()
        if version != _COMPRESSED:
            raise corrupt(reader.part, f"unknown version {version} of compressed integers")
        width = _check_width(reader.u8(), reader.part) if has_width else 4
        total, per_block = reader.size("number of values"), reader.i32()
        if per_block <= 0 or per_block & (per_block - 1):
            raise corrupt(reader.part, f"blocks of {per_block} values, which is no power of two")
        codec = Codec.of_byte(reader.u8(), reader.part)
        blocks = Blocks(reader.part, codec, GenericIndexed.read(reader, smoosh), total, per_block)
        blocks.check(per_block * width)
        return cls(blocks, width, order)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into a new array."""
        raw, first = self.blocks.decode(start, stop, self.width)
        return widen(raw, self.width, self.order)[start - first : stop - first]


@frozen
class PlainInts:
    """Uncompressed integers, big-endian whatever the column's byte order."""

    data: memoryview
    width: int
    total: int

    @property
    def item_bytes(self) -> int:
        """Bytes per value once decoded."""
        return 4 if self.width == 3 else self.width

    @classmethod
    def read_from(cls, reader: ByteReader) -> PlainInts:
        """Read the structure after its version byte."""
        width = _check_width(reader.u8(), reader.part)
        data = reader.take(reader.size("size of integers"))
        usable = len(data) - (4 - width)
        if usable < 0 or usable % width:
            raise corrupt(reader.part, f"{len(data)} bytes for integers of {width} bytes")
        return cls(data, width, usable // width)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode a range into a new array."""
        raw = np.frombuffer(self.data[start * self.width : stop * self.width], np.uint8)
        return widen(raw, self.width, ">")


@frozen
class MultiInts:
    """Rows of zero or more codes: `offsets` has one entry more than there are rows."""

    part: str
    offsets: Ints
    values: Ints

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.offsets.total - 1

    def read_offsets(self) -> np.ndarray:
        """Decode all offsets, checked to ascend from 0 to the number of values, as int32."""
        offsets = self.offsets.read(0, self.offsets.total).astype(np.int32)
        if offsets[0] != 0 or offsets[-1] != self.values.total or (np.diff(offsets) < 0).any():
            raise corrupt(self.part, "offsets of multi-value rows do not ascend to the number of values")
        return offsets


@frozen
class _PlainOffsets:
    """Byte end offsets of uncompressed rows, presented as value offsets with the leading 0."""

    ends: np.ndarray
    width: int

    @property
    def total(self) -> int:
        return len(self.ends) + 1

    @property
    def item_bytes(self) -> int:
        return 4

    def read(self, start: int, stop: int) -> np.ndarray:
        whole = np.zeros(len(self.ends) + 1, np.uint32)
        whole[1:] = self.ends // self.width
        return whole[start:stop]


def read_single(reader: ByteReader, smoosh: SmooshReader, order: str) -> Ints:
    """Read the codes of a single-value column, in whichever form they are."""
    if reader.remaining and reader.data[reader.pos] == _UNCOMPRESSED:
        reader.u8()
        return PlainInts.read_from(reader)
    return CompressedInts.read_from(reader, smoosh, order)


def read_multi(reader: ByteReader, smoosh: SmooshReader, order: str) -> MultiInts:
    """Read the codes of a multi-value column, in whichever form they are."""
    version = reader.u8()
    if version == _COMPRESSED_MULTI:
        offsets = CompressedInts.read_from(reader, smoosh, order, has_width=False)
        values = CompressedInts.read_from(reader, smoosh, order)
        if not offsets.total:
            raise corrupt(reader.part, "no offsets")
        return MultiInts(reader.part, offsets, values)
    if version != _UNCOMPRESSED_MULTI:
        raise corrupt(reader.part, f"unknown version {version} of multi-value codes")
    width = _check_width(reader.u8(), reader.part)
    body = ByteReader(reader.take(reader.size("size of rows")), reader.part)
    ends = np.frombuffer(body.take(4 * body.size("number of rows")), ">i4").astype(np.int64)
    data = body.rest()
    total = (len(data) - (4 - width)) // width
    if len(ends) and (ends[-1] != total * width or (ends % width).any()):
        raise corrupt(reader.part, "row ends do not fit the values")
    return MultiInts(reader.part, _PlainOffsets(ends, width), PlainInts(data, width, max(total, 0)))
