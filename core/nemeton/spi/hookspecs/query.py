"""Hooks of native queries and of the segments that they read."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def query_types() -> Types:
    """Kinds of native queries: `queryType`.

    Returns classes of `nemeton.spi.Query`, read from the query's JSON.

    Used by: Brokers, Historicals and peons that answer `/druid/v2`, on query threads.

    Example::

        @hookimpl
        def query_types():
            return [lazy("acmeSample", "acme.queries:SampleQuery")]
    """


@hookspec
def data_sources() -> Types:
    """What a query can read from: the `type` of `dataSource`.

    Returns classes of `nemeton.spi.DataSource`, read from the query's JSON. A plain string in JSON is a table.

    Used by: Brokers and data servers, while a query is planned.

    Example::

        @hookimpl
        def data_sources():
            return [lazy("acmeRemote", "acme.queries:RemoteDataSource")]
    """


@hookspec
def aggregators() -> Types:
    """Aggregators of queries and of rollup: the `type` in `aggregations` and `metricsSpec`.

    Returns classes of `nemeton.spi.AggregatorFactory`, which work on arrays of rows and group ids.

    Used by: Brokers, Historicals and peons; a state is used by one thread at a time, a factory by many.

    Example::

        @hookimpl
        def aggregators():
            return [lazy("acmeMode", "acme.aggregators:ModeAggregatorFactory")]
    """


@hookspec
def post_aggregators() -> Types:
    """Columns computed of finished aggregates: the `type` in `postAggregations`.

    Returns classes of `nemeton.spi.PostAggregator`, read from the query's JSON.

    Used by: Brokers, once per result, on a query thread.

    Example::

        @hookimpl
        def post_aggregators():
            return [lazy("acmeRatio", "acme.aggregators:RatioPostAggregator")]
    """


@hookspec
def caches() -> Types:
    """Where answers of segments and whole answers are kept: `druid.cache.type`.

    Returns classes of `nemeton.spi.Cache`, made by the injector.

    Used by: Brokers and Historicals, by many query threads at a time.

    Example::

        @hookimpl
        def caches():
            return [lazy("acme", "acme.cache:AcmeCache")]
    """


@hookspec
def laning_strategies() -> Types:
    """How queries are put into lanes: `druid.query.scheduler.laning.strategy`.

    Returns classes of `nemeton.spi.QueryLaningStrategy`, made by the injector.

    Used by: Brokers and data servers, when a query begins, by many query threads at a time.

    Example::

        @hookimpl
        def laning_strategies():
            return [lazy("acmeByUser", "acme.lanes:LaneByUser")]
    """


@hookspec
def prioritization_strategies() -> Types:
    """How queries get their priority: `druid.query.scheduler.prioritization.strategy`.

    Returns classes of `nemeton.spi.QueryPrioritizationStrategy`, made by the injector.

    Used by: Brokers and data servers, when a query begins, by many query threads at a time.

    Example::

        @hookimpl
        def prioritization_strategies():
            return [lazy("acmeByTable", "acme.lanes:PriorityByTable")]
    """


@hookspec
def request_loggers() -> Types:
    """Where native queries are written down: `druid.request.logging.type`.

    Returns classes of `nemeton.spi.RequestLogger`, made by the injector.

    Used by: Brokers and data servers, when an answer is out, by many query threads at a time.

    Example::

        @hookimpl
        def request_loggers():
            return [lazy("acmeTable", "acme.log:TableRequestLogger")]
    """


@hookspec
def filters() -> Types:
    """Conditions on rows: the `type` of a query's `filter`.

    Returns classes of `nemeton.spi.DimFilter`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads, block by block; an object is shared by threads.

    Example::

        @hookimpl
        def filters():
            return [lazy("acmeGeo", "acme.filters:GeoFilter")]
    """


@hookspec
def having_specs() -> Types:
    """Conditions on the result rows of a groupBy: the `type` of `having`.

    Returns classes of `nemeton.spi.HavingSpec`, read from the query's JSON.

    Used by: Brokers, once per result, on a query thread.

    Example::

        @hookimpl
        def having_specs():
            return [lazy("acmeHaving", "acme.filters:AcmeHavingSpec")]
    """


@hookspec
def window_operators() -> Types:
    """Steps of a `windowOperator` query: the `type` of an operator.

    Returns classes of `nemeton.query.windows.operators.WindowOperator`, read from the query's JSON.

    Used by: Brokers, and data servers for leaf operators, on query threads; an object is shared by threads.

    Example::

        @hookimpl
        def window_operators():
            return [lazy("acmeSample", "acme.windows:SampleOperator")]
    """


@hookspec
def window_processors() -> Types:
    """Window functions of a `windowOperator` query: the `type` of a processor.

    Returns classes of `nemeton.query.windows.processors.Processor`, read from the query's JSON.

    Used by: Brokers, on query threads, for all partitions at a time.

    Example::

        @hookimpl
        def window_processors():
            return [lazy("acmeTrend", "acme.windows:TrendProcessor")]
    """


@hookspec
def window_frames() -> Types:
    """Frames of window aggregates: the `type` of a `frame`.

    Returns classes of `nemeton.query.windows.frames.WindowFrame`, read from the query's JSON.

    Used by: Brokers, on query threads.

    Example::

        @hookimpl
        def window_frames():
            return [lazy("acmeRange", "acme.windows:RangeFrame")]
    """


@hookspec
def topn_metric_specs() -> Types:
    """Orderings of a topN: the `type` of `metric`.

    Returns classes of `nemeton.query.model.topn_metrics.TopNMetricSpec`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads.

    Example::

        @hookimpl
        def topn_metric_specs():
            return [lazy("acmeOrder", "acme.queries:AcmeTopNMetricSpec")]
    """


@hookspec
def spatial_bounds() -> Types:
    """Parts of space of the filter `spatial`: the `type` of a `bound`.

    Returns classes of `nemeton.query.filters.spatial.Bound`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads, for all distinct values at a time.

    Example::

        @hookimpl
        def spatial_bounds():
            return [lazy("acmeEllipse", "acme.places:EllipseBound")]
    """


@hookspec
def policies() -> Types:
    """Policies of the data source `restrict`: the `type` of a `policy`.

    Returns classes of `nemeton.query.model.restricted.Policy`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, which name it when they refuse the query.

    Example::

        @hookimpl
        def policies():
            return [lazy("acmeTenant", "acme.policies:TenantPolicy")]
    """


@hookspec
def virtual_columns() -> Types:
    """Columns computed while a query runs: the `type` in `virtualColumns`.

    Returns classes of `nemeton.spi.VirtualColumn`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads, block by block.

    Example::

        @hookimpl
        def virtual_columns():
            return [lazy("acmeColumn", "acme.columns:AcmeVirtualColumn")]
    """


@hookspec
def dimension_specs() -> Types:
    """Ways to group by a column: the `type` in `dimensions`.

    Returns classes of `nemeton.spi.DimensionSpec`, read from the query's JSON. A plain string in JSON is the
    `default` type.

    Used by: Historicals, peons and Brokers, on query threads, block by block.

    Example::

        @hookimpl
        def dimension_specs():
            return [lazy("acmeRounded", "acme.columns:RoundedDimensionSpec")]
    """


@hookspec
def extraction_fns() -> Types:
    """Functions from a dimension value to a string: the `type` of `extractionFn`.

    Returns classes of `nemeton.spi.ExtractionFn`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, once per distinct value, on query threads.

    Example::

        @hookimpl
        def extraction_fns():
            return [lazy("acmeDomain", "acme.columns:DomainExtractionFn")]
    """


@hookspec
def lookups() -> Types:
    """Kinds of lookups: the `type` of a `lookupExtractorFactory`.

    Returns classes of `nemeton.spi.LookupExtractorFactory`, read from what the Coordinator sends.

    Used by: Brokers, Historicals, Indexers and peons; one object for each lookup, started and closed by the node's
    lookup manager, and asked on query threads and in tasks, several at a time.

    Example::

        @hookimpl
        def lookups():
            return [lazy("acmeCustomers", "acme.lookups:CustomerLookupFactory")]
    """


@hookspec
def expression_functions() -> Types:
    """Functions of Druid's expression language.

    Returns classes of `nemeton.spi.ExpressionFunction`; the type name is the function's name in expressions. A name
    that core has is an error.

    Used by: every process that evaluates expressions, made known once when it starts; evaluation is by blocks, on query
    threads and in peons, several at a time.

    Example::

        @hookimpl
        def expression_functions():
            return [lazy("acme_distance", "acme.expressions:Distance")]
    """


@hookspec
def shard_specs() -> Types:
    """Kinds of shard specs: how the segments of one interval share its rows.

    Returns classes of `nemeton.model.ShardSpec`, read from the `shardSpec` of a segment.

    Used by: every role; the objects are immutable and shared by threads.

    Example::

        @hookimpl
        def shard_specs():
            return [lazy("acmeZoned", "acme.shards:ZonedShardSpec")]
    """
