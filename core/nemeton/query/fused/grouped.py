"""The compiled pass over the rows of one segment: from aggregators, keys and a condition to the states of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nemeton.query.fused import codes as op
from nemeton.query.fused.arithmetic import Operand, column, in_register, is_finite, operand
from nemeton.query.fused.columns import NumberColumn, StringCodes
from nemeton.query.fused.conditions import add_conditions
from nemeton.query.fused.finer import Finer
from nemeton.query.fused.program import NotFusedError, Program, instructions
from nemeton.query.fused.takes import CountTake, ExtremeTake, Kept, LinearTake, StateTake, StepsTake, TallyTake, reduced
from nemeton.query.source import BLOCK_ROWS
from nemeton.query.vectors import DTYPES, Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import AggregatorFactory, DimFilter, QueryControl

Key = Callable[[Program], "tuple[int, ...]"]
ROWS = 1 << 20  #: between two looks at whether the query is to stop
_PACKED_ROWS = 1 << 23  #: fewer can be counted in an int64 that has a sum too
_MOST_STATES = 1 << 24  #: of eight bytes, and for a moment twice as many
_MOST_STEPS = 1 << 31
_SURPRISING_ROWS = 32  #: so many of a group may well change its extremes
_TALLIES = 12_288  #: counts of codes that stay in the nearest cache
_KINDS = {
    "add": (op.SUM_F, op.SUM_I),
    "minimum": (op.MIN_F, op.MIN_I),
    "maximum": (op.MAX_F, op.MAX_I),
}


class FusedPass:
    """A program, and what becomes of its states. For one thread; may be run several times."""

    def __init__(self, program: Program, num_groups: int | None, finer: Finer | None = None) -> None:
        """`num_groups` is None for a single group without keys."""
        self._program = program
        self._finer = finer
        self._groups = (1 if num_groups is None else num_groups) * (1 if finer is None else finer.size)
        self._has_keys = num_groups is not None
        self._takes: dict[int, Any] = {}  # by place of the factory, see `takes`
        self._columns: list[Any] = []  # the identities of the states
        self._packed: int | None = None  # the input whose codes are added to the counts
        self._sums: dict[int, int | None] = {}  # by input: see `_sum_codes`
        self._tallies: dict[int, tuple[int, int]] = {}  # by input: where, and how many codes
        self._num_tallies = 0
        self._num_extremes = 0
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
        if num_groups == 1:  # each row has the one value of each key
            keys, num_groups = (), None
        program = Program(source)
        finer = Finer.of(source, factories, num_groups)
        made = cls(program, 1 if finer is not None and num_groups is None else num_groups, finer)
        try:
            for place in sorted(range(len(factories)), key=lambda place: _is_column(factories[place])):
                made._takes[place] = made._take(factories[place])
            made._add_keys(keys)
            if condition is not None and add_conditions(program, condition):
                made._rows = BLOCK_ROWS
        except NotFusedError:
            return None
        if made._groups * made._spread * (1 + len(made._columns)) > _MOST_STATES:
            return None
        return made if keys or condition is not None or made._columns or made._takes else None

    def _add_keys(self, keys: Sequence[Key]) -> None:
        """Those asked for, and those that make the groups finer."""
        program, finer = self._program, self._finer
        for key in keys:
            kind, rows, factor, *rest = key(program)
            program.keys.append((kind, rows, factor * (1 if finer is None else finer.size), *rest))
        for numbers, factor in () if finer is None else zip(finer.columns, finer.factors, strict=True):
            program.keys.append((op.KEY_U8, program.rows(("codes", numbers.name), numbers.codes), factor))

    def _take(self, factory: Any) -> Any:
        """How an aggregator is taken; expressions come first, so that sums of columns know what is read anyway."""
        if factory.kernel == "count":
            return CountTake()
        form = None if self._finer is None else self._finer.form(factory)
        if form is not None:
            return LinearTake(factory, None if form.column is None else self._sum_codes(form.column), form)
        program, kind, text = self._program, factory.number_type, factory.expression
        numbers = operand(program, text) if text is not None else column(program, factory.field_name)
        if factory.kernel == "add" and self._has_steps(numbers, kind):
            assert numbers.column is not None
            assert numbers.column.narrow is not None
            return StepsTake(factory, self._sum_codes(numbers.column), numbers.column.narrow)
        numbers = numbers.converted(kind)
        place = self._tally(numbers)
        if place is not None:
            assert numbers.table is not None
            return TallyTake(factory, place, numbers.table)
        steps = None if numbers.column is None else numbers.column.narrow
        if self._has_keys and factory.kernel != "add" and steps is not None and steps.table is not None and steps.scale:
            assert numbers.codes is not None
            take = ExtremeTake(factory, self._num_extremes * self._groups * self._spread, steps)
            self._num_extremes += 1
            is_surprising = self._groups * self._spread * _SURPRISING_ROWS > program.source.num_rows
            how = take.turned + (op.SURPRISING if is_surprising else 0)
            program.takes.append((op.EXTREME_U8, take.place, numbers.codes, how))
            return take
        register = in_register(program, numbers, kind)
        place = self._state(DTYPES[kind](factory.identity))
        program.takes.append((_KINDS[factory.kernel][kind == "LONG"], place, register))
        return StateTake(factory, place)

    def _has_steps(self, numbers: Operand, kind: str) -> bool:
        """Whether a sum may be that of a column's steps: not where the numbers themselves are read all the same."""
        steps = None if numbers.column is None else numbers.column.narrow
        if numbers.column is None or steps is None or not steps.scale:
            return False
        if (kind != numbers.type and kind != "DOUBLE") or (kind == "DOUBLE" and abs(steps.low) > _MOST_STEPS):
            return False
        return steps.table is not None or not self._program.reads(("values", numbers.column.name))

    def _sum_codes(self, numbers: NumberColumn) -> int | None:
        """Have the codes added up. Where: None is with the count of rows."""
        assert numbers.narrow is not None
        codes = self._program.rows(("codes", numbers.name), numbers.codes)
        if codes in self._sums:
            return self._sums[codes]
        width = numbers.narrow.codes.dtype.itemsize
        is_small = width == 1 and self._has_keys and self._program.source.num_rows < _PACKED_ROWS
        if is_small and self._packed is None:
            self._packed = codes
            self._sums[codes] = None
            return None
        place = self._sums[codes] = self._state(np.int64(0))
        self._program.takes.append((op.SUM_OF_WIDTH[width], place, codes))
        return place

    def _state(self, identity: Any) -> int:
        """Another column of the states; the first one of groups has the counts."""
        self._columns.append(identity)
        return len(self._columns) - (0 if self._has_keys else 1)

    def _tally(self, numbers: Operand) -> int | None:
        """Where the tally of the numbers' codes begins; None where that is no good."""
        if numbers.codes is None or numbers.table is None or self._finer is not None or not is_finite(numbers.table):
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
        from nemeton.query.fused import compiled

        program, kernel = self._program, cast("Any", compiled.run)
        lanes, states = self._empty()
        tallies = np.zeros(self._num_tallies, dtype=np.uint32)
        extremes = np.zeros(self._num_extremes * self._groups * self._spread, dtype=np.uint8)
        parts = [instructions(each) for each in (program.conditions, program.keys, program.steps, program.takes)]
        packed = -1 if self._packed is None else self._packed
        fixed = program.registers(), lanes, states, tallies, extremes, self._spread, packed
        total = 0
        for first, last in ranges:
            for start in range(first, last, self._rows):
                control.check()
                stop = min(start + self._rows, last)
                inputs, kept = program.inputs(start, stop)
                total += kernel(*parts, inputs, *fixed, stop - start)
                del kept
        found = self._kept(lanes, states, tallies, extremes, total)
        return found.groups, found.counts, [self._takes[place].numbers(found) for place in sorted(self._takes)]

    def _kept(self, lanes: Array, states: Array, tallies: Array, extremes: Array, total: int) -> Kept:
        if not self._has_keys:
            groups = np.zeros(1 if total else 0, dtype=np.int64)
            counts = np.full(len(groups), total, dtype=np.int64)
            return Kept(groups, counts, lanes, op.CHUNK, tallies, extremes, 1, self._spread, None)
        groups, columns = self._used(states)
        counts, packed = reduced(columns[0].view(np.int64), self._spread, "add"), None
        if self._packed is not None:
            packed, counts = counts & ((1 << op.PACKED_BITS) - 1), counts >> op.PACKED_BITS
        found = Kept(groups, counts, columns, self._spread, tallies, extremes, self._groups, self._spread, packed)
        return found if self._finer is None else found.gathered(self._finer.size)

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
        from nemeton.query.fused import compiled_forms

        groups, columns = np.empty(self._groups + 1, dtype=np.int64), np.empty((states.shape[1], self._groups + 1))
        size = compiled_forms.used_states(states, groups, columns)
        return groups[:size], columns[:, :size]


def _is_column(factory: Any) -> bool:
    return getattr(factory, "expression", None) is None


def string_key(program: Program, name: str, factor: int) -> tuple[int, ...]:
    """The codes of a dimension, `factor` apart."""
    strings = StringCodes.of(program.source, name)
    return op.KEY_OF_WIDTH[strings.dtype.itemsize], program.rows(("strings", name), strings.codes), factor


def number_key(program: Program, name: str, factor: int, low: int) -> tuple[int, ...]:
    """The longs of a dimension as distances from the least, `factor` apart."""
    numbers = NumberColumn.of(program.source, name)
    steps = numbers.narrow
    if steps is not None and steps.scale == 1 and steps.low == low:
        return op.KEY_OF_WIDTH[steps.codes.dtype.itemsize], program.rows(("codes", name), numbers.codes), factor
    return op.KEY_I64, program.rows(("values", name), numbers.values), factor, low
