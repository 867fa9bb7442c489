"""How Smile packs numbers and bytes: integers of variable length, and bytes with seven bits each.

No packed byte is 0xFF or 0xFE, which frame content. All functions that read take the buffer and a position, and return
what they read with the position after it; reading past the end raises IndexError or `SmileError`.
"""

from __future__ import annotations

import struct
from decimal import Decimal

HEADER = b":)\n"
SHARED_NAMES, SHARED_VALUES, RAW_BINARY = 0x01, 0x02, 0x04
"""Flags of the header's fourth byte."""

MAX_SHARED = 1024
"""How many names, and how many short strings, may be referred to; then the tables start over."""

MAX_NUMBER_BYTES = 1024
"""Bound of BigInteger and BigDecimal: about 2,400 digits, more than Python agrees to print in decimal."""

_VINT_MAX_BYTES = 10
_GROUP, _PACKED_GROUP = 7, 8


class SmileError(ValueError):
    """What was to be read is no Smile, or what was to be written has no form in it."""


# ---- integers


def read_vint(data: bytes, pos: int) -> tuple[int, int]:
    """An unsigned integer of up to 64 bits: seven bits a byte, most significant first, six in the last one."""
    value = 0
    for pos in range(pos, pos + _VINT_MAX_BYTES):  # noqa: B020 - the position is what moves
        byte = data[pos]
        if byte >= 0x80:
            value = value << 6 | byte & 0x3F
            if value >> 64:
                break
            return value, pos + 1
        value = value << 7 | byte
    raise SmileError("an integer has more than 64 bits")


def write_vint(out: bytearray, value: int) -> None:
    """Append an unsigned integer."""
    if value < 0x40:
        out.append(value | 0x80)
        return
    packed = [value & 0x3F | 0x80]
    value >>= 6
    while value:
        packed.append(value & 0x7F)
        value >>= 7
    packed.reverse()
    out += bytes(packed)


def zigzag(value: int) -> int:
    """A signed integer as an unsigned one, its sign in the lowest bit."""
    return value << 1 if value >= 0 else ~(value << 1)


def unzigzag(value: int) -> int:
    """The signed integer of an unsigned one."""
    return value >> 1 ^ -(value & 1)


# ---- seven bits a byte


def read_packed(data: bytes, pos: int, limit: int | None = None) -> tuple[bytes, int]:
    """Bytes after their number, eight packed ones for seven; the last group is as short as it can be."""
    size, pos = read_vint(data, pos)
    if limit is not None and size > limit:
        raise SmileError(f"a number has {size} bytes, more than {limit}")
    groups, rest = divmod(size, _GROUP)
    end = pos + groups * _PACKED_GROUP + (rest + 1 if rest else 0)
    if end > len(data):
        raise SmileError(f"it ends within {size} bytes of binary data")
    middle = pos + groups * _PACKED_GROUP
    unpacked = _unpack_groups(data[pos:middle]) if groups else b""
    return (unpacked + _unpack_rest(data[middle:end]) if rest else unpacked), end


def write_packed(out: bytearray, raw: bytes) -> None:
    """Append the number of bytes and the bytes, packed."""
    write_vint(out, len(raw))
    middle = len(raw) - len(raw) % _GROUP
    if middle:
        out += _pack_groups(raw[:middle])
    if middle < len(raw):
        out += _pack_rest(raw[middle:])


def _unpack_groups(packed: bytes) -> bytes:
    """All groups at once, as one big number: lanes of 7 bits become lanes of 14, 28 and 56."""
    count = len(packed) // _PACKED_GROUP
    x = int.from_bytes(packed, "big")
    x = (x & _lanes(0x007F_007F_007F_007F, count)) | (x & _lanes(0x7F00_7F00_7F00_7F00, count)) >> 1
    x = (x & _lanes(0x0000_3FFF_0000_3FFF, count)) | (x & _lanes(0x3FFF_0000_3FFF_0000, count)) >> 2
    x = (x & _lanes(0x0000_0000_0FFF_FFFF, count)) | (x & _lanes(0x0FFF_FFFF_0000_0000, count)) >> 4
    lanes = bytearray(x.to_bytes(len(packed), "big"))
    del lanes[::_PACKED_GROUP]
    return bytes(lanes)


def _pack_groups(raw: bytes) -> bytes:
    """The way back."""
    count = len(raw) // _GROUP
    lanes = bytearray(count * _PACKED_GROUP)
    for i in range(_GROUP):
        lanes[i + 1 :: _PACKED_GROUP] = raw[i::_GROUP]
    x = int.from_bytes(lanes, "big")
    x = (x & _lanes(0x0000_0000_0FFF_FFFF, count)) | (x & _lanes(0x00FF_FFFF_F000_0000, count)) << 4
    x = (x & _lanes(0x0000_3FFF_0000_3FFF, count)) | (x & _lanes(0x0FFF_C000_0FFF_C000, count)) << 2
    x = (x & _lanes(0x007F_007F_007F_007F, count)) | (x & _lanes(0x3F80_3F80_3F80_3F80, count)) << 1
    return x.to_bytes(len(lanes), "big")


def _lanes(mask: int, count: int) -> int:
    return int.from_bytes(mask.to_bytes(_PACKED_GROUP, "big") * count, "big")


def _unpack_rest(packed: bytes) -> bytes:
    """Fewer than seven bytes: of the last packed one only as many bits count as there are bytes."""
    size = len(packed) - 1
    x = 0
    for byte in packed[:-1]:
        x = x << 7 | byte & 0x7F
    return ((x << size | packed[-1]) & (1 << 8 * size) - 1).to_bytes(size, "big")


def _pack_rest(raw: bytes) -> bytes:
    size = len(raw)
    x = int.from_bytes(raw, "big")
    head, tail = x >> size, x & (1 << size) - 1
    return bytes(head >> 7 * (size - 1 - i) & 0x7F for i in range(size)) + bytes((tail,))


# ---- floats


def read_float(data: bytes, pos: int) -> tuple[float, int]:
    """32 bits in five bytes; the value is exactly that of the 32-bit number."""
    x = _septets(data, pos, 5)
    return struct.unpack(">f", (x & 0xFFFF_FFFF).to_bytes(4, "big"))[0], pos + 5


def read_double(data: bytes, pos: int) -> tuple[float, int]:
    """64 bits in ten bytes."""
    x = _septets(data, pos, 10)
    return struct.unpack(">d", (x & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big"))[0], pos + 10


def write_double(out: bytearray, value: float) -> None:
    """Append 64 bits in ten bytes."""
    x = int.from_bytes(struct.pack(">d", value), "big")
    out += bytes(
        (
            x >> 63,
            x >> 56 & 0x7F,
            x >> 49 & 0x7F,
            x >> 42 & 0x7F,
            x >> 35 & 0x7F,
            x >> 28 & 0x7F,
            x >> 21 & 0x7F,
            x >> 14 & 0x7F,
            x >> 7 & 0x7F,
            x & 0x7F,
        )
    )


def _septets(data: bytes, pos: int, count: int) -> int:
    if pos + count > len(data):
        raise SmileError("it ends within a number")
    x = 0
    for byte in data[pos : pos + count]:
        x = x << 7 | byte & 0x7F
    return x


# ---- numbers without bound


def read_big_integer(data: bytes, pos: int) -> tuple[int, int]:
    """Java's BigInteger: its bytes in two's complement."""
    raw, pos = read_packed(data, pos, MAX_NUMBER_BYTES)
    return int.from_bytes(raw, "big", signed=True), pos


def read_big_decimal(data: bytes, pos: int) -> tuple[Decimal, int]:
    """Java's BigDecimal: a scale, and an integer to be divided by that power of ten."""
    scale, pos = read_vint(data, pos)
    unscaled, pos = read_big_integer(data, pos)
    sign, digits, _ = Decimal(unscaled).as_tuple()
    return Decimal((sign, digits, -unzigzag(scale & 0xFFFF_FFFF))), pos


def write_big_integer(out: bytearray, value: int) -> None:
    """Append an integer of any size up to the bound."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    if size > MAX_NUMBER_BYTES:
        raise SmileError(f"an integer of {size} bytes is beyond the bound of {MAX_NUMBER_BYTES}")
    write_packed(out, value.to_bytes(size, "big", signed=True))


def write_big_decimal(out: bytearray, value: Decimal) -> None:
    """Append a finite decimal number, with its trailing zeros."""
    sign, digits, exponent = value.as_tuple()
    if len(digits) > 2 * MAX_NUMBER_BYTES or not -(2**31) < int(exponent) < 2**31:
        raise SmileError("a decimal number is beyond what Java's BigDecimal holds, or has too many digits")
    write_vint(out, zigzag(-int(exponent)))
    unscaled = int(Decimal((sign, digits, 0)))
    write_big_integer(out, unscaled)
