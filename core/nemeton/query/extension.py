"""The built-in parts of queries, by hook and type name. Nothing is imported until a query names it."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy

_HERE = "nemeton.query"


def _all(module: str, **classes: str) -> list[LazyType]:
    """Lazy entries of one module: type name = class (`__` in a keyword stands for `-`)."""
    return [lazy(name.rstrip("_").replace("__", "-"), f"{_HERE}.{module}:{cls}") for name, cls in classes.items()]


@hookimpl
def query_types() -> list[LazyType]:
    """Druid's native queries."""
    return [
        *_all(
            "model.queries",
            timeseries="TimeseriesQuery",
            topN="TopNQuery",
            groupBy="GroupByQuery",
            scan="ScanQuery",
            timeBoundary="TimeBoundaryQuery",
            dataSourceMetadata="DataSourceMetadataQuery",
            segmentMetadata="SegmentMetadataQuery",
        ),
        *_all("model.search", search="SearchQuery"),
        *_all("model.windows", windowOperator="WindowOperatorQuery"),
        *_all("model.unions", union="UnionQuery"),
    ]


@hookimpl
def caches() -> list[LazyType]:
    """Caches in the process; `caffeine` is the name that Druid's default has."""
    return [
        lazy("local", f"{_HERE}.cache.local:LocalCache", "caffeine"),
        lazy("noop", f"{_HERE}.cache.local:NoopCache", "none"),
    ]


@hookimpl
def monitors() -> list[LazyType]:
    """The monitors of the cache and of groupBy; the second names are Druid's."""
    return [
        lazy("cache", f"{_HERE}.cache.monitor:CacheMonitor", "CacheMonitor"),
        lazy("groupByStats", f"{_HERE}.spilling.stats:GroupByStatsMonitor", "GroupByStatsMonitor"),
    ]


@hookimpl
def data_sources() -> list[LazyType]:
    """Druid's data sources."""
    return [
        *_all(
            "model.data_sources",
            table="TableDataSource",
            globalTable="GlobalTableDataSource",
            union="UnionDataSource",
            inline="InlineDataSource",
            lookup="LookupDataSource",
            query="QueryDataSource",
        ),
        *_all("model.derived_sources", filter="FilteredDataSource", unnest="UnnestDataSource", join="JoinDataSource"),
        *_all("model.restricted", restrict="RestrictedDataSource"),
    ]


@hookimpl
def policies() -> list[LazyType]:
    """Druid's policies."""
    return _all("model.restricted", noRestriction="NoRestrictionPolicy", row="RowFilterPolicy")


@hookimpl
def spatial_bounds() -> list[LazyType]:
    """Druid's bounds."""
    return _all("filters.spatial", rectangular="RectangularBound", radius="RadiusBound", polygon="PolygonBound")


@hookimpl
def filters() -> list[LazyType]:
    """Druid's filters."""
    return [
        *_all(
            "filters.logical",
            and_="AndDimFilter",
            or_="OrDimFilter",
            not_="NotDimFilter",
            istrue="IsTrueDimFilter",
            isfalse="IsFalseDimFilter",
            true="TrueDimFilter",
            false="FalseDimFilter",
        ),
        *_all(
            "filters.values",
            selector="SelectorDimFilter",
            extraction="ExtractionDimFilter",
            in_="InDimFilter",
            inType="TypedInFilter",
            equals="EqualityFilter",
            null="NullFilter",
            arrayContainsElement="ArrayContainsElementFilter",
        ),
        *_all("filters.ranges", bound="BoundDimFilter", range="RangeFilter", interval="IntervalDimFilter"),
        *_all(
            "filters.texts",
            like="LikeDimFilter",
            regex="RegexDimFilter",
            search="SearchQueryDimFilter",
            javascript="JavaScriptDimFilter",
            columnComparison="ColumnComparisonDimFilter",
            expression="ExpressionDimFilter",
        ),
        *_all("filters.spatial", spatial="SpatialDimFilter"),
    ]


@hookimpl
def virtual_columns() -> list[LazyType]:
    """Druid's virtual columns."""
    return [
        lazy("expression", f"{_HERE}.virtual:ExpressionVirtualColumn"),
        lazy("mv-filtered", f"{_HERE}.virtual:ListFilteredVirtualColumn", "list-filtered"),
        lazy("nested-field", f"{_HERE}.virtual_nested:NestedFieldVirtualColumn"),
        lazy("fallback", f"{_HERE}.virtual_nested:FallbackVirtualColumn"),
        lazy("mv-to-array", f"{_HERE}.virtual:MultiValueToArrayVirtualColumn"),
    ]


@hookimpl
def dimension_specs() -> list[LazyType]:
    """Druid's dimension specs."""
    return [
        lazy("default", f"{_HERE}.dimensions:DefaultDimensionSpec", "LegacyDimensionSpec"),
        *_all(
            "dimensions",
            extraction="ExtractionDimensionSpec",
            lookup="LookupDimensionSpec",
            listFiltered="ListFilteredDimensionSpec",
            regexFiltered="RegexFilteredDimensionSpec",
            prefixFiltered="PrefixFilteredDimensionSpec",
        ),
    ]


@hookimpl
def extraction_fns() -> list[LazyType]:
    """Druid's extraction functions."""
    return _all(
        "extraction",
        identity="IdentityExtractionFn",
        timeFormat="TimeFormatExtractionFn",
        time="TimeDimExtractionFn",
        regex="RegexDimExtractionFn",
        partial="MatchingDimExtractionFn",
        searchQuery="SearchQuerySpecDimExtractionFn",
        substring="SubstringDimExtractionFn",
        strlen="StrlenExtractionFn",
        upper="UpperExtractionFn",
        lower="LowerExtractionFn",
        stringFormat="StringFormatExtractionFn",
        cascade="CascadeExtractionFn",
        bucket="BucketExtractionFn",
        lookup="LookupExtractionFn",
        registeredLookup="RegisteredLookupExtractionFn",
        javascript="JavaScriptExtractionFn",
    )


@hookimpl
def aggregators() -> list[LazyType]:
    """Druid's aggregators."""
    return [
        *_all("aggregators.count", count="CountAggregatorFactory", filtered="FilteredAggregatorFactory"),
        *_all(
            "aggregators.sums",
            longSum="LongSumAggregatorFactory",
            doubleSum="DoubleSumAggregatorFactory",
            floatSum="FloatSumAggregatorFactory",
        ),
        *_all("aggregators.expression", expression="ExpressionLambdaAggregatorFactory"),
        *_all(
            "aggregators.extremes",
            longMin="LongMinAggregatorFactory",
            longMax="LongMaxAggregatorFactory",
            doubleMin="DoubleMinAggregatorFactory",
            doubleMax="DoubleMaxAggregatorFactory",
            floatMin="FloatMinAggregatorFactory",
            floatMax="FloatMaxAggregatorFactory",
        ),
        *_all(
            "aggregators.by_time",
            longFirst="LongFirstAggregatorFactory",
            longLast="LongLastAggregatorFactory",
            longAny="LongAnyAggregatorFactory",
            doubleFirst="DoubleFirstAggregatorFactory",
            doubleLast="DoubleLastAggregatorFactory",
            doubleAny="DoubleAnyAggregatorFactory",
            floatFirst="FloatFirstAggregatorFactory",
            floatLast="FloatLastAggregatorFactory",
            floatAny="FloatAnyAggregatorFactory",
            stringFirst="StringFirstAggregatorFactory",
            stringLast="StringLastAggregatorFactory",
            stringAny="StringAnyAggregatorFactory",
        ),
        *_all(
            "aggregators.cardinality",
            cardinality="CardinalityAggregatorFactory",
            hyperUnique="HyperUniqueAggregatorFactory",
        ),
        *_all("aggregators.grouping", grouping="GroupingAggregatorFactory"),
        *_all("aggregators.mean", doubleMean="DoubleMeanAggregatorFactory"),
        *_all("aggregators.histogram", histogram="HistogramAggregatorFactory"),
        *_all("aggregators.single_value", singleValue="SingleValueAggregatorFactory"),
        *_all("aggregators.javascript", javascript="JavaScriptAggregatorFactory"),
    ]


@hookimpl
def post_aggregators() -> list[LazyType]:
    """Druid's post-aggregators."""
    return _all(
        "post_aggregators",
        fieldAccess="FieldAccessPostAggregator",
        finalizingFieldAccess="FinalizingFieldAccessPostAggregator",
        constant="ConstantPostAggregator",
        arithmetic="ArithmeticPostAggregator",
        doubleGreatest="DoubleGreatestPostAggregator",
        doubleLeast="DoubleLeastPostAggregator",
        longGreatest="LongGreatestPostAggregator",
        longLeast="LongLeastPostAggregator",
        hyperUniqueCardinality="HyperUniqueFinalizingPostAggregator",
        expression="ExpressionPostAggregator",
        javascript="JavaScriptPostAggregator",
    )


@hookimpl
def window_operators() -> list[LazyType]:
    """Druid's operators."""
    return _all(
        "windows.operators",
        naivePartition="NaivePartitioningOperator",
        glueingPartition="GlueingPartitioningOperator",
        naiveSort="NaiveSortOperator",
        partitionSort="PartitionSortOperator",
        scan="ScanOperator",
        window="WindowProcessorOperator",
    )


@hookimpl
def window_processors() -> list[LazyType]:
    """Druid's window functions."""
    return _all(
        "windows.processors",
        composing="ComposingProcessor",
        cumeDist="WindowCumeDistProcessor",
        denseRank="WindowDenseRankProcessor",
        percentile="WindowPercentileProcessor",
        rank="WindowRankProcessor",
        rowNumber="WindowRowNumberProcessor",
        first="WindowFirstProcessor",
        last="WindowLastProcessor",
        offset="WindowOffsetProcessor",
        framedAgg="WindowFramedAggregateProcessor",
    )


@hookimpl
def window_frames() -> list[LazyType]:
    """Druid's frames."""
    return _all("windows.frames", rows="RowsFrame", groups="GroupsFrame")


@hookimpl
def having_specs() -> list[LazyType]:
    """Druid's having specs."""
    return _all(
        "having",
        greaterThan="GreaterThanHavingSpec",
        lessThan="LessThanHavingSpec",
        equalTo="EqualToHavingSpec",
        and_="AndHavingSpec",
        or_="OrHavingSpec",
        not_="NotHavingSpec",
        always="AlwaysHavingSpec",
        never="NeverHavingSpec",
        dimSelector="DimensionSelectorHavingSpec",
        filter="DimFilterHavingSpec",
    )


@hookimpl
def topn_metric_specs() -> list[LazyType]:
    """Druid's topN metric specs."""
    return [
        *_all("model.topn_metrics", inverted="InvertedTopNMetricSpec"),
        lazy("numeric", f"{_HERE}.model.topn_metrics:NumericTopNMetricSpec", "LegacyTopNMetricSpec"),
        lazy("dimension", f"{_HERE}.model.topn_metrics:DimensionTopNMetricSpec", "lexicographic", "alphaNumeric"),
    ]


@hookimpl
def lookups() -> list[LazyType]:
    """The lookup that is written out in its configuration."""
    return _all("lookups", map="MapLookupExtractorFactory")
