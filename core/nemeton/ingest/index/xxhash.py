"""xxHash64, by which Druid orders values that have no order of their own."""

from __future__ import annotations

import struct

_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_MASK = (1 << 64) - 1


def xxhash64(data: bytes, seed: int) -> int:
    """The hash as Java's signed long."""
    size, at = len(data), 0
    seed &= _MASK
    if size >= 32:
        lanes = [seed + _P1 + _P2, seed + _P2, seed, seed - _P1]
        while at <= size - 32:
            words = struct.unpack_from("<4Q", data, at)
            lanes = [_round(lane & _MASK, word) for lane, word in zip(lanes, words, strict=True)]
            at += 32
        mixed = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            mixed = ((mixed ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        mixed = (seed + _P5) & _MASK
    mixed = _tail(data[at:], (mixed + size) & _MASK)
    for shift, factor in ((33, _P2), (29, _P3)):
        mixed = ((mixed ^ (mixed >> shift)) * factor) & _MASK
    mixed ^= mixed >> 32
    return mixed - (1 << 64) if mixed >> 63 else mixed


def _tail(rest: bytes, mixed: int) -> int:
    at = 0
    while at + 8 <= len(rest):
        (word,) = struct.unpack_from("<Q", rest, at)
        mixed = (_rotate(mixed ^ _round(0, word), 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= len(rest):
        (half,) = struct.unpack_from("<I", rest, at)
        mixed = (_rotate(mixed ^ (half * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in rest[at:]:
        mixed = (_rotate(mixed ^ (byte * _P5 & _MASK), 11) * _P1) & _MASK
    return mixed


def _round(lane: int, word: int) -> int:
    return (_rotate((lane + word * _P2) & _MASK, 31) * _P1) & _MASK


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK
