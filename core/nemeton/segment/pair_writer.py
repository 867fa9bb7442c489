"""Encoding of pairs of a time and a value, as aggregators of first and last values leave them in a segment."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.column_data import PairData
from nemeton.segment.compression import MAX_BLOCK_BYTES, Codec, Compressor
from nemeton.segment.encode import Pieces
from nemeton.segment.errors import bad_column
from nemeton.segment.generic_indexed import encode_list
from nemeton.segment.metadata import encode_descriptor
from nemeton.segment.pairs import STRING_PAIRS, VALUE_KINDS
from nemeton.segment.settings import ColumnSettings, EncodedColumn
from nemeton.segment.typed_values import bounds

_VERSION, _INT_DELTA = 3, 0x80
_INT_MAX = 2**31 - 1


def encode_pairs(column: PairData, settings: ColumnSettings) -> EncodedColumn:
    """Encode in the form that the type has: a list of strings' pairs, cells of numbers' pairs."""
    head = encode_descriptor("COMPLEX", {"type": "complex", "typeName": column.type_name})
    if column.type_name == STRING_PAIRS:
        blobs = [None if pair is None else _string_blob(*pair) for pair in column.pairs]
        return EncodedColumn([head, *encode_list(blobs)])
    kind = VALUE_KINDS.get(column.type_name)
    if kind is None:
        raise bad_column(column.name, f"there are no pairs of type {column.type_name}")
    return EncodedColumn([head, *_cells(column, np.dtype(kind), settings.numbers.lz4_level)])


def _string_blob(time: int, value: str | None) -> bytes:
    raw = b"" if value is None else value.encode("utf-8", "replace")
    return struct.pack(">qi", time, len(raw)) + raw


def _cells(column: PairData, kind: np.dtype, lz4_level: int) -> Pieces:
    """Each pair as the time since the earliest one, whether the value is null, and the value; all little-endian."""
    pairs = column.pairs
    there = np.fromiter((pair is not None for pair in pairs), bool, len(pairs))
    held = [pair for pair in pairs if pair is not None]
    times = np.fromiter((pair[0] for pair in held), np.int64, len(held))
    nulls = np.fromiter((pair[1] is None for pair in held), bool, len(held))
    with np.errstate(over="ignore"):
        values = np.array([0 if pair[1] is None else pair[1] for pair in held], kind)
    first = int(times.min()) if len(times) else 0
    is_int = not len(times) or int(times.max()) - first <= _INT_MAX
    delta = np.dtype("<i4" if is_int else "<i8")
    cells = np.zeros(len(held), np.dtype([("time", delta), ("null", "u1"), ("value", kind)]))
    cells["time"], cells["null"], cells["value"] = times - first, nulls, values
    lengths = np.where(nulls, delta.itemsize + 1, cells.dtype.itemsize)
    raw = cells.view(np.uint8).reshape(len(held), cells.dtype.itemsize)
    data = raw[np.arange(raw.shape[1]) < lengths[:, None]]
    sizes = np.zeros(len(pairs), np.int64)
    sizes[there] = lengths
    starts = bounds(sizes).astype("<i8")
    head = bytes([_VERSION, _INT_DELTA if is_int else 0, 0, 0]) + first.to_bytes(8, "little", signed=True)
    return [head, *_payload(starts.view(np.uint8), lz4_level), *_payload(data, lz4_level)]


def _payload(raw: NDArray[np.uint8], lz4_level: int) -> Pieces:
    """Bytes in LZ4 blocks, with the starts of the blocks before them and the length of all of it in front."""
    view, to = np.ascontiguousarray(raw).data, Compressor(Codec.LZ4, lz4_level)
    blocks = [to.compress(view[at : at + MAX_BLOCK_BYTES]) for at in range(0, len(view), MAX_BLOCK_BYTES)]
    starts = np.cumsum([0, *map(len, blocks)]).astype("<i4").tobytes()
    body = b"".join(blocks)
    size = 4 + len(starts) + 4 + len(body)
    return [struct.pack("<ii", size, len(starts)), starts, struct.pack("<i", len(body)), body]
