"""Zstandard's frames, one after another."""

from __future__ import annotations

from typing import Any, BinaryIO

from nemeton.ingest.unpacking import UnpackingReader

MAGIC = b"\x28\xb5\x2f\xfd"
_READ = 1 << 14
"""Little at a time, as little may become much."""


class ZstdReader(UnpackingReader):
    """The bytes of all frames. A last frame that is cut raises EOFError; the library's own reader takes it for the end.

    Raises ``zstandard.ZstdError`` for other damage.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__(source)
        self._frame: Any = None
        self._packed = b""

    def _next_piece(self) -> bytes | None:
        packed = self._packed or self._source.read(_READ)
        self._packed = b""
        if packed:
            return self._unpack(packed)
        if self._frame is not None:
            raise EOFError("a Zstandard frame is cut")
        return None

    def _unpack(self, packed: bytes) -> bytes:
        import zstandard

        if self._frame is None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        data: bytes = self._frame.decompress(packed)
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None
        return data
