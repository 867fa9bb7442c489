"""The aggregator that is written in JavaScript: known, and refused, as in a Druid that is not told otherwise."""

from __future__ import annotations

from attrs import frozen

from nemeton.plugins import json_type
from nemeton.query.aggregators.base import CountedAggregator
from nemeton.query.vectors import Array
from nemeton.spi.query import AggregatorFactory, Block


@json_type("javascript")
@frozen
class JavaScriptAggregatorFactory(CountedAggregator):
    """Refused when it is to run."""

    name: str
    field_names: tuple[str, ...]
    fn_aggregate: str
    fn_reset: str
    fn_combine: str

    def required_columns(self) -> frozenset[str]:
        """The fields."""
        return frozenset(self.field_names)

    def init(self, num_groups: int) -> Array:
        """Refuse."""
        from nemeton.query.filters.texts import javascript_disabled

        raise javascript_disabled()

    def aggregate(self, state: Array, block: Block, group_ids: Array) -> None:
        """Never comes to it."""
        raise NotImplementedError

    def merge(self, state: Array, other: Array, group_ids: Array) -> None:
        """Never comes to it."""
        raise NotImplementedError

    def combining_factory(self) -> AggregatorFactory:
        """Itself."""
        return self
