"""Zstandard's frames, one after another."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

MAGIC = b"\x28\xb5\x2f\xfd"
_READ = 1 << 14
"""Little at a time, as little may become much."""


class ZstdReader(io.RawIOBase):
    """The bytes of all frames. A last frame that is cut raises EOFError; the library's own reader takes it for the end.

    Raises ``zstandard.ZstdError`` for other damage.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._frame: Any = None
        self._packed = b""
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes, none at the end."""
        while not self._piece:
            packed = self._packed or self._source.read(_READ)
            self._packed = b""
            if not packed:
                if self._frame is not None:
                    raise EOFError("a Zstandard frame is cut")
                return 0
            self._piece = memoryview(self._unpack(packed))
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _unpack(self, packed: bytes) -> bytes:
        import zstandard

        if self._frame is None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        data: bytes = self._frame.decompress(packed)
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None
        return data

    def close(self) -> None:
        """Close what it reads from, too."""
        self._source.close()
        super().close()
