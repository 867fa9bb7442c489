"""The states of all aggregators of one grouping: what only counts, adds or compares is fed together, in few passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query import kernels
from nemeton.query.aggregators.base import NumericState, grown
from nemeton.query.aggregators.count import renamed
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.query.source import RowBlock, SegmentSource
    from nemeton.spi.query import AggregatorFactory


class Accumulators:
    """States by aggregator, and `counts`, the rows that each group took in (int64, one per group).

    Aggregators that name a `kernel` (see `NumericAggregator`) get no call of their own: their columns are added in one
    pass over the group ids, which then may be of any integer type. Which of their groups saw a value follows from
    `counts` until a block has nulls. Of those that only differ in their names, one is fed, and all get its state.
    """

    def __init__(self, factories: Sequence[AggregatorFactory], num_groups: int, source: SegmentSource) -> None:
        self._places, factories = _distinct([factory.within(source) for factory in factories])
        self.factories = factories
        self.num_groups = num_groups
        named = [getattr(factory, "kernel", None) for factory in factories]
        self._counting = [i for i, kernel in enumerate(named) if kernel == "count"]
        self._numeric = {i: kernel for i, kernel in enumerate(named) if kernel in ("add", "minimum", "maximum")}
        self._others = [i for i in range(len(factories)) if i not in self._numeric and i not in self._counting]
        self._unseen = set(self._numeric)  # those whose `seen` follows from the counts

    @cached_property
    def states(self) -> list[Any]:
        """By aggregator; made when rows are taken in."""
        return [factory.init(self.num_groups) for factory in self.factories]

    @cached_property
    def counts(self) -> Array:
        """The rows of each group."""
        return np.zeros(self.num_groups, dtype=np.int64)

    @property
    def has_kernels_only(self) -> bool:
        """Whether no aggregator needs a call of its own."""
        return not self._others

    def resize(self, num_groups: int) -> None:
        """Groups added at the end."""
        self.states = [f.resize(state, num_groups) for f, state in zip(self.factories, self.states, strict=True)]
        self.counts = grown(self.counts, num_groups, 0)
        self.num_groups = num_groups

    def aggregate(self, block: RowBlock, ids: Array) -> None:
        """Take in the rows of a block; `ids` (one per row, of any integer type) are their groups."""
        wide = ids if ids.dtype == np.int64 or self.has_kernels_only else ids.astype(np.int64)
        for i in self._others:
            self.factories[i].aggregate(self.states[i], block, wide)
        adding: dict[str, list[tuple[Array, Array]]] = {}
        for i, kernel in self._numeric.items():
            state = self.states[i]
            values, nulls = self.factories[i].input(block)  # type: ignore[attr-defined]
            if nulls is not None:
                self._settle(i)
                self.factories[i].combine(state, ids.astype(np.int64), values, nulls)  # type: ignore[attr-defined]
                continue
            if i not in self._unseen:
                state.seen[ids] = True
            if kernel == "add":
                adding.setdefault(values.dtype.str, []).append((state.values, values))
            else:
                kernels.extreme(state.values, ids, values, kernel == "maximum")
        for pairs in adding.values():
            kernels.add_all([state for state, _ in pairs], ids, [values for _, values in pairs])
        kernels.tally(self.counts, ids)

    def aggregate_run(self, block: RowBlock, group: int) -> None:
        """Take in a block whose rows are all of one group."""
        for i, (factory, state) in enumerate(zip(self.factories, self.states, strict=True)):
            if i not in self._counting:
                self._settle(i)
                factory.aggregate_run(state, block, group)
        self.counts[group] += block.num_rows

    def states_of(self, counts: Array, numbers: Sequence[Array | None]) -> list[Any]:
        """As `finish`, when blocks were not taken in: groups have so many rows, none of them null, and these numbers.

        There are numbers for each of `factories` but those that count.
        """
        seen = np.ones(len(counts), dtype=bool)
        states = [counts if values is None else NumericState(values, seen) for values in numbers]
        return [states[place] for place in self._places]

    def _settle(self, index: int) -> None:
        """Note which groups saw values so far, before the first nulls come."""
        if index in self._unseen:  # `aggregate_run` notes it by itself
            self._unseen.discard(index)
            self.states[index].seen |= self.counts > 0

    def finish(self) -> list[Any]:
        """The states, complete, one for each factory that was given; some may be the same. Once, at the end."""
        for i in self._numeric:
            self._settle(i)
        for i in self._counting:
            self.states[i] += self.counts
        return [self.states[place] for place in self._places]


def _distinct(factories: Sequence[AggregatorFactory]) -> tuple[list[int], list[AggregatorFactory]]:
    """The factories that do something of their own, and for each of the given ones which of those does its work."""
    if len({(type(f), getattr(f, "field_name", None), getattr(f, "expression", None)) for f in factories}) == len(
        factories
    ):
        return list(range(len(factories))), list(factories)
    out: list[AggregatorFactory] = []
    places: list[int] = []
    known: dict[Any, int] = {}
    for factory in factories:
        key = renamed(factory, "") if getattr(factory, "kernel", None) is not None else len(places)
        place = known.setdefault(key, len(out))
        if place == len(out):
            out.append(factory)
        places.append(place)
    return places, out
