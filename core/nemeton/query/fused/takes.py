"""How the numbers of an aggregator are found in what the compiled pass has kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from nemeton.query.fused.narrow import NarrowNumbers
from nemeton.query.vectors import DTYPES, Array

_REDUCE: dict[str, Callable[..., Array]] = {
    "add": np.add.reduce,
    "minimum": np.minimum.reduce,
    "maximum": np.maximum.reduce,
}


@frozen(eq=False)
class Kept:
    """What there is after a pass: `columns` (aggregates by groups * `spread`) of the groups that have rows.

    `tallies` are of all groups, `num_groups`, `tally_spread` for each.
    `packed` are the sums of codes that were added to the counts.
    """

    groups: Array
    counts: Array
    columns: Array
    spread: int
    tallies: Array
    num_groups: int
    tally_spread: int
    packed: Array | None

    def column(self, place: int, dtype: Any, kernel: str) -> Array:
        """One aggregate of each group."""
        return reduced(self.columns[place].view(dtype), self.spread, kernel)[: len(self.groups)]


def reduced(column: Array, spread: int, kernel: str) -> Array:
    """The states of each group, so many one after another, as one."""
    return column if spread == 1 else _REDUCE[kernel](column.reshape(-1, spread), axis=1)


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
            whole = sums + kept.counts * np.int64(self.steps.low)
        return whole if self.factory.number_type == "LONG" else whole / self.steps.scale


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
        codes = kept.column(self.place, np.int64, "maximum") ^ self.turned
        return np.asarray(self.steps.table[codes])


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
        return _REDUCE[kernel](np.where(counts > 0, self.table, self.factory.identity), axis=1)
