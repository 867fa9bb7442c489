"""Encoding of what auto columns and documents are made of: lists of fixed width, arrays, blobs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.compression import MAX_BLOCK_BYTES, Compressor
from nemeton.segment.encode import Pieces
from nemeton.segment.encode_strings import shared_lengths, vbytes
from nemeton.segment.typed_values import Arrays

_HAS_NULL, _IS_SORTED = 1, 2
_BUCKET = 4


def vbyte(value: int) -> bytes:
    """Druid's variable-length int: 7 bits a byte, low bits first, the last byte has its top bit set."""
    return vbytes(np.array([value], np.int64)).tobytes()


def encode_fixed(values: NDArray[np.generic], has_null: bool = False) -> Pieces:
    """A sorted list of fixed-width values; a null, first in order, is not stored."""
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    flags = _IS_SORTED | (_HAS_NULL if has_null else 0)
    return [bytes([0, flags]) + len(values).to_bytes(4, "little"), raw.view(np.uint8).tobytes()]


def encode_arrays(arrays: Arrays) -> Pieces:
    """A dictionary of arrays, in order: in buckets of four, each array without what it begins with like the last."""
    lengths, count = arrays.lengths, len(arrays)
    numbers = np.arange(count)
    shared = shared_lengths(arrays.elements, arrays.offsets, np.maximum(numbers - 1, 0), numbers % _BUCKET != 0)
    elements = arrays.elements.astype("<i4")
    out = bytearray()
    ends = []
    starts = arrays.offsets.tolist()
    for i, (length, prefix) in enumerate(zip(lengths.tolist(), shared.tolist(), strict=True)):
        if i % _BUCKET == 0:
            if i:
                ends.append(len(out))
        else:
            out += vbyte(prefix)
        out += vbyte(length - prefix)
        out += elements[starts[i] + prefix : starts[i] + length].tobytes()
    body = np.array(ends, "<i4").tobytes() + bytes(out)
    return [bytes([0, _BUCKET, 0]) + vbyte(count) + vbyte(len(body)), body]


def encode_block_file(raw: memoryview, to: Compressor) -> Pieces:
    """A run of bytes in blocks of 64 KiB, at least one."""
    blocks = [to.compress(raw[at : at + MAX_BLOCK_BYTES]) for at in range(0, max(len(raw), 1), MAX_BLOCK_BYTES)]
    ends = np.cumsum([len(block) for block in blocks]).astype("<i4")
    head = bytes([1, to.codec]) + MAX_BLOCK_BYTES.to_bytes(4, "big") + len(blocks).to_bytes(4, "big")
    return [head, ends.tobytes(), *blocks]


def encode_blobs(name: str, offsets: NDArray[np.int64], data: memoryview, to: Compressor) -> list[tuple[str, Pieces]]:
    """The three files of a column of byte strings: ``offsets`` are their bounds in ``data``, from 0."""
    head: Pieces = [b"\x01" + (len(offsets) - 1).to_bytes(4, "big")]
    ends = np.ascontiguousarray(offsets[1:]).astype("<i8").view(np.uint8).data
    return [
        (name, head),
        (f"{name}_offsets", encode_block_file(ends, to)),
        (f"{name}_compressed", encode_block_file(data, to)),
    ]
