"""The grouping aggregator: which dimensions a row of subtotals is not grouped by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import grown
from nemeton.query.vectors import Array, NumericVector
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_MOST = 62


@json_type("grouping")
@frozen
class GroupingAggregatorFactory(AggregatorFactory):
    """A number with a bit for each of the groupings, the first one highest: 1 where rows are not grouped by it."""

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

    @property
    def intermediate_type(self) -> ColumnType:
        """LONG."""
        return ColumnType.LONG

    def init(self, num_groups: int) -> Array:
        """Zeros, until `of_grouping` says more."""
        return np.zeros(num_groups, dtype=np.int64)

    def resize(self, state: Array, num_groups: int) -> Array:
        """Zeros added."""
        return grown(state, num_groups, 0)

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

    def take(self, state: Array, groups: Array) -> Array:
        """These groups."""
        return state[groups]

    def finalise(self, state: Array) -> NumericVector:
        """The numbers."""
        return NumericVector(ColumnType.LONG, state)

    def combining_factory(self) -> AggregatorFactory:
        """Itself."""
        return self

    def to_wire(self, state: Array) -> list[Any]:
        """Ints."""
        return list(state.tolist())

    def from_wire(self, values: Sequence[Any]) -> Array:
        """Ints; null counts as 0."""
        return np.array([value or 0 for value in values], dtype=np.int64)
