"""How the numbers of an aggregator are found in what the compiled pass has kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, frozen

from nemeton.query.fused.finer import Linear
from nemeton.query.fused.narrow import NarrowNumbers
from nemeton.query.vectors import DTYPES, Array

_UFUNCS: dict[str, np.ufunc] = {"add": np.add, "minimum": np.minimum, "maximum": np.maximum}


@frozen(eq=False)
class Kept:
    """What there is after a pass: `columns` (aggregates by groups * `spread`) of the groups that have rows.

    `tallies` and `extremes` are of all groups, `num_groups`, `tally_spread` for each.
    `packed` are the sums of codes that were added to the counts. Where groups were made finer, `fine` is what there is
    of those, by combination of their columns; all else is of the groups that were asked for.
    """

    groups: Array
    counts: Array
    columns: Array
    spread: int
    tallies: Array
    extremes: Array
    num_groups: int
    tally_spread: int
    packed: Array | None
    fine: Fine | None = None

    def column(self, place: int, dtype: Any, kernel: str) -> Array:
        """One aggregate of each group."""
        column = self.columns[place].view(dtype)
        if self.fine is not None:
            return np.asarray(_UFUNCS[kernel].reduceat(column, self.fine.starts * self.spread))
        return reduced(column, self.spread, kernel)[: len(self.groups)]

    def extreme(self, place: int) -> Array:
        """The greatest code of each group."""
        size = self.num_groups * self.tally_spread
        codes = reduced(self.extremes[place : place + size], self.tally_spread, "maximum")
        if self.fine is None:
            return np.asarray(codes[self.groups])
        return np.asarray(np.maximum.reduceat(codes[self.fine.kept.groups], self.fine.starts))

    def gathered(self, size: int) -> Kept:
        """Of finer groups, so many to each that was asked for."""
        whole, combinations = np.divmod(self.groups, size)
        starts = np.flatnonzero(np.diff(whole, prepend=-1))
        packed = None if self.packed is None else np.add.reduceat(self.packed, starts)
        fine = Fine(self, combinations, starts)
        return evolve(self, groups=whole[starts], counts=np.add.reduceat(self.counts, starts), packed=packed, fine=fine)


@frozen(eq=False)
class Fine:
    """What was kept of finer groups, which combination of values each has, and where those of a whole group begin."""

    kept: Kept
    combinations: Array
    starts: Array


def reduced(column: Array, spread: int, kernel: str) -> Array:
    """The states of each group, so many one after another, as one."""
    return column if spread == 1 else _UFUNCS[kernel].reduce(column.reshape(-1, spread), axis=1)


@frozen(eq=False)
class CountTake:
    """An aggregator that counts rows, which is done for all."""

    def numbers(self, kept: Kept) -> None:
        """None."""


@frozen(eq=False)
class StateTake:
    """An aggregator with a column of the states."""

    factory: Any
    place: int

    def numbers(self, kept: Kept) -> Array:
        """The column."""
        return kept.column(self.place, DTYPES[self.factory.number_type], self.factory.kernel)


@frozen(eq=False)
class StepsTake:
    """A sum of a column that is kept as steps: that of the steps, of int64, or (`place` None) packed with the count.

    It is the exact sum, rounded once.
    """

    factory: Any
    place: int | None
    steps: NarrowNumbers

    def numbers(self, kept: Kept) -> Array:
        """As the aggregator's type; longs wrap."""
        sums = kept.packed if self.place is None else kept.column(self.place, np.int64, "add")
        assert sums is not None
        with np.errstate(over="ignore"):
            whole = sums + kept.counts * np.int64(self.steps.low) if self.steps.low else sums
        return whole if self.factory.number_type == "LONG" else whole / self.steps.scale


@frozen(eq=False)
class LinearTake:
    """A sum of what is linear in a column that is kept as steps: from the sum of those of each finer group.

    `place` is as in `StepsTake`; without a column only counts matter.
    """

    factory: Any
    place: int | None
    form: Linear

    def numbers(self, kept: Kept) -> Array:
        """As the aggregator's type."""
        assert kept.fine is not None
        fine, combinations, starts = kept.fine.kept, kept.fine.combinations, kept.fine.starts
        form, kernel = self.form, self.factory.kernel
        offset = np.asarray(form.offset)[combinations]
        if form.column is None:
            with np.errstate(over="ignore"):
                return np.asarray(_UFUNCS[kernel].reduceat(offset * fine.counts if kernel == "add" else offset, starts))
        steps = form.column.narrow
        assert steps is not None
        sums = fine.packed if self.place is None else fine.column(self.place, np.int64, "add")
        assert sums is not None
        values = (sums + fine.counts * np.int64(steps.low)) / steps.scale
        return np.asarray(np.add.reduceat(np.asarray(form.slope)[combinations] * values + offset * fine.counts, starts))


@frozen(eq=False)
class ExtremeTake:
    """The least or greatest value of a column that is kept as steps of one byte."""

    factory: Any
    place: int
    steps: NarrowNumbers

    @property
    def turned(self) -> int:
        """What codes are held against: the least one is the farthest from 255."""
        return 255 if self.factory.kernel == "minimum" else 0

    def numbers(self, kept: Kept) -> Array:
        """The value of the code."""
        assert self.steps.table is not None
        return np.asarray(self.steps.table[kept.extreme(self.place) ^ np.uint8(self.turned)])


@frozen(eq=False)
class TallyTake:
    """An aggregator of a column whose codes are counted: `table` has their values."""

    factory: Any
    place: int
    table: Array

    def numbers(self, kept: Kept) -> Array:
        """From the counts and the values."""
        size = kept.num_groups * kept.tally_spread * len(self.table)
        tally = kept.tallies[self.place : self.place + size].reshape(kept.num_groups, -1, len(self.table))
        counts = tally[kept.groups].sum(axis=1)
        kernel = self.factory.kernel
        if kernel == "add":
            with np.errstate(over="ignore"):
                return np.asarray(counts.astype(self.table.dtype) @ self.table)
        return np.asarray(_UFUNCS[kernel].reduce(np.where(counts > 0, self.table, self.factory.identity), axis=1))
