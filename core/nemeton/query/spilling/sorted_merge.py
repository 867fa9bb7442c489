"""Streams of groups in order of their keys, merged block by block."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from nemeton.query.engines.table import GroupTable, merge_tables, natural_order, object_key
from nemeton.query.vectors import AnyVector, Array, Dictionary, NumericVector, StringVector, is_missing, used_codes
from nemeton.spi.query import AggregatorFactory, QueryControl

Blocks = Iterator[GroupTable]
"""Tables whose rows are in order, within each and from one to the next; no group comes twice."""

RowKey = tuple[Any, ...]


class Ordering(Protocol):
    """An order of groups, in which no two are equal."""

    def order(self, table: GroupTable) -> Array:
        """The rows of the table in order."""
        ...

    def keys(self, table: GroupTable) -> Callable[[int], RowKey]:
        """What makes a key of a row. Keys of any tables compare as their rows do, and are equal only for one group."""
        ...


class NaturalOrdering:
    """By time, then by the dimensions' values."""

    def order(self, table: GroupTable) -> Array:
        """See `Ordering`."""
        return natural_order(table.times, table.dimensions)

    def keys(self, table: GroupTable) -> Callable[[int], RowKey]:
        """See `Ordering`."""
        makers = [value_keys(vector) for vector in table.dimensions]
        times = table.times

        def key(row: int) -> RowKey:
            return (int(times[row]), *(make(row) for make in makers))

        return key


NATURAL = NaturalOrdering()


def in_order(
    table: GroupTable, aggregators: Sequence[AggregatorFactory], block_rows: int, ordering: Ordering = NATURAL
) -> Blocks:
    """The rows of a table in order, in blocks."""
    order = ordering.order(table)
    for at in range(0, len(order), block_rows):
        yield table.take(order[at : at + block_rows], aggregators)


def merge_blocks(
    streams: Sequence[Blocks],
    aggregators: Sequence[AggregatorFactory],
    control: QueryControl,
    ordering: Ordering = NATURAL,
) -> Blocks:
    """Streams merged into one, aggregates of equal groups too. Holds one block of each stream."""
    heads = [head for head in (_Head(stream, aggregators, ordering) for stream in streams) if head.refill()]
    while len(heads) > 1:
        control.check()
        bound = min(head.last_key() for head in heads)
        parts = [part for part in (head.take_until(bound) for head in heads) if part is not None]
        yield parts[0] if len(parts) == 1 else _merged(parts, aggregators, ordering)
        heads = [head for head in heads if head.refill()]
    for head in heads:
        for block in head.rest():
            control.check()
            yield block


def _merged(parts: Sequence[GroupTable], aggregators: Sequence[AggregatorFactory], ordering: Ordering) -> GroupTable:
    table = merge_tables(parts, aggregators, len(parts[0].dimensions))
    return table.take(ordering.order(table), aggregators)


class _Head:
    """The block of a stream that is being merged."""

    def __init__(self, stream: Blocks, aggregators: Sequence[AggregatorFactory], ordering: Ordering) -> None:
        self._stream = stream
        self._ordering = ordering
        self._aggregators = aggregators
        self._block: GroupTable | None = None
        self._keys: Callable[[int], RowKey] = _no_key
        self._at = 0

    def refill(self) -> bool:
        """Have a block with rows; false at the end of the stream."""
        while self._block is None or self._at >= self._block.num_groups:
            self._block = None  # let go of it before the next one is read
            self._block = next(self._stream, None)
            if self._block is None:
                return False
            self._keys, self._at = self._ordering.keys(self._block), 0
        return True

    def last_key(self) -> RowKey:
        """The greatest key of the block."""
        assert self._block is not None
        return self._keys(self._block.num_groups - 1)

    def take_until(self, bound: RowKey) -> GroupTable | None:
        """The rows from where the last ones ended up to the bound, itself included; None for none."""
        assert self._block is not None
        start, stop = self._at, self._block.num_groups
        low = start
        while low < stop:
            middle = (low + stop) // 2
            if self._keys(middle) <= bound:
                low = middle + 1
            else:
                stop = middle
        self._at = low
        return self._slice(start, low) if low > start else None

    def rest(self) -> Blocks:
        """What was not taken."""
        assert self._block is not None
        yield self._slice(self._at, self._block.num_groups)
        yield from self._stream

    def _slice(self, start: int, stop: int) -> GroupTable:
        block = self._block
        assert block is not None
        if (start, stop) == (0, block.num_groups):
            return block
        part = block.take(np.arange(start, stop), self._aggregators)
        part.dimensions = [compact(vector) for vector in part.dimensions]
        return part


def compact(vector: AnyVector) -> AnyVector:
    """Strings with a dictionary of only those that are used; other vectors as they are."""
    if not isinstance(vector, StringVector) or is_missing(vector) or vector.dictionary.size <= len(vector):
        return vector
    used, codes = used_codes(vector)
    values = vector.dictionary.lookup(used).tolist()
    return StringVector(codes, Dictionary(values, len(values), vector.dictionary.is_sorted))


def known_sorted(vector: AnyVector) -> AnyVector:
    """Strings whose dictionary happens to be sorted with one that says so; other vectors as they are."""
    if not isinstance(vector, StringVector) or vector.dictionary.is_sorted:
        return vector
    values = vector.dictionary.values.tolist()
    rest = values[1:] if values and values[0] is None else values
    if None in rest or not all(value.isascii() for value in rest):
        return vector
    if any(later <= earlier for earlier, later in itertools.pairwise(rest)):
        return vector
    return StringVector(vector.codes, Dictionary(values, len(values), is_sorted=True))


def _no_key(row: int) -> RowKey:
    raise IndexError(row)


def value_keys(vector: AnyVector) -> Callable[[int], Any]:
    """What makes a key of a value: keys compare as the values do in natural order, null first."""
    if isinstance(vector, NumericVector):
        return _number_keys(vector)
    if isinstance(vector, StringVector):
        values, codes = vector.dictionary.values, vector.codes
        return lambda row: object_key(values[codes[row]])
    one = np.zeros(1, dtype=np.int64)
    return lambda row: object_key(vector.take(one + row).to_list()[0])


def _number_keys(vector: NumericVector) -> Callable[[int], Any]:
    values, nulls = vector.values, vector.nulls
    make = _float_key if values.dtype.kind == "f" else _int_key

    def key(row: int) -> Any:
        return (0,) if nulls is not None and nulls[row] else make(values[row])

    return key


def _int_key(value: Any) -> tuple[Any, ...]:
    return 1, int(value), 0.0


def _float_key(value: Any) -> tuple[Any, ...]:
    """As Java orders doubles: -0.0 before 0.0, NaN last."""
    number = float(value)
    return (2,) if math.isnan(number) else (1, number, math.copysign(1.0, number))


def checked(blocks: Iterable[GroupTable], fail: Callable[[], Exception]) -> Blocks:
    """Blocks that somebody else says are in order; raises what `fail` gives when they are not."""
    last: RowKey | None = None
    for block in blocks:
        if not block.num_groups:
            continue
        block.dimensions = [known_sorted(vector) for vector in block.dimensions]
        keys = NATURAL.keys(block)
        order = NATURAL.order(block)
        if (last is not None and keys(0) <= last) or (order[1:] < order[:-1]).any():
            raise fail()
        last = keys(block.num_groups - 1)
        yield block
