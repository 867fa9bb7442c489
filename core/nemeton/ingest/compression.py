"""Unpacking of compressed input, recognised by its first bytes; whatever is not recognised is read as it is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import BinaryIO, cast

from nemeton.common.errors import DruidException, runtime_failure
from nemeton.ingest import snappy, zipped_input, zstd_input
from nemeton.spi.ingest import InputEntity

_MAGIC_BYTES = 10
_READ_SIZE = 1 << 20


class CountingReader(io.RawIOBase):
    """The unpacked bytes of an entity; counts them, and turns damage into an error that names the entity."""

    def __init__(self, stream: BinaryIO, uri: str) -> None:
        self._stream = stream
        self._uri = uri
        self.bytes_read = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the stream."""
        try:
            data = self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError, ValueError) as e:
            raise _damaged(self._uri, e) from e
        except Exception as e:
            if type(e).__module__.startswith(("zstandard", "backports")):
                raise _damaged(self._uri, e) from e
            raise
        self.bytes_read += len(data)
        return data

    def close(self) -> None:
        """Close the entity's stream."""
        if not self.closed:
            self._stream.close()
        super().close()


def open_unpacked(entity: InputEntity) -> CountingReader:
    """Open an entity; gzip, bzip2, xz, Zstandard, framed Snappy and zip (its first file) are unpacked."""
    stream = entity.open()
    try:
        peekable = (
            stream
            if isinstance(stream, io.BufferedReader)
            else io.BufferedReader(cast(io.RawIOBase, stream), _READ_SIZE)
        )
        magic = peekable.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
        return CountingReader(_unpack(peekable, magic), entity.uri)
    except (EOFError, OSError, ValueError) as e:
        stream.close()
        raise _damaged(entity.uri, e) from e


def _unpack(stream: io.BufferedReader, magic: bytes) -> BinaryIO:
    if magic.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, _Owning(cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")), stream))
    if magic.startswith(b"BZh"):
        return cast(BinaryIO, _Owning(cast(BinaryIO, bz2.BZ2File(stream, "rb")), stream))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, _Owning(cast(BinaryIO, lzma.LZMAFile(stream, "rb")), stream))
    if magic.startswith(zstd_input.MAGIC):
        return cast(BinaryIO, io.BufferedReader(zstd_input.ZstdReader(stream), _READ_SIZE))
    if magic.startswith(snappy.MAGIC):
        return cast(BinaryIO, io.BufferedReader(snappy.SnappyReader(stream), _READ_SIZE))
    if magic.startswith((zipped_input.MAGIC, zipped_input.EMPTY)):
        return cast(BinaryIO, io.BufferedReader(zipped_input.ZippedReader(stream), _READ_SIZE))
    return stream


class _Owning:
    """An unpacker that closes what it reads from (those of the standard library leave it open)."""

    def __init__(self, unpacker: BinaryIO, source: BinaryIO) -> None:
        self._unpacker = unpacker
        self._source = source

    def read(self, size: int = -1) -> bytes:
        return self._unpacker.read(size)

    def close(self) -> None:
        self._unpacker.close()
        self._source.close()


def _damaged(uri: str, cause: Exception) -> DruidException:
    if isinstance(cause, EOFError):
        return runtime_failure(f"Input [{uri}] is truncated: its compressed data ends before the end-of-stream marker")
    return runtime_failure(f"Input [{uri}] cannot be read: {cause}")
