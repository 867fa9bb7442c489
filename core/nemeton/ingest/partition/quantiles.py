"""A quantiles sketch of string tuples: where to cut a distribution into parts of about the same size.

The classic quantiles sketch of Apache DataSketches with k = 4096, bytes included, so that sub tasks of a real Druid and
ours can report to each other's supervisor tasks. Up to 8191 tuples it is exact; beyond, ranks are off by 0.1% or less.
"""

from __future__ import annotations

import itertools
import math
import random
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, field

from nemeton.common.errors import invalid_input
from nemeton.ingest.partition.buckets import PartitionBoundaries
from nemeton.ingest.partition.tuples import StringTuple, frame_of, sorted_order

if TYPE_CHECKING:
    import polars as pl

K = 4096
_PRE_LONGS, _SERIAL_VERSION, _FAMILY = 2, 3, 8
_EMPTY, _COMPACT, _ORDERED = 4, 8, 16


@define
class TupleSketch:
    """Takes tuples of ``width`` strings. ``levels[i]``: k tuples in order, each standing for 2^(i+1), or None."""

    width: int
    count: int = 0
    smallest: StringTuple | None = None
    largest: StringTuple | None = None
    base: pl.DataFrame | None = None
    levels: list[pl.DataFrame | None] = field(factory=list)
    _random: random.Random = field(factory=lambda: random.Random(0))

    def update(self, tuples: pl.DataFrame) -> None:
        """Take tuples, as `tuples_of` gives them."""
        if not tuples.height:
            return
        self.count += tuples.height
        order = sorted_order(tuples)
        self._note_bounds(tuples.row(int(order[0])), tuples.row(int(order[-1])))
        self._add(tuples)

    def note(self, value: StringTuple) -> None:
        """Take a tuple only if it is less or greater than all before (Druid: ``putIfNewMin``, ``putIfNewMax``)."""
        frame = frame_of([value, *(b for b in (self.smallest, self.largest) if b is not None)], self.width)
        order = sorted_order(frame).to_list()
        if self.count == 0 or (0 in (order[0], order[-1]) and value not in (self.smallest, self.largest)):
            self.update(frame[:1])

    def merge(self, other: TupleSketch) -> None:
        """Take what another sketch has taken."""
        if not other.count:
            return
        assert other.smallest is not None
        assert other.largest is not None
        self.count += other.count
        self._note_bounds(other.smallest, other.largest)
        if other.base is not None:
            self._add(other.base)
        for level, tuples in enumerate(other.levels):
            if tuples is not None:
                self._carry(tuples, level)

    def even_boundaries(self, *, target_rows: int | None, max_rows: int | None) -> PartitionBoundaries:
        """Ranges of about ``target_rows``, or of at most ``max_rows`` as far as the sketch can tell."""
        if target_rows is not None:
            parts = max(1, math.floor(self.count / target_rows + 0.5))
        else:
            assert max_rows is not None
            error = 1.854 / K**0.9657 * self.count if self.count >= 2 * K else 0.0
            parts = max(1, math.ceil(self.count / max(1, math.floor(max_rows - error))))
        return PartitionBoundaries.at(self.quantiles(parts)) if self.count else PartitionBoundaries()

    def quantiles(self, parts: int) -> list[StringTuple]:
        """The tuples at the ranks 0, 1/parts, …, 1."""
        import polars as pl

        weighted = [(self.base, 1)] if self.base is not None else []
        weighted += [(tuples, 2 << level) for level, tuples in enumerate(self.levels) if tuples is not None]
        frame = pl.concat([tuples for tuples, _ in weighted])
        weights = np.concatenate([np.full(tuples.height, weight, dtype=np.int64) for tuples, weight in weighted])
        order = sorted_order(frame)
        cumulative = np.cumsum(weights[order.to_numpy()])
        total = int(cumulative[-1])
        ranks = np.array([total * i // parts for i in range(parts + 1)])
        places = np.minimum(np.searchsorted(cumulative, ranks, side="right"), frame.height - 1)
        return frame[order.gather(places)].rows()

    def _note_bounds(self, low: StringTuple, high: StringTuple) -> None:
        known = [bound for bound in (self.smallest, self.largest) if bound is not None]
        frame = frame_of([low, high, *known], self.width)
        order = sorted_order(frame)
        self.smallest, self.largest = frame.row(int(order[0])), frame.row(int(order[-1]))

    def _add(self, tuples: pl.DataFrame) -> None:
        """Put tuples of weight 1 into the base buffer; each full buffer goes up a level as half as many."""
        import polars as pl

        base = tuples if self.base is None else pl.concat([self.base, tuples])
        while base.height >= 2 * K:
            self._carry(self._halved(base[: 2 * K]), 0)
            base = base[2 * K :]
        self.base = base if base.height else None

    def _carry(self, tuples: pl.DataFrame, level: int) -> None:
        import polars as pl

        self.levels += [None] * (level + 1 - len(self.levels))
        there = self.levels[level]
        if there is None:
            self.levels[level] = tuples
            return
        self.levels[level] = None
        self._carry(self._halved(pl.concat([there, tuples])), level + 1)

    def _halved(self, tuples: pl.DataFrame) -> pl.DataFrame:
        """Every other one in order, beginning with either of the first two by chance."""
        return tuples[sorted_order(tuples)].gather_every(2, self._random.randint(0, 1))

    # ---- bytes

    def to_bytes(self) -> bytes:
        """As DataSketches writes it (compact, base buffer first)."""
        if not self.count:
            return struct.pack("<BBBBHxx", 1, _SERIAL_VERSION, _FAMILY, _EMPTY | _COMPACT, K)
        head = struct.pack("<BBBBHxxq", _PRE_LONGS, _SERIAL_VERSION, _FAMILY, _COMPACT, K, self.count)
        assert self.smallest is not None
        assert self.largest is not None
        parts = [self.base] if self.base is not None else []
        parts += [tuples for tuples in self.levels if tuples is not None]
        rows = itertools.chain([self.smallest, self.largest], *(tuples.rows() for tuples in parts))
        return head + b"".join(map(_tuple_bytes, rows))

    @classmethod
    def from_bytes(cls, data: bytes) -> TupleSketch:
        """From DataSketches' bytes. Raises invalid_input for anything else."""
        try:
            return cls._read(data)
        except (struct.error, IndexError, UnicodeDecodeError, StopIteration) as e:
            raise invalid_input(f"A sketch of a dimension's distribution cannot be read: {e}") from e

    @classmethod
    def _read(cls, data: bytes) -> TupleSketch:
        _, version, family, flags, k = struct.unpack_from("<BBBBH", data)
        if (version, family, k) != (_SERIAL_VERSION, _FAMILY, K):
            raise invalid_input(f"Not a quantiles sketch with k = {K}: version[{version}], family[{family}], k[{k}]")
        if flags & _EMPTY:
            return cls(1)
        (count,) = struct.unpack_from("<q", data, 8)
        tuples = _tuples(data, 16)
        smallest, largest = next(tuples), next(tuples)
        width = len(smallest)
        sketch = cls(width, count, smallest, largest)
        base = [next(tuples) for _ in range(count % (2 * K))]
        sketch.base = frame_of(base, width) if base else None
        pattern = count // (2 * K)
        for level in range(pattern.bit_length()):
            here = [next(tuples) for _ in range(K)] if pattern >> level & 1 else None
            sketch.levels.append(None if here is None else frame_of(here, width))
        return sketch


def _tuple_bytes(row: StringTuple) -> bytes:
    encoded = [None if value is None else value.encode() for value in row]
    body = b"".join(struct.pack("<i", -1) if v is None else struct.pack("<i", len(v)) + v for v in encoded)
    return struct.pack("<ii", len(row), len(body)) + body


def _tuples(data: bytes, at: int) -> Iterator[StringTuple]:
    while at < len(data):
        width, size = struct.unpack_from("<ii", data, at)
        at += 8
        end, values = at + size, list[str | None]()
        for _ in range(width):
            (length,) = struct.unpack_from("<i", data, at)
            at += 4
            if length < 0:
                values.append(None)
                continue
            if at + length > len(data):
                raise IndexError("it is cut off")
            values.append(data[at : at + length].decode())
            at += length
        if at != end:
            raise IndexError("a tuple is longer or shorter than it says")
        yield tuple(values)
