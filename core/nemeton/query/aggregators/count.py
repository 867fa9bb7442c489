"""The count of rows, and an aggregate of the rows that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from attrs import evolve, field, frozen

from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query import kernels
from nemeton.query.aggregators.base import CountedAggregator
from nemeton.query.aggregators.sums import LongSumAggregatorFactory
from nemeton.query.vectors import Array
from nemeton.spi.query import AggregatorFactory, DimFilter

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import Block, Vector


@json_type("count")
@frozen
class CountAggregatorFactory(CountedAggregator):
    """The number of rows (of segments that rolled up: of stored rows). The state is an int64 array."""

    name: str

    kernel: ClassVar[str | None] = "count"

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def aggregate(self, state: Array, block: Block, group_ids: Array) -> None:
        """Count the rows of each group."""
        kernels.count(state, group_ids)

    def aggregate_run(self, state: Array, block: Block, group_id: int) -> None:
        """Count the block."""
        state[group_id] += block.num_rows

    def merge(self, state: Array, other: Array, group_ids: Array) -> None:
        """Add."""
        np.add.at(state, group_ids, other)

    def combining_factory(self) -> AggregatorFactory:
        """Counts are summed."""
        return LongSumAggregatorFactory(self.name, self.name)


@json_type("filtered")
@frozen
class FilteredAggregatorFactory(AggregatorFactory):
    """Another aggregate over the rows that pass a filter. Its name is the inner one's unless it has its own."""

    aggregator: AggregatorFactory
    filter: DimFilter
    label: str | None = field(default=None, metadata=wire("name"))

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its own, or else the inner aggregate's."""
        return self.label or self.aggregator.name

    def required_columns(self) -> frozenset[str]:
        """Those of the filter and of the aggregate."""
        return self.aggregator.required_columns() | self.filter.required_columns()

    def within(self, source: SegmentSource) -> AggregatorFactory:
        """The inner one, where the filter holds for all rows; and what the inner one offers."""
        inner = self.aggregator.within(source)
        if self.filter.constant(source):
            return inner
        return self if inner is self.aggregator else evolve(self, aggregator=inner, label=self.name)

    @property
    def expression(self) -> str | None:
        """The inner one's, which is not to be computed of rows that do not count."""
        return getattr(self.aggregator, "expression", None)

    @property
    def intermediate_type(self) -> ColumnType:
        """The inner one's."""
        return self.aggregator.intermediate_type

    @property
    def result_type(self) -> ColumnType:
        """The inner one's."""
        return self.aggregator.result_type

    def init(self, num_groups: int) -> Any:
        """The inner one's."""
        return self.aggregator.init(num_groups)

    def resize(self, state: Any, num_groups: int) -> Any:
        """The inner one's."""
        return self.aggregator.resize(state, num_groups)

    def aggregate(self, state: Any, block: Block, group_ids: Array) -> None:
        """Pass on the rows that match."""
        found = self.filter.matches(block)
        if found.all():
            self.aggregator.aggregate(state, block, group_ids)
            return
        rows = np.flatnonzero(found)
        if len(rows):
            self.aggregator.aggregate(state, block.select(rows), group_ids[rows])

    def aggregate_run(self, state: Any, block: Block, group_id: int) -> None:
        """Pass on the rows that match."""
        rows = np.flatnonzero(self.filter.matches(block))
        if len(rows) == block.num_rows:
            self.aggregator.aggregate_run(state, block, group_id)
        elif len(rows):
            self.aggregator.aggregate_run(state, block.select(rows), group_id)

    @property
    def stored_type(self) -> ColumnType:
        """The inner one's."""
        return self.aggregator.stored_type

    def aggregate_input(self, state: Any, block: Block, group_ids: Array) -> None:
        """Pass on the rows that match."""
        rows = np.flatnonzero(self.filter.matches(block))
        if len(rows):
            self.aggregator.aggregate_input(state, block.select(rows), group_ids[rows])

    def to_stored(self, state: Any) -> Vector:
        """The inner one's."""
        return self.aggregator.to_stored(state)

    def of_grouping(self, state: Any, dimensions: frozenset[str]) -> Any:
        """The inner one's."""
        return self.aggregator.of_grouping(state, dimensions)

    def merge(self, state: Any, other: Any, group_ids: Array) -> None:
        """The inner one's."""
        self.aggregator.merge(state, other, group_ids)

    def take(self, state: Any, groups: Array) -> Any:
        """The inner one's."""
        return self.aggregator.take(state, groups)

    def finalise(self, state: Any) -> Vector:
        """The inner one's."""
        return self.aggregator.finalise(state)

    def intermediate(self, state: Any) -> Vector:
        """The inner one's."""
        return self.aggregator.intermediate(state)

    def ranks(self, state: Any) -> Array | None:
        """The inner one's."""
        return self.aggregator.ranks(state)

    def combining_factory(self) -> AggregatorFactory:
        """What was filtered is not filtered again."""
        return renamed(self.aggregator, self.name).combining_factory()

    def to_wire(self, state: Any) -> list[Any]:
        """The inner one's."""
        return self.aggregator.to_wire(state)

    def from_wire(self, values: Sequence[Any]) -> Any:
        """The inner one's."""
        return self.aggregator.from_wire(values)


def renamed(factory: AggregatorFactory, name: str) -> AggregatorFactory:
    """The factory under another name."""
    return evolve(factory, name=name)  # type: ignore[misc]
