"""Dictionaries of arrays: each value is a list of ids of other values."""

from __future__ import annotations

import numpy as np

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.errors import corrupt

_BUCKET = 4


def read_int_arrays(reader: ByteReader, order: str) -> list[list[int]]:
    """Decode a front-coded list of int arrays: in a bucket of four each shares a beginning with the one before it."""
    version, bucket_size, has_null = reader.u8(), reader.u8(), reader.u8()
    if version != 0 or bucket_size != _BUCKET or has_null:
        raise corrupt(reader.part, f"version {version} of a dictionary of arrays with buckets of {bucket_size}")
    count, size = reader.vbyte(), reader.vbyte()
    body = ByteReader(reader.take(size), reader.part)
    buckets = -(-count // _BUCKET)
    ends = np.frombuffer(body.take(4 * max(buckets - 1, 0)), f"{order}i4").tolist()
    data = body.rest()
    arrays: list[list[int]] = []
    starts = [0, *ends] if buckets else []
    for start, end in zip(starts, [*ends, len(data)], strict=False):
        if not 0 <= start <= end <= len(data):
            raise corrupt(reader.part, "offsets of buckets do not ascend")
        arrays += _bucket(ByteReader(data[start:end], reader.part), min(_BUCKET, count - len(arrays)), order)
    return arrays


def _bucket(reader: ByteReader, count: int, order: str) -> list[list[int]]:
    arrays: list[list[int]] = []
    previous: list[int] = []
    for number in range(count):
        shared = reader.vbyte() if number else 0
        if shared > len(previous):
            raise corrupt(reader.part, f"a prefix of {shared} of an array of {len(previous)}")
        own = np.frombuffer(reader.take(4 * reader.vbyte()), f"{order}i4").tolist()
        previous = previous[:shared] + own
        arrays.append(previous)
    return arrays
