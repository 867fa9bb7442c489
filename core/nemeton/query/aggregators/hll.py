"""HyperLogLog as Druid has it: 2048 registers, Murmur3 hashes, and its bytes (HLLCV1)."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nemeton.common.errors import invalid_input
from nemeton.query.byte_strings import by_length
from nemeton.query.vectors import Array

BUCKETS = 2048
_ALPHA = 0.7213 / (1 + 1.079 / BUCKETS)
_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_HEADER = 7
_DENSE = BUCKETS // 2
_DENSE_FROM = 128
"""How many registers have to be set for the dense form."""


def _rotate(value: Array, bits: int) -> Array:
    left: Array = value << np.uint64(bits)
    right: Array = value >> np.uint64(64 - bits)
    out: Array = left | right
    return out


def _final_mix(value: Array) -> Array:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> np.uint64(33))) * np.uint64(factor)
    mixed: Array = value ^ (value >> np.uint64(33))
    return mixed


def murmur3_128(data: Array, seed: int = 0) -> tuple[Array, Array]:
    """The two halves of the hash of each row of a uint8 matrix."""
    count, length = data.shape
    h1, h2 = np.full(count, seed, dtype=np.uint64), np.full(count, seed, dtype=np.uint64)
    whole = length // 16
    padded = np.zeros((count, 16 * (whole + 1)), dtype=np.uint8)
    padded[:, :length] = data
    words = padded.view("<u8").astype(np.uint64)
    with np.errstate(over="ignore"):
        for block in range(whole):
            h1 ^= _rotate(words[:, 2 * block] * _C1, 31) * _C2
            h1 = (_rotate(h1, 27) + h2) * np.uint64(5) + np.uint64(0x52DCE729)
            h2 ^= _rotate(words[:, 2 * block + 1] * _C2, 33) * _C1
            h2 = (_rotate(h2, 31) + h1) * np.uint64(5) + np.uint64(0x38495AB5)
        h2 ^= _rotate(words[:, 2 * whole + 1] * _C2, 33) * _C1
        h1 ^= _rotate(words[:, 2 * whole] * _C1, 31) * _C2
        h1, h2 = h1 ^ np.uint64(length), h2 ^ np.uint64(length)
        h1 = h1 + h2
        h2 = h2 + h1
        h1, h2 = _final_mix(h1), _final_mix(h2)
        h1 = h1 + h2
        return h1, h2 + h1


def hash_bytes(values: Sequence[bytes]) -> tuple[Array, Array]:
    """Bucket and position of the first set bit for each value; values of one length are hashed together."""
    buckets, positions = np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.uint8)
    for rows, matrix in by_length(values):
        buckets[rows], positions[rows] = _bucket_and_position(*murmur3_128(matrix))
    return buckets, positions


def hash_longs(values: Array) -> tuple[Array, Array]:
    """As `hash_bytes` for the eight bytes of each int64."""
    matrix = np.ascontiguousarray(values.astype("<i8")).view(np.uint8).reshape(len(values), 8)
    return _bucket_and_position(*murmur3_128(matrix))


def _bucket_and_position(h1: Array, h2: Array) -> tuple[Array, Array]:
    high = h2 >> np.uint64(48)  # the last two bytes of the hash, read as a big-endian short
    short = ((high & np.uint64(0xFF)) << np.uint64(8)) | (high >> np.uint64(8))
    # Byte by byte from the first, the lowest set bit of the first byte that has one: the lowest set bit of h1.
    lowest = h1 & (~h1 + np.uint64(1))
    positions = np.where(h1 == 0, 64, np.log2(np.maximum(lowest, np.uint64(1)).astype(np.float64)) + 1)
    return (short & np.uint64(BUCKETS - 1)).astype(np.int64), positions.astype(np.uint8)


def estimate(registers: Array) -> Array:
    """The cardinality of each row of registers, as Java estimates it from the bytes of `to_bytes`."""
    powers = np.exp2(-registers.astype(np.float64)).sum(axis=1)
    zeros = (registers == 0).sum(axis=1)
    for row in np.flatnonzero(registers.max(axis=1, initial=0) > 15).tolist():
        change = _overflow(registers[row])
        powers[row] += change[0]
        zeros[row] += change[1]
    raw = _ALPHA * BUCKETS * BUCKETS / powers
    small = (raw <= 2.5 * BUCKETS) & (zeros > 0)
    counted = BUCKETS * np.log(BUCKETS / np.maximum(zeros, 1))
    high = 2.0**64 / 30
    large = np.array([-(2.0**64) * math.log1p(-x / 2.0**64) if high < x < 2.0**64 else x for x in raw.tolist()])
    return np.where(small, counted, large)


def _overflow(registers: Array) -> tuple[float, int]:
    """How Java's sums of a row with an overflow differ: of powers, and of registers that it takes for zero.

    One register beyond 15 is kept beside the others; the hash of null, or of an empty string, is zero, and goes that
    way. In the dense form the nibbles of its byte are told from zero by masks that do not fit them. In the sparse form
    its byte is looked for with the offset of the payload left out, and so found in the byte of other registers, or in
    the zeros that fill the end.
    """
    offset = int(registers.min())
    rest = registers.astype(np.int64) - offset
    top = int(np.argmax(rest))
    overflow = int(registers[top])
    if rest[top] <= 15:
        return 0.0, 0
    rest[top] = 0
    num_set = int((rest > 0).sum())
    if num_set >= _DENSE_FROM:
        upper, lower = int(registers[top & ~1]), int(registers[top | 1])
        return 0.0, _zeros_by_mask(upper, lower) - int(upper == 0) - int(lower == 0)
    powers, zeros = 1.0 - 2.0**-overflow, 1
    place = (top >> 1) - _HEADER
    upper, lower = (int(rest[2 * place]), int(rest[2 * place + 1])) if place >= 0 else (0, 0)
    times = num_set - int(((rest[0::2] | rest[1::2]) > 0).sum()) if top < 2 else int(upper > 0 or lower > 0)
    seen = (max(upper, overflow), lower) if top % 2 == 0 else (upper, max(lower, overflow))
    powers += times * (2.0 ** -seen[0] + 2.0 ** -seen[1] - 2.0**-upper - 2.0**-lower)
    zeros += times * (_zeros_by_mask(*seen) - int(upper == 0) - int(lower == 0))
    return powers, zeros


def _zeros_by_mask(upper: int, lower: int) -> int:
    return int(upper & 0xF0 == 0) + int(lower & 0x0F == 0)


def to_bytes(registers: Array) -> bytes:
    """Druid's bytes of one row of registers: sparse when few are set, since Java estimates by the form it is given."""
    offset = int(registers.min())
    rest = registers.astype(np.int64) - offset
    top = int(np.argmax(rest))
    overflow = int(registers[top]) if rest[top] > 15 else 0
    rest = np.minimum(rest, 15)
    if overflow:
        rest[top] = 0
    num_set = int((rest > 0).sum())
    header = bytes([1, offset]) + num_set.to_bytes(2, "big")
    header += bytes([overflow]) + (top if overflow else 0).to_bytes(2, "big")
    packed = ((rest[0::2] << 4) | rest[1::2]).astype(np.uint8)
    if num_set >= _DENSE_FROM:
        return header + packed.tobytes()
    places = np.flatnonzero(packed)
    entries = b"".join((place + _HEADER).to_bytes(2, "big") + packed[place].tobytes() for place in places.tolist())
    return header + entries.ljust(3 * num_set, b"\0")  # two registers may share a byte; Druid leaves the rest zero


def from_bytes(data: bytes) -> Array:
    """The registers of Druid's bytes, dense or sparse."""
    registers = np.zeros(BUCKETS, dtype=np.uint8)
    if not data:
        return registers
    if data[0] != 1 or len(data) < _HEADER:
        raise invalid_input("hyperUnique: not the bytes of a version 1 collector")
    packed = np.zeros(_DENSE, dtype=np.uint8)
    payload = data[_HEADER:]
    if len(payload) == _DENSE:
        packed[:] = np.frombuffer(payload, dtype=np.uint8)
    else:
        _, places, held = _entries(np.frombuffer(payload, dtype=np.uint8)[None, :])
        packed[places] = held
    registers[0::2], registers[1::2] = packed >> 4, packed & 15
    registers += np.uint8(data[1])
    if data[4]:
        where = int.from_bytes(data[5:7], "big")
        if where >= BUCKETS:
            raise invalid_input("hyperUnique: a collector has a register beyond the last")
        registers[where] = max(int(registers[where]), data[4])
    return registers


def _entries(payloads: Array) -> tuple[Array, Array, Array]:
    """The entries of sparse payloads, a row each: the row, the place, and the byte with two registers."""
    entries = payloads[:, : payloads.shape[1] // 3 * 3].astype(np.int64)
    places = (entries[:, 0::3] << 8 | entries[:, 1::3]) - _HEADER
    if (places >= _DENSE).any():
        raise invalid_input("hyperUnique: a collector has a register beyond the last")
    which, column = np.nonzero(places >= 0)  # what two registers in one byte leave over is filled with zeros
    return which, places[which, column], entries[:, 2::3][which, column].astype(np.uint8)


def merge_bytes(state: Array, groups: Array, blobs: Array) -> None:
    """Merge collectors, as bytes or None, into the registers (one row each) of their groups."""
    flat = state.reshape(-1)
    for rows, matrix in by_length(blobs, least=1):
        is_simple = (_HEADER <= matrix.shape[1] < _HEADER + _DENSE) & (matrix[:, :1] == 1).all(axis=1)
        is_simple &= (matrix[:, 1:2] == 0).all(axis=1) & (matrix[:, 4:5] == 0).all(axis=1)
        for row in rows[~is_simple].tolist():  # dense, or with an offset or an overflow: few, or large anyway
            target = state[groups[row]]
            np.maximum(target, from_bytes(blobs[row]), out=target)
        if not is_simple.any():
            continue
        which, places, packed = _entries(matrix[is_simple][:, _HEADER:])
        at = groups[rows[is_simple][which]] * BUCKETS + 2 * places
        np.maximum.at(flat, at, packed >> 4)
        np.maximum.at(flat, at + 1, packed & 15)


def decode(value: Any) -> Array:
    """The registers of a value as it stands in JSON or Smile: base64 or bytes, or null for the empty one."""
    return from_bytes(decode_bytes(value) or b"")


def decode_bytes(value: Any) -> bytes | None:
    """The bytes of a value as it stands in JSON or Smile."""
    if value is None or isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value)
    except (TypeError, ValueError) as error:
        raise invalid_input(f"hyperUnique: not base64: {error}") from None
