"""The native query types, as data. How each runs is in `nemeton.query.engines`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import illegal_state, invalid_input
from nemeton.plugins import json_type, type_names
from nemeton.query.model.base import AggregateQuery, BaseQuery
from nemeton.query.model.context import GROUP_BY_KEYS, TIMESERIES_KEYS, TOPN_KEYS, QueryContext
from nemeton.query.model.data_sources import TableDataSource, UnionDataSource
from nemeton.query.model.limits import DefaultLimitSpec
from nemeton.query.model.segment_spec import QuerySegmentSpec
from nemeton.query.model.topn_metrics import TopNMetricSpec
from nemeton.spi.query import AggregatorFactory, DimensionSpec, HavingSpec, PostAggregator
from nemeton.time import Granularity

ENGINES = "nemeton.query.engines"
DEFAULT_BATCH_SIZE = 20480


def check_names(*groups: Any) -> None:
    """Refuse result columns that share a name."""
    seen: set[str] = set()
    for group in groups:
        for item in group:
            if item.name in seen:
                raise invalid_input(f"[{item.name}] already defined")
            seen.add(item.name)


def check_post_aggregators(names: set[str], post_aggregations: Iterable[PostAggregator]) -> None:
    """Refuse post-aggregators that read what is neither among the names nor computed by one before them."""
    known = set(names)
    for item in post_aggregations:
        missing = sorted(item.required_columns() - known)
        if missing:
            raise invalid_input(f"Missing fields [[{', '.join(missing)}]] for postAggregator [{item.name}]")
        known.add(str(item.name))


def check_no_time(*groups: Any) -> None:
    """Refuse result columns of a groupBy that are called `__time`."""
    if any(item.name == "__time" for group in groups for item in group):
        raise invalid_input(
            "'__time' cannot be used as an output name for dimensions, aggregators, or post-aggregators."
        )


def fudge_timestamp(context: QueryContext) -> int | None:
    """The time that a groupBy's bucket ALL has, where the context gives it one (`fudgeTimestamp`)."""
    given = context.get_string("fudgeTimestamp") or None
    try:
        return None if given is None else int(given)
    except ValueError:
        raise invalid_input(f'For input string: "{given}"') from None


@json_type("timeseries")
@frozen(kw_only=True)
class TimeseriesQuery(AggregateQuery):
    """Aggregates by time bucket."""

    tool_chest: ClassVar[str] = f"{ENGINES}.timeseries:TimeseriesToolChest"
    context_keys = TIMESERIES_KEYS

    intervals: QuerySegmentSpec
    descending: bool = False
    limit: int = 0

    def __attrs_post_init__(self) -> None:
        check_names(self.aggregations, self.post_aggregations)
        check_post_aggregators({item.name for item in self.aggregations}, self.post_aggregations)
        if self.limit < 0:
            raise invalid_input("limit must be greater than 0")
        self.query_context.get_string("timestampResultField")


@json_type("topN")
@frozen(kw_only=True)
class TopNQuery(AggregateQuery):
    """The `threshold` first values of one dimension by a metric, by time bucket."""

    tool_chest: ClassVar[str] = f"{ENGINES}.topn:TopNToolChest"
    context_keys = TOPN_KEYS

    intervals: QuerySegmentSpec
    dimension: DimensionSpec
    metric: TopNMetricSpec
    threshold: int

    def __attrs_post_init__(self) -> None:
        if self.threshold == 0:
            raise invalid_input("Threshold cannot be equal to 0.")
        check_names([self.dimension], self.aggregations, self.post_aggregations)
        check_post_aggregators(
            {self.dimension.name, *(item.name for item in self.aggregations)}, self.post_aggregations
        )
        self.metric.verify({item.name for item in self.aggregations} | {str(p.name) for p in self.post_aggregations})


@json_type("groupBy")
@frozen(kw_only=True)
class GroupByQuery(AggregateQuery):
    """Aggregates by time bucket and any number of dimensions."""

    tool_chest: ClassVar[str] = f"{ENGINES}.groupby:GroupByToolChest"
    context_keys = GROUP_BY_KEYS

    intervals: QuerySegmentSpec
    dimensions: tuple[DimensionSpec, ...] = ()
    having: HavingSpec | None = None
    limit_spec: DefaultLimitSpec = field(factory=DefaultLimitSpec)
    subtotals_spec: tuple[tuple[str, ...], ...] | None = None

    def __attrs_post_init__(self) -> None:
        names_of = [item.name for item in self.dimensions]
        for name in names_of:
            if names_of.count(name) > 1:
                raise invalid_input(f"Duplicate output name[{name}]")
        check_names(self.dimensions, self.aggregations, self.post_aggregations)
        check_no_time(self.dimensions, self.aggregations, self.post_aggregations)
        names = {item.name for item in self.dimensions} | {item.name for item in self.aggregations}
        check_post_aggregators(names, self.post_aggregations)
        names |= {str(item.name) for item in self.post_aggregations}
        self.query_context.get_bool("applyLimitPushDown", True)
        fudge_timestamp(self.query_context)
        self.limit_spec.verify(names)
        self._check_subtotals()

    @property
    def is_limit_of_dimensions(self) -> bool:
        """Whether the limit is decided by dimensions alone, so that data servers can apply it."""
        names = {item.name for item in self.dimensions}
        return self.having is None and all(column.dimension in names for column in self.limit_spec.columns)

    def _check_subtotals(self) -> None:
        known = {item.name for item in self.dimensions}
        for subtotal in self.subtotals_spec or ():
            unknown = [name for name in subtotal if name not in known]
            if unknown:
                listed = ", ".join(subtotal)
                raise invalid_input(f"Subtotal spec [{listed}] is either not a subset of top level dimensions.")


@frozen
class ScanOrderBy:
    """A column that a scan is ordered by."""

    column_name: str
    order: str = "ascending"


@json_type("scan")
@frozen(kw_only=True)
class ScanQuery(BaseQuery):
    """Rows as they are, in batches. `order` (ascending, descending, none) is by `__time`."""

    tool_chest: ClassVar[str] = f"{ENGINES}.scan:ScanToolChest"

    intervals: QuerySegmentSpec
    columns: tuple[str, ...] | None = None
    result_format: str = "list"
    batch_size: int = DEFAULT_BATCH_SIZE
    limit: int | None = None
    offset: int = 0
    order: str = "none"
    order_by: tuple[ScanOrderBy, ...] | None = None

    def __attrs_post_init__(self) -> None:
        if self.order.lower() not in ("none", "ascending", "descending"):
            raise invalid_input(f"No enum constant org.apache.druid.query.Order.{self.order.upper()}")
        if self.order.lower() != "none" and self.columns and "__time" not in self.columns:
            raise invalid_input("The __time column must be selected if the results are time-ordered.")
        self.query_context.get_int("maxRowsQueuedForOrdering", 0)
        if self.offset < 0:
            raise invalid_input("offset must be greater than or equal to 0")
        for name, default in (("limit", None), ("batch_size", DEFAULT_BATCH_SIZE)):  # Druid takes 0 for "not given"
            given = getattr(self, name)
            if given == 0:
                object.__setattr__(self, name, default)
            elif given is not None and given < 0:
                raise invalid_input(f"{'batchSize' if default else name} must be greater than 0")
        self._check_order()

    def _check_order(self) -> None:
        for item in self.order_by or ():
            if item.order.lower() not in ("none", "ascending", "descending"):
                raise invalid_input(f"No enum constant org.apache.druid.query.Order.{item.order.upper()}")
            if self.columns and item.column_name not in self.columns:
                raise invalid_input(f"Column [{item.column_name}] from 'orderBy' must also appear in 'columns'.")
        if self.order_by and self.order.lower() != "none":
            first = self.order_by[0]
            if first.column_name != "__time" or first.order.lower() != self.order.lower():
                raise invalid_input("Cannot provide 'order' incompatible with 'orderBy'")

    @property
    def time_order(self) -> str:
        """ "none", "ascending" or "descending"; raises for an order by other columns than `__time`."""
        if not self.order_by:
            return self.order.lower()
        if len(self.order_by) == 1 and self.order_by[0].column_name == "__time":
            return self.order_by[0].order.lower()
        listed = ", ".join(f"{o.column_name} {'ASC' if o.order == 'ascending' else 'DESC'}" for o in self.order_by)
        raise illegal_state(f"Cannot execute query with orderBy [{listed}]")


@json_type("timeBoundary")
@frozen(kw_only=True)
class TimeBoundaryQuery(BaseQuery):
    """The first and the last time there is."""

    tool_chest: ClassVar[str] = f"{ENGINES}.time_boundary:TimeBoundaryToolChest"

    bound: str | None = None


@json_type("dataSourceMetadata")
@frozen(kw_only=True)
class DataSourceMetadataQuery(BaseQuery):
    """The time of the latest row."""

    tool_chest: ClassVar[str] = f"{ENGINES}.time_boundary:DataSourceMetadataToolChest"


ANALYSIS_TYPES = frozenset(
    ["cardinality", "size", "interval", "aggregators", "minmax", "timestampspec", "querygranularity", "rollup"]
)


@json_type("segmentMetadata")
@frozen(kw_only=True)
class SegmentMetadataQuery(BaseQuery):
    """What segments hold: column types and, as asked, more."""

    tool_chest: ClassVar[str] = f"{ENGINES}.segment_metadata:SegmentMetadataToolChest"

    to_include: dict[str, Any] | None = None
    merge: bool = False
    analysis_types: tuple[str, ...] | None = None
    using_default_interval: bool = False
    aggregator_merge_strategy: str | None = None
    lenient_aggregator_merge: bool | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.data_source, TableDataSource | UnionDataSource):
            raise invalid_input(
                f"Invalid dataSource type [{type_names(type(self.data_source))[0]}]. "
                "SegmentMetadataQuery only supports table or union datasources."
            )
        for name in self.analysis_types or ():
            if name.lower() not in ANALYSIS_TYPES:
                raise invalid_input(
                    f"analysisTypes: unknown type [{name}]; known are [{', '.join(sorted(ANALYSIS_TYPES))}]"
                )

    @property
    def analyses(self) -> frozenset[str]:
        """The analysis types in lower case, Druid's defaults when none are given."""
        if self.analysis_types is None:
            return frozenset(["cardinality", "interval", "minmax"])
        return frozenset(name.lower() for name in self.analysis_types)


__all__ = [
    "AggregatorFactory",
    "DataSourceMetadataQuery",
    "Granularity",
    "GroupByQuery",
    "PostAggregator",
    "ScanOrderBy",
    "ScanQuery",
    "SegmentMetadataQuery",
    "TimeBoundaryQuery",
    "TimeseriesQuery",
    "TopNQuery",
]
