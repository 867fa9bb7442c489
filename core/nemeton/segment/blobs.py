"""Columns of byte strings of any length: documents, and complex values that are compressed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from attrs import frozen

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
        if max(1, -(-total // _BLOCK)) != max(1, len(self.ends)):
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


@frozen(eq=False)
class BlobColumn:
    """One byte string per row."""

    part: str
    ends: np.ndarray
    data: BlockFile

    @classmethod
    def read_from(cls, smoosh: SmooshReader, name: str, order: str) -> BlobColumn:
        """Read the three files of the column: its header, the ends of the rows, the bytes."""
        head = ByteReader(smoosh.file(name), name)
        version, rows = head.u8(), head.size("number of rows")
        if version != 1:
            raise corrupt(name, f"unknown version {version} of a column of blobs")
        offsets = BlockFile.read_from(ByteReader(smoosh.file(f"{name}_offsets"), f"{name}_offsets"), order)
        offsets.check_size(8 * rows)
        ends = offsets.read(0, 8 * rows, 8 * rows).view(f"{order}i8").astype(np.int64)
        if (np.diff(ends, prepend=0) < 0).any():
            raise corrupt(name, "ends of rows do not ascend")
        data = BlockFile.read_from(ByteReader(smoosh.file(f"{name}_compressed"), f"{name}_compressed"), order)
        data.check_size(int(ends[-1]) if rows else 0)
        return cls(name, ends, data)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def num_bytes(self) -> int:
        """How many bytes all rows have."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def read(self, start: int, stop: int) -> list[bytes]:
        """The byte strings of a row range."""
        if start == stop:
            return []
        begin = int(self.ends[start - 1]) if start else 0
        raw = self.data.read(begin, int(self.ends[stop - 1]), self.num_bytes).tobytes()
        bounds = [0, *(self.ends[start:stop] - begin).tolist()]
        return [raw[first:last] for first, last in pairwise(bounds)]
