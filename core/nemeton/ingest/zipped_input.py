"""The first file of a zip archive, read as a stream."""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

from nemeton.ingest.unpacking import UnpackingReader

MAGIC = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
_DESCRIPTOR = b"PK\x07\x08"
_HEADER = struct.Struct("<4s5H3I2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _STREAMED = 0x1, 0x8
_READ = 1 << 16
_PIECE = 1 << 20
_ZIP64 = 0xFFFFFFFF


class ZippedReader(UnpackingReader):
    """The bytes of the first entry, checked against its CRC-32; an archive without entries is empty, as with Druid.

    Raises ValueError for damage and for what cannot be read: encrypted entries, other methods than Deflate.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__(source)
        self._crc = 0
        self._is_done = False
        self._inflater: Any = None
        self._left = 0
        self._read_header()

    def _next_piece(self) -> bytes | None:
        if self._is_done:
            return None
        data = self._stored() if self._inflater is None else self._inflated()
        self._crc = zlib.crc32(data, self._crc)
        if not data:
            self._finish()
        return data

    def _read_header(self) -> None:
        header = self._source.read(_HEADER.size)
        if header[:4] == EMPTY:
            self._is_done = True
            return
        if len(header) < _HEADER.size:
            raise EOFError("the zip archive ends within its first header")
        _, _, self._flags, method, _, _, self._expected, size, _, name, extra = _HEADER.unpack(header)
        self._source.read(name + extra)
        if self._flags & _ENCRYPTED:
            raise ValueError("the first file of the zip archive is encrypted")
        if method == _DEFLATED:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        elif method != _STORED or self._flags & _STREAMED or size == _ZIP64:
            raise ValueError(f"the first file of the zip archive is stored in a way (method {method}) that is not read")
        self._left = size

    def _stored(self) -> bytes:
        data = self._source.read(min(_PIECE, self._left))
        if self._left and not data:
            raise EOFError("the zip archive ends within its first file")
        self._left -= len(data)
        return data

    def _inflated(self) -> bytes:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._source.read(_READ)
            data: bytes = self._inflater.decompress(packed, _PIECE)
            if data:
                return data
            if not packed:
                raise EOFError("the zip archive ends within its first file")
        return b""

    def _finish(self) -> None:
        """Compare the checksum, which may stand behind the data."""
        self._is_done = True
        if self._flags & _STREAMED and self._inflater is not None:
            behind = self._inflater.unused_data + self._source.read(16)
            behind = behind.removeprefix(_DESCRIPTOR)
            self._expected = int.from_bytes(behind[:4], "little")
        if self._crc != self._expected:
            raise ValueError("the first file of the zip archive does not fit its checksum")
