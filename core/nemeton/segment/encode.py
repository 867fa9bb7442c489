"""Encoding of numbers, codes and dictionaries: the mirror of `numbers`, `codes` and `dictionary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nemeton.segment.compression import MAX_BLOCK_BYTES, Codec, Compressor
from nemeton.segment.errors import bad_column
from nemeton.segment.generic_indexed import encode_list, list_header
from nemeton.segment.java_order import java_keys

if TYPE_CHECKING:
    import pyarrow as pa

    from nemeton.segment.column_data import Dictionary

Pieces = list[bytes | memoryview]
_MARKER = 4


def _i32(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


def narrowest(size: int) -> type[np.unsignedinteger]:
    """Return the smallest unsigned type that holds codes below `size`."""
    return np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.uint32


def size_of(pieces: Pieces) -> int:
    """Return the bytes that pieces take together."""
    return sum(memoryview(p).nbytes for p in pieces)


def encode_blocks(raw: np.ndarray, block_bytes: int, to: Compressor) -> Pieces:
    """Compress raw bytes block by block into a list; only one block is ever copied."""
    view = raw.view(np.uint8).data
    return encode_list([to.compress(view[at : at + block_bytes]) for at in range(0, len(view), block_bytes)])


def encode_numbers(values: np.ndarray, to: Compressor) -> Pieces:
    """Encode numbers of a little-endian dtype, plainly."""
    width = values.dtype.itemsize
    values = np.ascontiguousarray(values)
    if to.codec is Codec.NONE:
        return [b"\x02" + _i32(len(values)) + _i32(0) + bytes([to.codec]), values.view(np.uint8).data]
    head = b"\x02" + _i32(len(values)) + _i32(MAX_BLOCK_BYTES // width) + bytes([to.codec])
    return [head, *encode_blocks(values, MAX_BLOCK_BYTES, to)]


def code_width(maximum: int) -> int:
    """Return the bytes for codes up to `maximum`; Druid passes the cardinality, so 256 values already take two."""
    return next((w for w in (1, 2, 3) if maximum < 1 << (8 * w)), 4)


def _code_bytes(codes: np.ndarray, width: int, order: str) -> np.ndarray:
    if width != 3:
        return codes.astype(f"{order}u{width}", copy=False)
    wide = codes.astype(f"{order}u4").view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(wide[:, :3] if order == "<" else wide[:, 1:]).reshape(-1)


def encode_codes(codes: np.ndarray, cardinality: int, to: Compressor) -> Pieces:
    """Encode single-value codes; `uncompressed` is the plain form."""
    width = code_width(cardinality)
    if to.codec is Codec.UNCOMPRESSED:
        return [b"\x00", *_plain_codes(codes, width)]
    pad = 0 if width < 3 else 4 - width
    per_block = 1 << (((MAX_BLOCK_BYTES - pad) // width).bit_length() - 1)
    head = bytes([2, width]) + _i32(len(codes)) + _i32(per_block) + bytes([to.codec])
    return [head, *encode_blocks(_code_bytes(codes, width, "<"), per_block * width, to)]


def _plain_codes(codes: np.ndarray, width: int) -> Pieces:
    raw = _code_bytes(codes, width, ">").view(np.uint8)
    return [bytes([width]) + _i32(len(raw) + 4 - width), raw.data, bytes(4 - width)]


def encode_multi_codes(offsets: np.ndarray, codes: np.ndarray, cardinality: int, to: Compressor) -> Pieces:
    """Encode the rows of a multi-value column."""
    if to.codec is not Codec.UNCOMPRESSED:
        per_block = MAX_BLOCK_BYTES // 4
        head = b"\x03\x02" + _i32(len(offsets)) + _i32(per_block) + bytes([to.codec])
        blocks = encode_blocks(offsets.astype("<u4"), MAX_BLOCK_BYTES, to)
        return [head, *blocks, *encode_codes(codes, cardinality, to)]
    width = code_width(cardinality)
    ends = (offsets[1:].astype(np.int64) * width).astype(">i4")
    raw = _code_bytes(codes, width, ">").view(np.uint8)
    size = 4 + ends.nbytes + len(raw) + 4 - width
    head = bytes([1, width]) + _i32(size) + _i32(len(ends))
    return [head, ends.view(np.uint8).data, raw.data, bytes(4 - width)]


def dictionary_array(name: str, dictionary: Dictionary) -> pa.LargeStringArray:
    """Return a column's dictionary as an Arrow array, checked: distinct, in Java's order, null first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if isinstance(dictionary, pa.Array | pa.ChunkedArray):
            array = dictionary.cast(pa.large_string())
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        else:
            array = pa.array(dictionary, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, pa.ArrowNotImplementedError) as e:
        raise bad_column(name, f"its dictionary is not made of strings: {e}") from e
    if array.null_count > 1 or (array.null_count and array[0].is_valid):
        raise bad_column(name, "null stands in its dictionary elsewhere than in front")
    if array.offset:
        array = pa.concat_arrays([array, array[:0]])
    keys = java_keys(array)
    first = array.null_count
    if not pc.all(pc.less(keys[first:-1], keys[first + 1 :]), min_count=0).as_py():
        raise bad_column(name, "its dictionary is not strictly ascending in Java's order")
    return array


def encode_dictionary(array: pa.LargeStringArray) -> Pieces:
    """Encode a checked dictionary, vectorised."""
    offsets, raw = value_buffers(array)
    head, out = encode_items(raw, np.diff(offsets), "dictionary", is_sorted=True)
    if array.null_count:
        return [head, b"\xff" * _MARKER, out[_MARKER:].data]
    return [head, out.data]


def value_buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of a large_string or large_binary array's values, from 0 on, and their bytes."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    raw = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], raw


def encode_items(raw: np.ndarray, lengths: np.ndarray, part: str, is_sorted: bool = False) -> tuple[bytes, np.ndarray]:
    """Encode a list of items that lie one after another in `raw`: its header, and its values with their markers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    head = list_header(lengths, is_sorted, part)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    items = pa.Array.from_buffers(pa.large_binary(), len(lengths), [None, pa.py_buffer(bounds), pa.py_buffer(raw)])
    marker, nothing = pa.scalar(bytes(_MARKER), items.type), pa.scalar(b"", items.type)
    marked = pc.binary_join_element_wise(marker, items, nothing)
    return head, value_buffers(marked)[1]
