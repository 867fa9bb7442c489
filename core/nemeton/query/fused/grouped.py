"""The compiled pass over the rows of one segment: from aggregators, keys and a condition to the states of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from attrs import frozen

from nemeton.query.fused import codes as op
from nemeton.query.fused.arithmetic import Operand, column, in_register, is_finite, operand
from nemeton.query.fused.columns import NumberColumn, StringCodes
from nemeton.query.fused.conditions import add_conditions
from nemeton.query.fused.program import NotFusedError, Program, instructions
from nemeton.query.source import BLOCK_ROWS
from nemeton.query.vectors import DTYPES, Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import AggregatorFactory, DimFilter, QueryControl

Key = Callable[[Program], "tuple[int, ...]"]
ROWS = 1 << 19  #: between two looks at whether the query is to stop
_TALLIES = 12_288  #: counts of codes that stay in the nearest cache
_KINDS = {
    "add": (op.SUM_F, op.SUM_I),
    "minimum": (op.MIN_F, op.MIN_I),
    "maximum": (op.MAX_F, op.MAX_I),
}
_REDUCE: dict[str, Callable[..., Array]] = {
    "add": np.add.reduce,
    "minimum": np.minimum.reduce,
    "maximum": np.maximum.reduce,
}


@frozen(eq=False)
class _Take:
    """How the numbers of one aggregator are found: in a column of the states, or of the tally of some codes."""

    factory: Any
    place: int
    table: Array | None = None
    """The values of the codes whose tally begins at `place`."""

    @property
    def dtype(self) -> Any:
        """Of the states."""
        return DTYPES[self.factory.number_type]


class FusedPass:
    """A program, and what becomes of its states. For one thread; may be run several times."""

    def __init__(self, program: Program, num_groups: int | None) -> None:
        """`num_groups` is None for a single group without keys."""
        self._program = program
        self._groups = 1 if num_groups is None else num_groups
        self._has_keys = num_groups is not None
        self._takes: list[_Take | None] = []
        self._columns: list[Any] = []  # the identities of the states
        self._tallies: dict[int, tuple[int, int]] = {}  # by input: where, and how many codes
        self._num_tallies = 0
        self._rows = ROWS
        self._spread = 8 if self._groups <= 16 else 4 if self._groups <= 64 else 2 if self._groups <= 256 else 1

    @classmethod
    def plan(
        cls,
        source: SegmentSource,
        factories: Sequence[AggregatorFactory],
        condition: DimFilter | None,
        keys: Sequence[Key],
        num_groups: int | None,
    ) -> FusedPass | None:
        """The pass, or None where it cannot be: something is no number, may be null, or is no arithmetic.

        The factories name their `kernel`; `keys` add what they read and return an instruction.
        """
        program = Program(source)
        made = cls(program, num_groups)
        try:
            for factory in factories:
                made._add(factory)
            program.keys.extend(key(program) for key in keys)
            if condition is not None and add_conditions(program, condition):
                made._rows = BLOCK_ROWS
        except NotFusedError:
            return None
        return made if keys or condition is not None or program.takes else None

    def _add(self, factory: Any) -> None:
        if factory.kernel == "count":
            self._takes.append(None)
            return
        kind = factory.number_type
        text = factory.expression
        numbers = operand(self._program, text) if text is not None else column(self._program, factory.field_name)
        numbers = numbers.converted(kind)
        place = self._tally(numbers)
        if place is not None:
            self._takes.append(_Take(factory, place, numbers.table))
            return
        register = in_register(self._program, numbers, kind)
        place = len(self._columns) + self._has_keys
        self._columns.append(DTYPES[kind](factory.identity))
        self._program.takes.append((_KINDS[factory.kernel][kind == "LONG"], place, register))
        self._takes.append(_Take(factory, place))

    def _tally(self, numbers: Operand) -> int | None:
        """Where the tally of the numbers' codes begins; None where that is no good."""
        if numbers.codes is None or numbers.table is None or not is_finite(numbers.table):
            return None
        known = self._tallies.get(numbers.codes)
        if known is not None:
            return known[0]
        size = len(numbers.table)
        if self._groups * self._spread * size > _TALLIES:
            return None
        place = self._num_tallies
        self._tallies[numbers.codes] = place, size
        self._num_tallies += self._groups * self._spread * size
        self._program.takes.append((op.TALLY, place, numbers.codes, size))
        return place

    def run(self, ranges: Sequence[tuple[int, int]], control: QueryControl) -> tuple[Array, list[Array | None]]:
        """Of the rows in the ranges: how many each group has, and the numbers of each aggregator but counts."""
        from nemeton.query.fused import compiled

        program, kernel = self._program, cast("Any", compiled.run)
        lanes, states = self._empty()
        tallies = np.zeros(self._num_tallies, dtype=np.uint32)
        parts = [instructions(each) for each in (program.conditions, program.keys, program.steps, program.takes)]
        registers, total = program.registers(), 0
        for first, last in ranges:
            for start in range(first, last, self._rows):
                control.check()
                stop = min(start + self._rows, last)
                inputs, kept = program.inputs(start, stop)
                total += kernel(
                    *parts, inputs, registers, lanes, states, tallies, self._spread, stop - start
                )  # fmt: skip
                del kept
        return self._found(lanes, states, tallies, total)

    def _empty(self) -> tuple[Array, Array]:
        """States that have seen nothing: by place within a chunk, and by group."""
        width = len(self._columns)
        lanes = np.zeros((0 if self._has_keys else width, op.CHUNK))
        states = np.zeros((self._groups * self._spread if self._has_keys else 1, 1 + width))
        for place, identity in enumerate(self._columns):
            if identity != 0:
                column = states[:, place + 1] if self._has_keys else lanes[place]
                column.view(identity.dtype)[:] = identity
        return lanes, states

    def _found(
        self, lanes: Array, states: Array, tallies: Array, total: int
    ) -> tuple[Array, list[Array | None]]:  # fmt: skip
        by_group = states.reshape(-1, self._spread if self._has_keys else 1, states.shape[1])
        counts = by_group[:, :, 0].view(np.int64).sum(axis=1) if self._has_keys else np.array([total], dtype=np.int64)
        found: list[Array | None] = []
        for take in self._takes:
            if take is None:
                found.append(None)
            elif take.table is not None:
                found.append(self._of_tally(take, tallies))
            elif self._has_keys:
                column = by_group[:, :, take.place].view(take.dtype)
                found.append(_REDUCE[take.factory.kernel](column, axis=1))
            else:
                found.append(_REDUCE[take.factory.kernel](lanes[take.place : take.place + 1].view(take.dtype), axis=1))
        return counts, found

    def _of_tally(self, take: _Take, tallies: Array) -> Array:
        table = take.table
        assert table is not None
        size = self._groups * self._spread * len(table)
        counts = tallies[take.place : take.place + size].reshape(self._groups, self._spread, len(table)).sum(axis=1)
        if take.factory.kernel == "add":
            with np.errstate(over="ignore"):
                found: Array = counts.astype(table.dtype) @ table
            return found
        return _REDUCE[take.factory.kernel](np.where(counts > 0, table, take.factory.identity), axis=1)


def string_key(program: Program, name: str, factor: int) -> tuple[int, ...]:
    """The codes of a dimension, `factor` apart."""
    strings = StringCodes.of(program.source, name)
    return op.KEY_OF_WIDTH[strings.dtype.itemsize], program.rows(("strings", name), strings.codes), factor


def number_key(program: Program, name: str, factor: int, low: int) -> tuple[int, ...]:
    """The longs of a dimension as distances from the least, `factor` apart."""
    numbers = NumberColumn.of(program.source, name)
    return op.KEY_I64, program.rows(("values", name), numbers.values), factor, low
