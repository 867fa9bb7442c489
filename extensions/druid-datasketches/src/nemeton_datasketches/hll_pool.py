"""The registers of many dense HLL sketches in one array, so that a block of rows is taken into all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nemeton_datasketches.hll_array import HllArray, raise_registers, step_sums

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_FEW = 16
"""Up to so many sketches are followed one by one, which adds up in Java's order to the last bit."""


class DensePool:
    """Dense sketches by group, all with `2 ** lg_k` registers."""

    def __init__(self, num_groups: int, lg_k: int) -> None:
        self.lg_k = lg_k
        self._places = np.full(num_groups, -1, dtype=np.int64)
        self._groups: list[int] = []  # by place
        self._registers = np.zeros((0, 1 << lg_k), dtype=np.uint8)
        self._hips = np.zeros(0)
        self._out_of_order = np.zeros(0, dtype=bool)
        self._sums = np.zeros((2, 0))

    @property
    def groups(self) -> list[int]:
        """Those that have a sketch here."""
        return self._groups

    def resize(self, num_groups: int) -> None:
        """Add groups without a sketch."""
        self._places = np.append(self._places, np.full(num_groups - len(self._places), -1, dtype=np.int64))

    def holds(self, groups: Array) -> Array:
        """Whether each group has a sketch here."""
        found: Array = self._places[groups] >= 0
        return found

    def put(self, group: int, array: HllArray) -> None:
        """Take a sketch in, in place of the group's own."""
        place = int(self._places[group])
        if place < 0:
            place = self._places[group] = len(self._groups)
            self._groups.append(group)
            if place >= len(self._registers):
                self._grow(max(2 * place, 4))
        self._registers[place] = array.registers
        self._hips[place], self._out_of_order[place] = array.hip, array.out_of_order
        self._sums[:, place] = array.sums()

    def _grow(self, size: int) -> None:
        more = size - len(self._registers)
        self._registers = np.concatenate([self._registers, np.zeros((more, 1 << self.lg_k), dtype=np.uint8)])
        self._hips = np.append(self._hips, np.zeros(more))
        self._out_of_order = np.append(self._out_of_order, np.zeros(more, dtype=bool))
        self._sums = np.concatenate([self._sums, np.zeros((2, more))], axis=1)

    def get(self, group: int) -> HllArray:
        """A copy of a group's sketch."""
        place = self._places[group]
        return HllArray(
            self.lg_k, self._registers[place].copy(), float(self._hips[place]), bool(self._out_of_order[place])
        )

    def unite(self, groups: Array, other: DensePool, theirs: Array) -> None:
        """Merge the other pool's sketches of `theirs` into those of `groups`; all are there."""
        places = self._places[groups]
        np.maximum.at(self._registers, places, other._registers[other._places[theirs]])
        self._out_of_order[places], self._hips[places] = True, 0.0

    def drop(self, group: int) -> None:
        """Forget a group's sketch; its place is not used again."""
        self._groups[int(self._places[group])] = -1
        self._places[group] = -1

    def add(self, groups: Array, coupons: Array) -> None:
        """Take in coupons in order of arrival; each group has a sketch here."""
        places = self._places[groups]
        at = (places << self.lg_k) + (coupons & ((1 << self.lg_k) - 1))
        changed, before, after = raise_registers(self._registers.reshape(-1), at, (coupons >> 26) & 63)
        if not len(changed):
            return
        places = places[changed]
        order = np.argsort(places, kind="stable")
        places, before, after = places[order], before[order], after[order]
        starts = np.flatnonzero(np.append(True, places[1:] != places[:-1]))
        ends = np.append(starts[1:], len(places))
        rises = [each[after] - each[before] for each in step_sums()]
        running = []
        for sums, rise in zip(self._sums, rises, strict=True):  # sums of powers of two, which are exact
            total = np.cumsum(rise) - rise
            running.append(total - np.repeat(total[starts] - sums[places[starts]], ends - starts))
            sums[places[starts]] += np.add.reduceat(rise, starts)
        self._follow(places[starts], starts, ends, (1 << self.lg_k) / (running[0] + running[1]))

    def _follow(self, places: Array, starts: Array, ends: Array, steps: Array) -> None:
        if len(places) > _FEW:
            self._hips[places] += np.add.reduceat(steps, starts)
            return
        for place, start, end in zip(places.tolist(), starts.tolist(), ends.tolist(), strict=True):
            self._hips[place] = np.cumsum(np.append(self._hips[place], steps[start:end]))[-1]
