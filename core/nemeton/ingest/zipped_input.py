"""The first file of a zip archive, read as a stream."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

MAGIC = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
_DESCRIPTOR = b"PK\x07\x08"
_HEADER = struct.Struct("<4s5H3I2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _STREAMED = 0x1, 0x8
_READ = 1 << 16
_ZIP64 = 0xFFFFFFFF


class ZippedReader(io.RawIOBase):
    """The bytes of the first entry, checked against its CRC-32; an archive without entries is empty, as with Druid.

    Raises ValueError for damage and for what cannot be read: encrypted entries, other methods than Deflate.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._crc = 0
        self._rest = b""
        self._is_done = False
        self._inflater: Any = None
        self._left = 0
        self._read_header()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes, none at the end of the entry."""
        if self._is_done:
            return 0
        data = self._stored(len(buffer)) if self._inflater is None else self._inflated(len(buffer))
        self._crc = zlib.crc32(data, self._crc)
        if not data:
            self._finish()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close what it reads from, too."""
        self._source.close()
        super().close()

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

    def _stored(self, count: int) -> bytes:
        data = self._source.read(min(count, self._left))
        if self._left and not data:
            raise EOFError("the zip archive ends within its first file")
        self._left -= len(data)
        return data

    def _inflated(self, count: int) -> bytes:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._source.read(_READ)
            data: bytes = self._inflater.decompress(packed, count)
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
