"""The grouping aggregator: which dimensions a row of subtotals is not grouped by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import CountedAggregator
from nemeton.query.vectors import Array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_MOST = 62


@json_type("grouping")
@frozen
class GroupingAggregatorFactory(CountedAggregator):
    """A number with a bit for each of the groupings, the first one highest: 1 where rows are not grouped by it.

    0 until `of_grouping` has said what they are grouped by.
    """

    name: str
    groupings: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        if not self.groupings:
            raise invalid_input("Must have a non-empty grouping dimensions")
        if len(self.groupings) > _MOST:
            raise invalid_input(f"Number of dimensions [{len(self.groupings)}] is more than supported [{_MOST}]")

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def aggregate(self, state: Array, block: Block, group_ids: Array) -> None:
        """Nothing: it does not depend on rows."""

    def of_grouping(self, state: Array, dimensions: frozenset[str]) -> Array:
        """The number of these dimensions for every group."""
        value = 0
        for name in self.groupings:
            value = value << 1 | (name not in dimensions)
        return np.full(len(state), value, dtype=np.int64)

    def merge(self, state: Array, other: Array, group_ids: Array) -> None:
        """They are the same, or one is not known yet."""
        np.maximum.at(state, group_ids, other)

    def combining_factory(self) -> AggregatorFactory:
        """Itself."""
        return self
