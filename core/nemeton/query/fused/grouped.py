"""The compiled pass over the rows of one segment: from aggregators, keys and a condition to the states of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

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

    def run(self, ranges: Sequence[tuple[int, int]], control: QueryControl) -> tuple[Array, Array, list[Array | None]]:
        """Of the rows in the ranges: the groups that have any, how many, and the numbers of each aggregator but counts.

        Without keys there is one group, or none.
        """
        program, kernel = self._program, compiled_module().run
        lanes, states = self._empty()
        tallies = np.zeros(self._num_tallies, dtype=np.uint32)
        parts = [instructions(each) for each in (program.conditions, program.keys, program.steps, program.takes)]
        fixed = program.registers(), lanes, states, tallies, self._spread
        total = 0
        for first, last in ranges:
            for start in range(first, last, self._rows):
                control.check()
                stop = min(start + self._rows, last)
                inputs, kept = program.inputs(start, stop)
                total += kernel(*parts, inputs, *fixed, stop - start)
                del kept
        if self._has_keys:
            groups, columns = self._used(states)
            counts = _reduced(columns[0].view(np.int64), self._spread, "add")
        else:
            groups, columns = np.zeros(1 if total else 0, dtype=np.int64), lanes
            counts = np.full(len(groups), total, dtype=np.int64)
        return groups, counts, [self._numbers(take, columns, tallies, groups) for take in self._takes]

    def _empty(self) -> tuple[Array, Array]:
        """States that have seen nothing: by place within a chunk, or by group."""
        row = np.zeros(1 + len(self._columns))
        for place, identity in enumerate(self._columns):
            row[place + 1 : place + 2].view(identity.dtype)[:] = identity
        if not self._has_keys:
            return np.repeat(row[1:], op.CHUNK).reshape(-1, op.CHUNK), np.zeros((1, 1))
        states = np.zeros((self._groups * self._spread, len(row)))
        if row.any():
            states[:] = row
        return np.zeros((0, op.CHUNK)), states

    def _used(self, states: Array) -> tuple[Array, Array]:
        """The groups that have rows, and their states by column."""
        if self._spread > 1:
            whole = states.reshape(self._groups, self._spread, -1)
            groups = np.flatnonzero(whole[:, :, 0].view(np.int64).any(axis=1))
            return groups, np.ascontiguousarray(whole[groups].reshape(len(groups) * self._spread, states.shape[1]).T)
        groups, columns = np.empty(self._groups, dtype=np.int64), np.empty(states.shape[::-1])
        size = compiled_module().used_states(states, groups, columns)
        return groups[:size], columns[:, :size]

    def _numbers(self, take: _Take | None, columns: Array, tallies: Array, groups: Array) -> Array | None:
        """Those of one aggregator; none of one that counts."""
        if take is None:
            return None
        kernel = take.factory.kernel
        if take.table is None:
            spread = self._spread if self._has_keys else op.CHUNK
            return _reduced(columns[take.place].view(take.dtype), spread, kernel)[: len(groups)]
        size = self._groups * self._spread * len(take.table)
        by_code = tallies[take.place : take.place + size].reshape(self._groups, self._spread, len(take.table))
        counts = by_code[groups].sum(axis=1)
        if kernel == "add":
            with np.errstate(over="ignore"):
                return np.asarray(counts.astype(take.table.dtype) @ take.table)
        return _REDUCE[kernel](np.where(counts > 0, take.table, take.factory.identity), axis=1)


def _reduced(column: Array, spread: int, kernel: str) -> Array:
    """The states of each group, so many one after another, as one."""
    return column if spread == 1 else _REDUCE[kernel](column.reshape(-1, spread), axis=1)


def compiled_module() -> Any:
    """The kernels, which were loaded before."""
    from nemeton.query.fused import compiled

    return compiled


def string_key(program: Program, name: str, factor: int) -> tuple[int, ...]:
    """The codes of a dimension, `factor` apart."""
    strings = StringCodes.of(program.source, name)
    return op.KEY_OF_WIDTH[strings.dtype.itemsize], program.rows(("strings", name), strings.codes), factor


def number_key(program: Program, name: str, factor: int, low: int) -> tuple[int, ...]:
    """The longs of a dimension as distances from the least, `factor` apart."""
    numbers = NumberColumn.of(program.source, name)
    return op.KEY_I64, program.rows(("values", name), numbers.values), factor, low
