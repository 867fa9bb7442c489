"""What all native queries have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.query.model.context import NO_KEYS, QueryContext, Reader
from nemeton.query.model.segment_spec import ALL_TIME, QuerySegmentSpec
from nemeton.spi.query import AggregatorFactory, DataSource, DimFilter, PostAggregator, Query, VirtualColumn
from nemeton.time import Granularity, Interval

Q = TypeVar("Q", bound="BaseQuery")


def check_virtual_columns(instance: Any, attribute: Any, columns: Sequence[VirtualColumn]) -> None:
    """Refuse two of one name, one called `__time`, and one that reads itself, at however many removes."""
    inputs: dict[str, frozenset[str]] = {}
    for column in columns:
        if column.name == "__time":
            raise invalid_input("virtualColumn name[__time] not allowed")
        if column.name in inputs:
            raise invalid_input(f"Duplicate virtualColumn name[{column.name}]")
        inputs[column.name] = column.required_columns()

    def follow(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise invalid_input(f"Self-referential column[{name}]")
        for other in sorted(inputs[name]):
            if other in inputs:
                follow(other, (*path, name))

    for name in inputs:
        follow(name, ())


@frozen(kw_only=True)
class BaseQuery(Query):
    """The fields of every native query. `intervals` may be left out by the types that allow it in Druid."""

    data_source: DataSource
    intervals: QuerySegmentSpec = ALL_TIME
    filter: DimFilter | None = None
    virtual_columns: tuple[VirtualColumn, ...] = field(default=(), validator=check_virtual_columns)
    context: dict[str, Any] = field(factory=dict)

    def data_sources(self) -> frozenset[str]:
        """The names of all tables that are read."""
        return self.data_source.table_names

    #: what the type reads of the context, beside what all queries do
    context_keys: ClassVar[Mapping[str, Reader]] = NO_KEYS

    def validate_context(self) -> None:
        """Refuse values of the context that are not of their kind."""
        self.query_context.validate(self.context_keys)

    @property
    def query_context(self) -> QueryContext:
        """The context with typed access."""
        return QueryContext(self.context)

    @property
    def interval_list(self) -> tuple[Interval, ...]:
        """The intervals, condensed."""
        return self.intervals.intervals

    @property
    def id(self) -> str | None:
        """`queryId` of the context."""
        return self.query_context.query_id

    def with_context(self: Q, **overrides: Any) -> Q:
        """The query with these context values set."""
        return evolve(self, context={**self.context, **overrides})

    def without_context(self: Q, name: str) -> Q:
        """The query without this context value."""
        return evolve(self, context={key: value for key, value in self.context.items() if key != name})

    def with_defaults(self: Q, defaults: Mapping[str, Any]) -> Q:
        """The query with these context values where it has none."""
        return evolve(self, context={**defaults, **self.context})

    def with_data_source(self: Q, data_source: DataSource) -> Q:
        """The query on another data source."""
        return self if data_source is self.data_source else evolve(self, data_source=data_source)

    def with_intervals(self: Q, intervals: QuerySegmentSpec) -> Q:
        """The query on other intervals, or on given segments."""
        return evolve(self, intervals=intervals)


@frozen(kw_only=True)
class AggregateQuery(BaseQuery):
    """A query with aggregations by time bucket."""

    granularity: Granularity

    def stamp(self, time: int) -> str | int:
        """A bucket's start as clients see it: a text, or milliseconds with `serializeDateTimeAsLong`."""
        return time if self.query_context.get_bool("serializeDateTimeAsLong", False) else self.granularity.format(time)

    aggregations: tuple[AggregatorFactory, ...] = ()
    post_aggregations: tuple[PostAggregator, ...] = ()
