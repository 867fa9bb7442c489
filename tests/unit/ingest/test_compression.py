"""Compressed input is unpacked by what it begins with; damage is told with the name of the input."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import zipfile
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from attrs import frozen

from nemeton.common.errors import DruidException
from nemeton.ingest.compression import open_unpacked
from nemeton.ingest.snappy import MAGIC, crc32c
from nemeton.spi.ingest import InputEntity

DATA = b"".join(b'{"row": %d, "text": "the same again and again"}\n' % i for i in range(20_000))


@frozen
class Bytes(InputEntity):
    data: bytes

    @property
    def uri(self) -> str:
        return "bytes:it"

    def open(self) -> Any:
        return io.BytesIO(self.data)


def chunk(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "little") + body


def checked(data: bytes, packed: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF) + packed


def snappy(data: bytes) -> bytes:
    pieces = [data[i : i + 65536] for i in range(0, len(data), 65536)]
    codec = pa.Codec("snappy")
    out = [chunk(0, checked(piece, codec.compress(piece, asbytes=True))) for piece in pieces]
    return MAGIC + b"".join([*out[:1], chunk(0xFE, b"padding"), *out[1:], chunk(1, checked(b"end\n", b"end\n"))])


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED, stream: bool = False) -> bytes:
    target = io.BytesIO()
    sink: Any = target
    if stream:  # what cannot be gone back in has sizes and checksum behind the data
        sink = io.BufferedWriter(
            type("Pipe", (io.RawIOBase,), {"writable": lambda s: True, "write": lambda s, b: target.write(b)})()
        )
    with zipfile.ZipFile(sink, "w", method) as archive:
        archive.writestr("first.json", data)
        archive.writestr("second.json", b"is not read")
    if stream:
        sink.flush()
    return target.getvalue()


PACKED = {
    "plain": DATA,
    "gzip": gzip.compress(DATA),
    "gzip of two members": gzip.compress(DATA[:100]) + gzip.compress(DATA[100:]),
    "bzip2": bz2.compress(DATA),
    "bzip2 of two streams": bz2.compress(DATA[:100]) + bz2.compress(DATA[100:]),
    "xz": lzma.compress(DATA),
    "zstd": zstandard.compress(DATA),
    "zstd of two frames": zstandard.compress(DATA[:100]) + zstandard.compress(DATA[100:]),
    "zip": zipped(DATA),
    "zip, stored": zipped(DATA, zipfile.ZIP_STORED),
    "zip, streamed": zipped(DATA, stream=True),
}


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_packed_is_unpacked(kind: str) -> None:
    with open_unpacked(Bytes(PACKED[kind])) as stream:
        assert stream.read() == DATA


def test_framed_snappy() -> None:
    with open_unpacked(Bytes(snappy(DATA))) as stream:
        assert stream.read() == DATA + b"end\n"


def test_an_archive_without_files_is_empty() -> None:
    target = io.BytesIO()
    zipfile.ZipFile(target, "w").close()
    with open_unpacked(Bytes(target.getvalue())) as stream:
        assert stream.read() == b""


@pytest.mark.parametrize(
    ("data", "crc"), [(b"", 0), (b"a", 0xC1D04330), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)]
)
def test_crc32c(data: bytes, crc: int) -> None:
    """The check values of RFC 3720."""
    assert crc32c(data) == crc


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd", "zip", "zip, streamed", "snappy"])
def test_damage_is_told(kind: str) -> None:
    packed = bytearray(snappy(DATA) if kind == "snappy" else PACKED[kind])
    rng = random.Random(5)
    for _ in range(20):
        broken = bytes(packed[: rng.randrange(20, len(packed) // 2)])
        with pytest.raises(DruidException, match="bytes:it"), open_unpacked(Bytes(broken)) as stream:
            stream.read()


def test_a_changed_byte_of_snappy_is_told() -> None:
    packed = bytearray(snappy(DATA))
    packed[-2] ^= 1
    with pytest.raises(DruidException, match=r"bytes:it.*checksum"), open_unpacked(Bytes(bytes(packed))) as stream:
        stream.read()
