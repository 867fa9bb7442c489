"""About how many bytes tables of groups take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from attrs import frozen

from nemeton.query.engines.table import GroupTable
from nemeton.query.packing import arrays_of
from nemeton.query.vectors import AnyVector, NumericVector, StringVector
from nemeton.spi.query import AggregatorFactory

_OBJECT_BYTES = 64  # what Python needs for a string or a list besides its content
_USUAL_STRING = _OBJECT_BYTES + 16
_SAMPLE = 16
_WORTH_LOOKING = 1 << 22


@frozen
class TableSize:
    """Bytes of a table in all, and of the strings among them."""

    total: int
    strings: int

    def __add__(self, other: TableSize) -> TableSize:
        return TableSize(self.total + other.total, self.strings + other.strings)


NOTHING = TableSize(0, 0)


def table_size(table: GroupTable, aggregators: Sequence[AggregatorFactory]) -> TableSize:
    """An estimate that costs little, also for tables of few groups."""
    strings = sum(_strings_bytes(vector) for vector in table.dimensions if isinstance(vector, StringVector))
    arrays = table.times.nbytes + sum(_plain_bytes(vector) for vector in table.dimensions)
    states = sum(_state_bytes(f, state, table.num_groups) for f, state in zip(aggregators, table.states, strict=True))
    return TableSize(strings + arrays + states, strings)


def _plain_bytes(vector: AnyVector) -> int:
    if isinstance(vector, NumericVector):
        return vector.values.nbytes + (0 if vector.nulls is None else vector.nulls.nbytes)
    if isinstance(vector, StringVector):
        return vector.codes.nbytes
    sample = vector.take(_some(len(vector))).to_list()
    return _scaled(len(msgspec.msgpack.encode(sample, enc_hook=str)), len(sample), len(vector))


def _strings_bytes(vector: StringVector) -> int:
    """The strings that the vector uses. Their lengths are looked at only when there may be much of them."""
    used = min(vector.dictionary.size, len(vector))
    if used * _USUAL_STRING < _WORTH_LOOKING:
        return used * _USUAL_STRING
    sample = vector.take(_some(len(vector))).to_list()
    return used * (_OBJECT_BYTES + sum(len(value or "") for value in sample) // len(sample))


def _state_bytes(factory: AggregatorFactory, state: Any, count: int) -> int:
    arrays = arrays_of(state)
    if arrays is not None:
        return sum(array.nbytes for array in arrays)
    if not count:
        return 0
    some = _some(count)
    wire = factory.to_wire(factory.take(state, some))
    return _scaled(len(msgspec.msgpack.encode(wire, enc_hook=str)), len(some), count)


def _some(count: int) -> Any:
    """Places of a few rows, spread over all."""
    return np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64)


def _scaled(size: int, sampled: int, count: int) -> int:
    return 0 if not sampled else count * (_OBJECT_BYTES + size // sampled)
