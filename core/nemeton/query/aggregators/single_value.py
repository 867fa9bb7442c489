"""The singleValue aggregator: the value of the only row there is, as a subquery that stands for a value needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import grown
from nemeton.query.vectors import AnyVector, Array, object_array, vector_from_list
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block


@define
class SingleState:
    """Per group the value, and whether there was a row."""

    values: Array
    seen: Array


@json_type("singleValue")
@frozen
class SingleValueAggregatorFactory(AggregatorFactory):
    """The value of each group's one row; a group with a second row is refused."""

    name: str
    field_name: str
    column_type: str

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])

    @property
    def intermediate_type(self) -> ColumnType:
        """The type that is given."""
        return ColumnType.parse(self.column_type)

    def init(self, num_groups: int) -> SingleState:
        """No rows."""
        return SingleState(np.full(num_groups, None, dtype=object), np.zeros(num_groups, dtype=bool))

    def resize(self, state: SingleState, num_groups: int) -> SingleState:
        """Groups without rows added."""
        return SingleState(grown(state.values, num_groups, None), grown(state.seen, num_groups, False))

    def aggregate(self, state: SingleState, block: Block, group_ids: Array) -> None:
        """Take the values in; raises for a second one."""
        if len(np.unique(group_ids)) < len(group_ids) or state.seen[group_ids].any():
            raise invalid_input("Subquery expression returned more than one row")
        state.values[group_ids] = object_array(block.vector(self.field_name).to_list())
        state.seen[group_ids] = True

    def merge(self, state: SingleState, other: SingleState, group_ids: Array) -> None:
        """Take the other's values in; raises where both have one."""
        seen = group_ids[other.seen]
        if len(np.unique(seen)) < len(seen) or state.seen[seen].any():
            raise invalid_input("Single Value Aggregator would not have more than one row to combine")
        state.values[seen] = other.values[other.seen]
        state.seen[seen] = True

    def take(self, state: SingleState, groups: Array) -> SingleState:
        """These groups."""
        return SingleState(state.values[groups], state.seen[groups])

    def finalise(self, state: SingleState) -> AnyVector:
        """The values, null for a group without a row."""
        return vector_from_list(str(self.intermediate_type), state.values.tolist())

    def combining_factory(self) -> AggregatorFactory:
        """The same of the column of this name."""
        return SingleValueAggregatorFactory(self.name, self.name, self.column_type)

    def to_wire(self, state: SingleState) -> list[Any]:
        """The values."""
        return list(state.values)

    def from_wire(self, values: Sequence[Any]) -> SingleState:
        """Read values; null is no row."""
        found = object_array(list(values))
        return SingleState(found, np.array([value is not None for value in found], dtype=bool))
