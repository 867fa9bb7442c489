"""Runs of fixed-width values in compressed blocks: what numbers and dictionary codes are stored in."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from nemeton.segment.compression import MAX_BLOCK_BYTES, Codec, decompress
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed

#: Raw bytes that a stored byte can stand for: what a file claims beyond it is allocated for nobody. A zstd frame of one
#: block of equal bytes takes 11 bytes at least.
_MOST_RAW = {Codec.LZ4: 255, Codec.LZF: 90, Codec.ZSTD: MAX_BLOCK_BYTES // 8, Codec.UNCOMPRESSED: 1}
_ELEMENT_HEADER = 8


@frozen
class Blocks:
    """Blocks of `per_block` values each, all full but the last; a row range costs only the blocks that hold it."""

    part: str
    codec: Codec
    blocks: GenericIndexed
    total: int
    per_block: int

    def check(self, full_block_bytes: int) -> None:
        """Raise `corrupt` unless the number and size of blocks can hold `total` values."""
        if self.total < 0 or (self.total and self.per_block <= 0):
            raise corrupt(self.part, f"{self.total} values in blocks of {self.per_block}")
        wanted = -(-self.total // self.per_block) if self.total else 0
        if len(self.blocks) != wanted:
            raise corrupt(self.part, f"{len(self.blocks)} blocks for {self.total} values, expected {wanted}")
        if wanted and full_block_bytes > MAX_BLOCK_BYTES:
            raise corrupt(self.part, f"blocks of {full_block_bytes} bytes; at most {MAX_BLOCK_BYTES} are possible")
        if wanted > 1 and len(self.blocks[0]) * _MOST_RAW.get(self.codec, 0) < full_block_bytes:
            raise corrupt(self.part, "the first block is too short for what it should hold")
        stored = self.blocks.num_bytes - _ELEMENT_HEADER * wanted
        if wanted > 1 and stored * _MOST_RAW.get(self.codec, 0) < (wanted - 1) * full_block_bytes:
            raise corrupt(self.part, f"{stored} bytes of blocks are too few for {self.total} values")

    def values_in(self, block: int) -> int:
        """Return how many values a block holds."""
        return min(self.per_block, self.total - block * self.per_block)

    def raw(self, block: int, raw_size: int) -> bytes | memoryview:
        """Decompress one block."""
        return decompress(self.codec, self.blocks[block], raw_size, self.part)

    def decode(self, start: int, stop: int, width: int) -> tuple[np.ndarray, int]:
        """Decode the blocks that hold values `start` to `stop`.

        Returns the raw bytes as uint8 and the number of the first value in them.
        """
        first, last = start // self.per_block, -(-stop // self.per_block)
        out = allocate((min(last * self.per_block, self.total) - first * self.per_block) * width, self.part)
        position = 0
        for block in range(first, last):
            size = self.values_in(block) * width
            out[position : position + size] = np.frombuffer(self.raw(block, size), np.uint8)
            position += size
        return out, first * self.per_block


def allocate(size: int, part: str) -> np.ndarray:
    """Allocate `size` bytes, which the file claims to need; a claim beyond memory is a `corrupt` error."""
    try:
        return np.empty(size, np.uint8)
    except (MemoryError, ValueError) as e:
        raise corrupt(part, f"{size} bytes are claimed") from e
