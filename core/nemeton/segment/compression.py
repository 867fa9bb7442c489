"""Block codecs of V9 segments."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import IntEnum

import lz4.block
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.segment.errors import corrupt

MAX_BLOCK_BYTES = 65536
"""No block holds more raw bytes: Druid's readers decompress into pooled buffers of this size."""

_ZSTD = threading.local()
_ZSTD_LEVEL = 3


class Codec(IntEnum):
    """Compression of column blocks; the value is the byte in the file.

    `NONE` means that there are no blocks at all, `UNCOMPRESSED` that blocks are stored as they are.
    """

    LZF = 0x00
    LZ4 = 0x01
    ZSTD = 0x02
    UNCOMPRESSED = 0xFF
    NONE = 0xFE

    @classmethod
    def of_byte(cls, value: int, part: str) -> Codec:
        """Return the codec for the byte in a file."""
        try:
            return cls(value)
        except ValueError as e:
            raise corrupt(part, f"unknown compression 0x{value:02x}") from e

    @classmethod
    def of_name(cls, name: str, field: str) -> Codec:
        """Return the codec for Druid's name of it (`lz4`, `zstd`, …) in an indexSpec."""
        try:
            return cls[name.upper()]
        except (KeyError, AttributeError) as e:
            known = ", ".join(sorted(c.name.lower() for c in cls))
            raise invalid_input(f"Unknown compression [{name}] in [{field}]; known are: {known}", field=field) from e


def _unlz4(block: memoryview, raw_size: int) -> bytes:
    return lz4.block.decompress(block, uncompressed_size=raw_size)  # type: ignore[no-any-return]


def _unzstd(block: memoryview, raw_size: int) -> bytes:
    import zstandard

    if zstandard.frame_content_size(block) > raw_size:  # the frame's own claim would be allocated before it is proven
        raise ValueError("frame says that it is larger than a block")
    decompressor = getattr(_ZSTD, "decompressor", None)
    if decompressor is None:
        decompressor = _ZSTD.decompressor = zstandard.ZstdDecompressor()
    return decompressor.decompress(block, max_output_size=raw_size)


def _unlzf(block: memoryview, raw_size: int) -> bytes:
    from nemeton.segment.lzf import lzf_decompress

    return lzf_decompress(block, raw_size)


_DECOMPRESS: dict[Codec, Callable[[memoryview, int], bytes | memoryview]] = {
    Codec.LZ4: _unlz4,
    Codec.ZSTD: _unzstd,
    Codec.LZF: _unlzf,
    Codec.UNCOMPRESSED: lambda block, _: block,
}


def decompress(codec: Codec, block: memoryview, raw_size: int, part: str) -> bytes | memoryview:
    """Return the `raw_size` raw bytes of a block; a block that yields anything else is corrupt."""
    try:
        raw = _DECOMPRESS[codec](block, raw_size)
    except Exception as e:
        raise corrupt(part, f"a block of {len(block)} bytes does not decompress with {codec.name.lower()}: {e}") from e
    if len(raw) != raw_size:
        raise corrupt(part, f"a block decompresses to {len(raw)} bytes instead of {raw_size}")
    return raw


@frozen
class Compressor:
    """How blocks are written: the codec, and for LZ4 how hard it tries.

    `lz4_level` 0 is LZ4's fast mode. Druid uses the high-compression mode at level 9, which reads the same: on the
    flights of the conformance corpus fast-mode segments are 1.37 times as large, at level 3 1.07 times, at level 6 1.02
    times, while compressing takes five to ten times as long (some 100 MB/s at level 3, 50 MB/s at level 9).
    """

    codec: Codec
    lz4_level: int = 0

    def compress(self, raw: memoryview) -> bytes:
        """Compress one block of at most `MAX_BLOCK_BYTES`."""
        if self.codec is Codec.LZ4:
            mode = "high_compression" if self.lz4_level else "default"
            return lz4.block.compress(raw, mode=mode, compression=self.lz4_level, store_size=False)  # type: ignore[no-any-return]
        if self.codec is Codec.ZSTD:
            import zstandard

            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(raw)
        if self.codec is Codec.UNCOMPRESSED:
            return bytes(raw)
        if self.codec is Codec.LZF:
            from nemeton.segment.lzf import lzf_compress

            return lzf_compress(raw)
        raise invalid_input(f"Compression [{self.codec.name.lower()}] has no blocks")
