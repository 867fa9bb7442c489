"""Columns of byte strings of any length: documents, and complex values that are compressed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from attrs import define, field, frozen

from nemeton.segment.blocks import allocate
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.compression import Codec, decompress
from nemeton.segment.errors import corrupt
from nemeton.segment.smoosh import SmooshReader

_BLOCK = 65536


@frozen(eq=False)
class BlockFile:
    """A run of bytes in compressed blocks, all of 64 KiB but the last. A read costs the blocks that it touches."""

    part: str
    codec: Codec
    ends: np.ndarray
    data: memoryview

    @classmethod
    def read_from(cls, reader: ByteReader, order: str) -> BlockFile:
        """Read the header."""
        version, codec, size = reader.u8(), Codec.of_byte(reader.u8(), reader.part), reader.i32()
        if version != 1 or size != _BLOCK:
            raise corrupt(reader.part, f"version {version} of a block file with blocks of {size}")
        count = reader.size("number of blocks")
        ends = np.frombuffer(reader.take(4 * count), f"{order}i4").astype(np.int64)
        data = reader.rest()
        if (np.diff(ends, prepend=0) < 0).any() or (count and ends[-1] > len(data)):
            raise corrupt(reader.part, "offsets of blocks do not ascend or lie outside of it")
        return cls(reader.part, codec, ends, data)

    def check_size(self, total: int) -> None:
        """Raise `corrupt` unless the blocks can hold so many raw bytes."""
        if len(self.ends) != -(-total // _BLOCK) and (total or len(self.ends) > 1):  # of nothing there may be one
            raise corrupt(self.part, f"{len(self.ends)} blocks for {total} bytes")

    def read(self, start: int, stop: int, total: int) -> np.ndarray:
        """Decode the bytes from start to stop, of ``total`` in all."""
        first, last = start // _BLOCK, -(-stop // _BLOCK)
        out = allocate(min(last * _BLOCK, total) - first * _BLOCK, self.part) if stop > start else np.zeros(0, np.uint8)
        for block in range(first, last) if stop > start else ():
            size = min(_BLOCK, total - block * _BLOCK)
            begin = int(self.ends[block - 1]) if block else 0
            raw = decompress(self.codec, self.data[begin : int(self.ends[block])], size, self.part)
            at = (block - first) * _BLOCK
            out[at : at + size] = np.frombuffer(raw, np.uint8)
        return out[start - first * _BLOCK : stop - first * _BLOCK]


@define(eq=False)
class BlobColumn:
    """One byte string per row. Thread-safe; opening it reads headers alone."""

    part: str
    num_rows: int
    order: str
    offsets: BlockFile
    data: BlockFile
    _num_bytes: int | None = field(default=None, init=False)

    @classmethod
    def read_from(cls, smoosh: SmooshReader, name: str, order: str) -> BlobColumn:
        """Read the headers of the column's three files: how many rows, the ends of the rows, the bytes."""
        head = ByteReader(smoosh.file(name), name)
        version, rows = head.u8(), head.size("number of rows")
        if version != 1:
            raise corrupt(name, f"unknown version {version} of a column of blobs")
        offsets = BlockFile.read_from(ByteReader(smoosh.file(f"{name}_offsets"), f"{name}_offsets"), order)
        offsets.check_size(8 * rows)
        data = BlockFile.read_from(ByteReader(smoosh.file(f"{name}_compressed"), f"{name}_compressed"), order)
        return cls(name, rows, order, offsets, data)

    def __len__(self) -> int:
        return self.num_rows

    @property
    def num_bytes(self) -> int:
        """How many bytes all rows have."""
        if self._num_bytes is None:
            found = int(self._ends(self.num_rows - 1, self.num_rows)[0]) if self.num_rows else 0
            if found < 0:
                raise corrupt(self.part, f"{found} bytes")
            self.data.check_size(found)
            self._num_bytes = found
        return self._num_bytes

    def _ends(self, start: int, stop: int) -> np.ndarray:
        raw = self.offsets.read(8 * start, 8 * stop, 8 * self.num_rows)
        return np.ascontiguousarray(raw).view(f"{self.order}i8").astype(np.int64)

    def read(self, start: int, stop: int) -> list[bytes]:
        """The byte strings of a row range."""
        if start == stop:
            return []
        ends = self._ends(max(start - 1, 0), stop)
        bounds = ends if start else np.concatenate([np.zeros(1, np.int64), ends])
        if bounds[0] < 0 or (np.diff(bounds) < 0).any() or bounds[-1] > self.num_bytes:
            raise corrupt(self.part, "ends of rows do not ascend")
        begin = int(bounds[0])
        raw = self.data.read(begin, int(bounds[-1]), self.num_bytes).tobytes()
        return [raw[first:last] for first, last in pairwise((bounds - begin).tolist())]
