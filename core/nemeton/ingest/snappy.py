"""Snappy's framing format, as files named ``*.sz`` have it."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from nemeton.ingest.unpacking import UnpackingReader

MAGIC = b"\xff\x06\x00\x00sNaPpY"
_COMPRESSED, _PLAIN, _IDENTIFIER = 0x00, 0x01, 0xFF
_FIRST_SKIPPABLE = 0x80
_MAX_PIECE = 1 << 16
_LANES, _LANE_BYTES = 256, 256
_POLYNOMIAL = 0x82F63B78


class SnappyReader(UnpackingReader):
    """The bytes of a framed stream; each piece is checked against its CRC-32C. Raises ValueError for damage."""

    def _next_piece(self) -> bytes | None:
        """The next chunk that has content; none is larger than 64 KiB."""
        while head := self._source.read(4):
            kind, size = head[0], int.from_bytes(head[1:], "little")
            body = self._source.read(size)
            if len(head) < 4 or len(body) < size:
                raise EOFError("a chunk of the Snappy stream is cut")
            if kind in (_COMPRESSED, _PLAIN):
                return _checked(body[:4], _decompressed(body[4:]) if kind == _COMPRESSED else body[4:])
            if kind == _IDENTIFIER and body != MAGIC[4:]:
                raise ValueError("the Snappy stream has another identifier")
            if kind < _FIRST_SKIPPABLE:
                raise ValueError(f"the Snappy stream has a chunk of the unknown kind {kind}")
        return None


def _decompressed(block: bytes) -> bytes:
    import pyarrow as pa

    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > _MAX_PIECE:
        raise ValueError(f"a piece of the Snappy stream claims {size} bytes")
    try:
        data: bytes = pa.Codec("snappy").decompress(block, decompressed_size=size, asbytes=True)
    except pa.ArrowException as e:
        raise ValueError(str(e)) from e
    return data


def _checked(checksum: bytes, data: bytes) -> bytes:
    crc = crc32c(data)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != int.from_bytes(checksum, "little"):
        raise ValueError("a piece of the Snappy stream does not fit its checksum")
    return data


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of at most 64 KiB."""
    table = _table()
    if len(data) < 4:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = int(table[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    # Zeros in front change nothing when the register begins as 0; that it begins as ones is put into the data.
    padded = np.zeros(_LANES * _LANE_BYTES, dtype=np.uint8)
    padded[len(padded) - len(data) :] = np.frombuffer(data, dtype=np.uint8)
    padded[len(padded) - len(data) :][:4] ^= 0xFF
    lanes = padded.reshape(_LANES, _LANE_BYTES)
    states = np.zeros(_LANES, dtype=np.uint32)
    for column in range(_LANE_BYTES):
        states = table[(states ^ lanes[:, column]) & 0xFF] ^ (states >> 8)
    shift, crc = _shift_tables(), 0
    for state in states.tolist():
        moved = shift[0][crc & 0xFF] ^ shift[1][(crc >> 8) & 0xFF] ^ shift[2][(crc >> 16) & 0xFF] ^ shift[3][crc >> 24]
        crc = moved ^ state
    return crc ^ 0xFFFFFFFF


@functools.cache
def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@functools.cache
def _shift_tables() -> list[list[int]]:
    """What becomes of each byte of the register while a lane of zeros goes by."""
    states = np.concatenate([np.arange(256, dtype=np.uint32) << np.uint32(8 * i) for i in range(4)])
    for _ in range(_LANE_BYTES):
        states = _table()[states & 0xFF] ^ (states >> 8)
    return [part.tolist() for part in np.split(states, 4)]
