"""GenericIndexed: the list of byte strings that dictionaries, bitmaps and blocks are stored in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.errors import corrupt
from nemeton.segment.smoosh import SmooshReader

_MARKER = 4
_NULL_MARKER = b"\xff\xff\xff\xff"
_MAX_SIZE = 2**31 - 1


@frozen
class GenericIndexed:
    """A lazily read list; an element costs two offset reads and a slice.

    Version 1 keeps all elements in one area; version 2 (columns beyond 2 GiB) spreads them over files of
    `2**log2_per_area` elements, whose offsets start anew in each file.
    """

    part: str
    is_sorted: bool
    ends: np.ndarray
    areas: tuple[memoryview, ...]
    log2_per_area: int = 31

    @classmethod
    def read(cls, reader: ByteReader, smoosh: SmooshReader | None = None) -> GenericIndexed:
        """Read the list at the reader's position; `smoosh` is needed for version 2 alone."""
        version = reader.u8()
        is_sorted = reader.u8() == 1
        if version == 1:
            body = ByteReader(reader.take(reader.size("size of list")), reader.part)
            count = body.size("number of elements")
            ends = np.frombuffer(body.take(4 * count), ">i4")
            return cls(reader.part, is_sorted, ends, (body.rest(),))
        if version == 2 and smoosh is not None:
            return cls._read_v2(reader, smoosh, is_sorted)
        raise corrupt(reader.part, f"unknown version {version} of a list")

    @classmethod
    def _read_v2(cls, reader: ByteReader, smoosh: SmooshReader, is_sorted: bool) -> GenericIndexed:
        log2, count, base = reader.i32(), reader.size("number of elements"), reader.str32("name of value files")
        if not 0 <= log2 < 31:
            raise corrupt(reader.part, f"2^{log2} elements per value file")
        header = smoosh.file(f"{base}_header")
        if len(header) < 4 * count:
            raise corrupt(f"{base}_header", f"{len(header)} bytes for {count} elements")
        files = -(-count // (1 << log2))
        areas = tuple(smoosh.file(f"{base}_value_{i}") for i in range(files))
        return cls(reader.part, is_sorted, np.frombuffer(header[: 4 * count], "<i4"), areas, log2)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def num_bytes(self) -> int:
        """The bytes of all elements with what is stored to find them."""
        return sum(map(len, self.areas)) + 4 * len(self.ends)

    def _slice(self, index: int) -> memoryview:
        """Return marker and payload of an element."""
        if not 0 <= index < len(self.ends):
            raise IndexError(index)
        first = index & ((1 << self.log2_per_area) - 1) == 0
        start, stop = 0 if first else int(self.ends[index - 1]), int(self.ends[index])
        area = self.areas[index >> self.log2_per_area]
        if not 0 <= start <= stop - _MARKER or stop > len(area):
            raise corrupt(self.part, f"element {index} lies at {start} to {stop} of {len(area)} bytes")
        return area[start:stop]

    def get(self, index: int) -> memoryview | None:
        """Return the payload of an element, None for null; raises IndexError outside the list."""
        element = self._slice(index)
        return None if len(element) == _MARKER and element == _NULL_MARKER else element[_MARKER:]

    def __getitem__(self, index: int) -> memoryview:
        """Return the payload of an element, empty for null."""
        return self._slice(index)[_MARKER:]

    def spans(self) -> Iterator[tuple[memoryview, np.ndarray]]:
        """Yield each area with the checked bounds of its elements: n+1 positions, markers included, the first is 0."""
        step = 1 << self.log2_per_area
        for number, area in enumerate(self.areas):
            bounds = np.zeros(min(step, len(self.ends) - number * step) + 1, np.int64)
            bounds[1:] = self.ends[number * step : number * step + len(bounds) - 1]
            if (np.diff(bounds) < _MARKER).any() or bounds[-1] > len(area):
                raise corrupt(self.part, "offsets of a list do not ascend or lie outside of it")
            yield area, bounds


def encode_list(elements: Sequence[bytes | memoryview | None], is_sorted: bool = False) -> list[bytes | memoryview]:
    """Encode a list as version 1, in pieces to be written one after the other."""
    lengths = np.fromiter((0 if e is None else len(e) for e in elements), np.int64, len(elements))
    pieces: list[bytes | memoryview] = [list_header(lengths, is_sorted, "list")]
    for element in elements:
        pieces.append(_NULL_MARKER if element is None else b"\0\0\0\0")
        if element is not None:
            pieces.append(element)
    return pieces


def list_header(lengths: np.ndarray, is_sorted: bool, part: str) -> bytes:
    """Encode what precedes the values area of a version 1 list, for payloads of these lengths."""
    ends = np.cumsum(np.asarray(lengths, np.int64) + _MARKER)
    values_size = int(ends[-1]) if len(ends) else 0
    size = 4 + 4 * len(ends) + values_size
    if size > _MAX_SIZE:
        from nemeton.common.errors import unsupported

        raise unsupported(f"[{part}] takes {size} bytes, more than 2 GiB; make more partitions")
    head = bytes([1, int(is_sorted)]) + size.to_bytes(4, "big") + len(ends).to_bytes(4, "big")
    return head + ends.astype(">i4").tobytes()
