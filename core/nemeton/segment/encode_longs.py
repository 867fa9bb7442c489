"""The `auto` encoding of longs: indexes into a table, or differences from the smallest, packed into few bits."""

from __future__ import annotations

import numpy as np

from nemeton.segment.compression import MAX_BLOCK_BYTES, Codec, Compressor
from nemeton.segment.encode import Pieces, encode_numbers
from nemeton.segment.generic_indexed import encode_list
from nemeton.segment.numbers import BIT_WIDTHS, packed_size

_DELTA, _TABLE = 0, 1
_ENCODING_VERSION = 1
_FLAG_SHIFT = 126
_MAX_TABLE = 256
_PROBE = 65536
_LONG_MAX = 2**63 - 1


def encode_longs(values: np.ndarray, to: Compressor) -> Pieces:
    """Encode longs in the way that Druid's `auto` chooses: a table for few values, else differences, else plainly."""
    table = _table(values)
    if table is not None:
        bits = next(b for b in BIT_WIDTHS if len(table) <= 1 << b)
        order = np.argsort(table, kind="stable")
        packed = order[np.searchsorted(table[order], values)].astype(np.uint64)
        header = bytes([_TABLE, _ENCODING_VERSION]) + len(table).to_bytes(4, "big") + table.astype(">i8").tobytes()
        return _encode_packed(packed, bits, to, header)
    low, high = int(values.min()), int(values.max())
    if high - low >= _LONG_MAX:
        return encode_numbers(values, to)
    bits = next(b for b in BIT_WIDTHS if high - low + 1 <= 1 << b)
    packed = values.view(np.uint64) - np.uint64(low & (2**64 - 1))
    header = bytes([_DELTA, _ENCODING_VERSION]) + low.to_bytes(8, "big", signed=True) + bits.to_bytes(4, "big")
    return _encode_packed(packed, bits, to, header)


def _table(values: np.ndarray) -> np.ndarray | None:
    """Return the distinct values in order of appearance, None when there are too many for a table."""
    if len(np.unique(values[:_PROBE])) > _MAX_TABLE:
        return None
    distinct, first = np.unique(values, return_index=True)
    return None if len(distinct) > _MAX_TABLE else distinct[np.argsort(first)]


def _encode_packed(packed: np.ndarray, bits: int, to: Compressor, header: bytes) -> Pieces:
    per_block = 1 << ((MAX_BLOCK_BYTES - 4) * 8 // bits).bit_length() - 1
    assert packed_size(per_block, bits) <= MAX_BLOCK_BYTES
    in_file = 0 if to.codec is Codec.NONE else per_block
    flagged = (to.codec - _FLAG_SHIFT) & 0xFF
    head = b"\x02" + len(packed).to_bytes(4, "big") + in_file.to_bytes(4, "big") + bytes([flagged]) + header
    if to.codec is Codec.NONE:
        return [head, pack(packed, bits)]
    blocks = (packed[at : at + per_block] for at in range(0, len(packed), per_block))
    return [head, *encode_list([to.compress(memoryview(pack(block, bits))) for block in blocks])]


def pack(values: np.ndarray, bits: int) -> bytes:
    """Pack unsigned values of `bits` bits, big-endian, padding included; vectorised."""
    if bits % 8 == 0:
        raw = values.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - bits // 8 :].tobytes()
    elif bits > 8:  # 12 or 20: two values in three or five bytes
        raw = _grouped(values, 2, bits, bits // 4)
    else:
        raw = _grouped(values, 8 // bits, bits, 1)
    return raw[: packed_size(len(values), bits) - 4] + bytes(4)


def _grouped(values: np.ndarray, group: int, bits: int, group_bytes: int) -> bytes:
    padded = np.zeros(-(-len(values) // group) * group, np.uint64)
    padded[: len(values)] = values
    shifts = np.arange(group - 1, -1, -1, dtype=np.uint64) * np.uint64(bits)
    joined = np.bitwise_or.reduce(padded.reshape(-1, group) << shifts, axis=1)
    raw: bytes = joined.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - group_bytes :].tobytes()
    return raw
