"""Cutting a stream of bytes into pieces of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

CHUNK_BYTES = 16 << 20
SAMPLE_BYTES = 64 << 10
"""Chunks of so few bytes when only some records are looked at."""

MAX_RECORD_BYTES = 128 << 20
"""A chunk grows up to here while it holds no complete line; then it is cut as it is."""

_PIECE_BYTES = 1 << 18  # stays in the processor's cache
_LINE_END = ord("\n")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def count_lines(chunk: bytes) -> int:
    """How many lines a chunk has; the last one may be without its line end."""
    raw = np.frombuffer(chunk, dtype=np.uint8)  # bytes.count takes ten times as long
    pieces = (raw[at : at + _PIECE_BYTES] for at in range(0, len(raw), _PIECE_BYTES))
    return sum(int(np.count_nonzero(piece == _LINE_END)) for piece in pieces) + (not chunk.endswith(b"\n"))


def line_chunks(stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Read the stream in chunks that end with a line (the last one perhaps without its line end).

    A byte order mark at the start is dropped.
    """
    rest = b""  # has no line end
    first = True
    while True:
        data = _fill(stream, chunk_bytes)
        if not data:
            break
        if first:
            data = data.removeprefix(BYTE_ORDER_MARK)
            first = False
        cut = data.rfind(b"\n") + 1
        if not cut and len(rest) + len(data) >= MAX_RECORD_BYTES:
            cut = len(data)
        if cut:
            yield b"".join((rest, memoryview(data)[:cut]))
            rest = data[cut:]
        else:
            rest += data
    if rest:
        yield rest


def _fill(stream: BinaryIO, size: int) -> bytes:
    """That many bytes, also of a stream that gives fewer at a time; fewer only at its end."""
    data = stream.read(size)
    if len(data) in (0, size):
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def skip_lines(stream: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Drop the first lines of a stream of chunks."""
    for chunk in stream:
        at = 0
        while count and at < len(chunk):
            end = chunk.find(b"\n", at)
            at = len(chunk) if end < 0 else end + 1
            count -= 1
        if at < len(chunk):
            yield chunk[at:] if at else chunk
