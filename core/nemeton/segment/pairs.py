"""Columns of pairs of a time and a value: what aggregators of first and last values leave in a segment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import define

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.columns import frozen_array
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.object_columns import BYTES_PER_VALUE, ObjectColumn, object_array

_VERSION, _IS_INT_DELTA = 3, 0x80
_BLOCK = 65536
VALUE_KINDS = {
    "serializablePairLongLong": "<i8",
    "serializablePairLongDouble": "<f8",
    "serializablePairLongFloat": "<f4",
}
STRING_PAIRS = "serializablePairLongString"


@define(eq=False)
class PairColumn(ObjectColumn):
    """Tuples (milliseconds, value or None); None for no pair."""

    decode: Callable[[], list[tuple[int, Any] | None]]

    has_nulls = True

    def _read(self, start: int, stop: int) -> np.ndarray:
        pairs: np.ndarray = self.context.cached("pairs", self._load)
        return pairs[start:stop]

    def _load(self) -> tuple[np.ndarray, int]:
        found = self.decode()
        if len(found) != self.num_rows:
            raise corrupt(self.name, f"{len(found)} pairs, but the segment has {self.num_rows} rows")
        return frozen_array(object_array(found)), BYTES_PER_VALUE * len(found)


def read_string_pairs(blobs: GenericIndexed) -> list[tuple[int, Any] | None]:
    """Decode the list form: time, length and bytes, all big-endian; length 0 is null."""
    pairs: list[tuple[int, Any] | None] = []
    for row in range(len(blobs)):
        blob = blobs.get(row)
        if blob is None or not len(blob):
            pairs.append(None)
            continue
        reader = ByteReader(blob, blobs.part)
        time, size = reader.i64(), reader.i32()
        pairs.append((time, str(reader.take(size), "utf-8", "replace") if size > 0 else None))
    return pairs


def read_number_pairs(data: memoryview, part: str, type_name: str) -> list[tuple[int, Any] | None]:
    """Decode the cell form, in which everything is little-endian."""
    reader, kind = ByteReader(data, part), VALUE_KINDS[type_name]
    version, encoding = reader.u8(), reader.u8()
    if version != _VERSION:
        raise corrupt(reader.part, f"unknown version {version} of pairs")
    reader.take(2)
    smallest = int(np.frombuffer(reader.take(8), "<i8")[0])
    index = _payload(reader, "index")
    if len(index) % 8:
        raise corrupt(reader.part, f"an index of {len(index)} bytes")
    ends = index.view("<i8")
    cells = _payload(reader, "cells")
    if not len(ends) or (np.diff(ends, prepend=0) < 0).any() or int(ends[-1]) > len(cells):
        raise corrupt(reader.part, "bounds of cells do not ascend or lie outside of them")
    return _cells(reader.part, ends, cells, smallest, "<i4" if encoding & _IS_INT_DELTA else "<i8", kind)


def _cells(
    part: str, bounds: np.ndarray, data: np.ndarray, smallest: int, delta: str, kind: str
) -> list[tuple[int, Any] | None]:
    starts, sizes = bounds[:-1], np.diff(bounds)
    head = np.dtype(delta).itemsize
    full = head + 1 + np.dtype(kind).itemsize
    if not np.isin(sizes, (0, head + 1, full)).all():
        raise corrupt(part, "a cell has a length that no pair has")
    there, valued = np.flatnonzero(sizes), np.flatnonzero(sizes == full)
    if (data[starts[there] + head] != (sizes[there] == head + 1)).any():
        raise corrupt(part, "a cell says of its value what its length does not")
    times = _gather(data, starts[there], delta).astype(np.int64) + smallest
    pairs: list[tuple[int, Any] | None] = [None] * len(starts)
    for row, time in zip(there.tolist(), times.tolist(), strict=True):
        pairs[row] = (time, None)
    values = _gather(data, starts[valued] + head + 1, kind).tolist()
    for row, value in zip(valued.tolist(), values, strict=True):
        time = pairs[row]
        assert time is not None
        pairs[row] = (time[0], value)
    return pairs


def _gather(data: np.ndarray, starts: np.ndarray, kind: str) -> np.ndarray:
    """Values of a fixed width from anywhere in the bytes."""
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(data[starts[:, None] + np.arange(width)]).view(kind).reshape(-1)


def _payload(reader: ByteReader, what: str) -> np.ndarray:
    """Decompress a run of LZ4 blocks: the starts of the blocks, one more than there are, then the blocks."""
    body = reader.sub(reader.take(_i32le(reader)), what)
    size = _i32le(body)
    if size % 4:
        raise corrupt(body.part, f"{size} bytes of starts of blocks")
    starts = np.frombuffer(body.take(size), "<i4").astype(np.int64)
    blocks = body.take(_i32le(body))
    if len(starts) and ((np.diff(starts) < 0).any() or starts[0] < 0 or starts[-1] > len(blocks)):
        raise corrupt(body.part, "starts of blocks do not ascend or lie outside of them")
    raw = [_block(blocks[int(begin) : int(end)], body.part) for begin, end in pairwise(starts)]
    if any(len(block) != _BLOCK for block in raw[:-1]):
        raise corrupt(body.part, "a block that is not the last is not full")
    return np.frombuffer(b"".join(raw), np.uint8)


def _block(block: memoryview, part: str) -> bytes:
    """Its raw size stands nowhere: all but the last have 64 KiB."""
    import lz4.block

    try:
        return lz4.block.decompress(block, uncompressed_size=_BLOCK)  # type: ignore[no-any-return]
    except (lz4.block.LZ4BlockError, ValueError) as e:
        raise corrupt(part, f"a block of {len(block)} bytes does not decompress: {e}") from e


def _i32le(reader: ByteReader) -> int:
    value = int.from_bytes(reader.take(4), "little", signed=True)
    if value < 0:
        raise corrupt(reader.part, f"a length is negative: {value}")
    return value
