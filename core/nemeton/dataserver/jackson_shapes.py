"""Which class Druid makes of each part of a native query, and what it says of a part that lacks something.

Clients that know Druid's errors look for those names; they are told for the parts that are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

QUERY = "org.apache.druid.query"
_SEGMENT = "org.apache.druid.segment"
QUERIES = {
    "timeseries": f"{QUERY}.timeseries.TimeseriesQuery",
    "topN": f"{QUERY}.topn.TopNQuery",
    "groupBy": f"{QUERY}.groupby.GroupByQuery",
    "scan": f"{QUERY}.scan.ScanQuery",
    "search": f"{QUERY}.search.SearchQuery",
    "timeBoundary": f"{QUERY}.timeboundary.TimeBoundaryQuery",
    "segmentMetadata": f"{QUERY}.metadata.metadata.SegmentMetadataQuery",
    "dataSourceMetadata": f"{QUERY}.datasourcemetadata.DataSourceMetadataQuery",
    "union": f"{QUERY}.union.UnionQuery",
    "windowOperator": f"{QUERY}.operator.WindowOperatorQuery",
}


@frozen
class Family:
    """Parts of one kind: the Java class of all, and of each type; `pattern` names those that are as their type is.

    `differing` are the type names that only one of Druid and nemeton knows.
    """

    java_class: str
    pattern: str = ""
    classes: Mapping[str, str] = {}
    differing: frozenset[str] = frozenset()

    def class_of(self, node: Any) -> str | None:
        """The class of one part; None when it has no type."""
        kind = node.get("type") if isinstance(node, dict) else None
        if not isinstance(kind, str) or not self.pattern:
            return None if self.pattern else self.java_class
        named = self.classes.get(kind)
        return named or self.pattern.format(kind[:1].upper() + kind[1:])


def _firsts_and_lasts() -> dict[str, str]:
    found = {}
    for kind in ("Long", "Double", "Float", "String"):
        for which in ("First", "Last"):
            name = f"{kind}{which}AggregatorFactory"
            found[f"{kind.lower()}{which}"] = f"{QUERY}.aggregation.firstlast.{which.lower()}.{name}"
        found[f"{kind.lower()}Any"] = f"{QUERY}.aggregation.any.{kind}AnyAggregatorFactory"
    return found


_FILTER = f"{QUERY}.filter."
_EXTRACTION = f"{QUERY}.extraction."
FAMILIES = {
    "Query": Family(f"{QUERY}.Query"),
    "DataSource": Family(
        f"{QUERY}.DataSource",
        f"{QUERY}.TableDataSource",
        {
            **{
                name: f"{QUERY}.{name[:1].upper()}{name[1:]}DataSource"
                for name in ("globalTable", "union", "inline", "lookup", "query", "join", "unnest")
            },
            "filter": f"{QUERY}.FilteredDataSource",
            "restrict": f"{QUERY}.RestrictedDataSource",
        },
    ),
    "DimFilter": Family(
        f"{_FILTER}DimFilter",
        f"{_FILTER}{{}}DimFilter",
        {
            "search": f"{_FILTER}SearchQueryDimFilter",
            "javascript": f"{_FILTER}JavaScriptDimFilter",
            "istrue": f"{_FILTER}IsTrueDimFilter",
            "isfalse": f"{_FILTER}IsFalseDimFilter",
            "inType": f"{_FILTER}TypedInFilter",
            "equals": f"{_FILTER}EqualityFilter",
            "null": f"{_FILTER}NullFilter",
            "range": f"{_FILTER}RangeFilter",
            "arrayContainsElement": f"{_FILTER}ArrayContainsElementFilter",
        },
    ),
    "AggregatorFactory": Family(
        f"{QUERY}.aggregation.AggregatorFactory",
        f"{QUERY}.aggregation.{{}}AggregatorFactory",
        {
            **_firsts_and_lasts(),
            "doubleMean": f"{QUERY}.aggregation.mean.DoubleMeanAggregatorFactory",
            "cardinality": f"{QUERY}.aggregation.cardinality.CardinalityAggregatorFactory",
            "hyperUnique": f"{QUERY}.aggregation.hyperloglog.HyperUniquesAggregatorFactory",
            "javascript": f"{QUERY}.aggregation.JavaScriptAggregatorFactory",
        },
        frozenset(["stringFirstFold", "stringLastFold"]),  # with which Druid's queries fail
    ),
    "PostAggregator": Family(
        f"{QUERY}.aggregation.PostAggregator",
        f"{QUERY}.aggregation.post.{{}}PostAggregator",
        {
            "javascript": f"{QUERY}.aggregation.post.JavaScriptPostAggregator",
            "hyperUniqueCardinality": f"{QUERY}.aggregation.hyperloglog.HyperUniqueFinalizingPostAggregator",
        },
    ),
    "VirtualColumn": Family(
        f"{_SEGMENT}.VirtualColumn",
        f"{_SEGMENT}.virtual.{{}}VirtualColumn",
        {
            "nested-field": f"{_SEGMENT}.virtual.NestedFieldVirtualColumn",
            "mv-filtered": f"{_SEGMENT}.virtual.ListFilteredVirtualColumn",
        },
        frozenset(["list-filtered", "mv-to-array"]),
    ),
    "DimensionSpec": Family(f"{QUERY}.dimension.DimensionSpec", f"{QUERY}.dimension.{{}}DimensionSpec"),
    "ExtractionFn": Family(
        f"{_EXTRACTION}ExtractionFn",
        f"{_EXTRACTION}{{}}ExtractionFn",
        {
            "regex": f"{_EXTRACTION}RegexDimExtractionFn",
            "partial": f"{_EXTRACTION}MatchingDimExtractionFn",
            "searchQuery": f"{_EXTRACTION}SearchQuerySpecDimExtractionFn",
            "javascript": f"{_EXTRACTION}JavaScriptExtractionFn",
            "time": f"{_EXTRACTION}TimeDimExtractionFn",
            "substring": f"{_EXTRACTION}SubstringDimExtractionFn",
            "lookup": f"{QUERY}.lookup.LookupExtractionFn",
            "registeredLookup": f"{QUERY}.lookup.RegisteredLookupExtractionFn",
        },
    ),
    "HavingSpec": Family(
        f"{QUERY}.groupby.having.HavingSpec",
        f"{QUERY}.groupby.having.{{}}HavingSpec",
        {
            "filter": f"{QUERY}.groupby.having.DimFilterHavingSpec",
            "dimSelector": f"{QUERY}.groupby.having.DimensionSelectorHavingSpec",
        },
        frozenset(["never"]),
    ),
    "LimitSpec": Family(f"{QUERY}.groupby.orderby.DefaultLimitSpec"),
    "Bound": Family(
        "org.apache.druid.collections.spatial.search.Bound", "org.apache.druid.collections.spatial.search.{}Bound"
    ),
    "SearchQuerySpec": Family(f"{QUERY}.search.SearchQuerySpec", f"{QUERY}.search.{{}}SearchQuerySpec"),
    "OrderByColumnSpec": Family(f"{QUERY}.groupby.orderby.OrderByColumnSpec"),
    "OrderBy": Family(f"{QUERY}.OrderBy"),
    "SearchSortSpec": Family(f"{QUERY}.search.SearchSortSpec"),
    "TopNMetricSpec": Family(f"{QUERY}.topn.TopNMetricSpec", f"{QUERY}.topn.{{}}TopNMetricSpec"),
}

FIELDS = {
    ("Query", "dataSource"): "DataSource",
    ("Query", "filter"): "DimFilter",
    ("Query", "virtualColumns"): "VirtualColumn",
    ("Query", "aggregations"): "AggregatorFactory",
    ("Query", "postAggregations"): "PostAggregator",
    ("Query", "dimensions"): "DimensionSpec",
    ("Query", "searchDimensions"): "DimensionSpec",
    ("Query", "dimension"): "DimensionSpec",
    ("Query", "having"): "HavingSpec",
    ("Query", "limitSpec"): "LimitSpec",
    ("Query", "orderBy"): "OrderBy",
    ("Query", "sort"): "SearchSortSpec",
    ("Query", "metric"): "TopNMetricSpec",
    ("TopNMetricSpec", "metric"): "TopNMetricSpec",
    ("Query", "query"): "SearchQuerySpec",
    ("Query", "queries"): "Query",
    ("LimitSpec", "columns"): "OrderByColumnSpec",
    **{("DataSource", name): "DataSource" for name in ("left", "right", "base", "dataSources")},
    **{("DataSource", name): "DimFilter" for name in ("filter", "leftFilter", "unnestFilter")},
    ("DataSource", "query"): "Query",
    ("DataSource", "virtualColumn"): "VirtualColumn",
    **{("DimFilter", name): "DimFilter" for name in ("field", "fields")},
    ("DimFilter", "extractionFn"): "ExtractionFn",
    ("DimFilter", "bound"): "Bound",
    ("DimFilter", "query"): "SearchQuerySpec",
    ("DimFilter", "dimensions"): "DimensionSpec",
    ("AggregatorFactory", "aggregator"): "AggregatorFactory",
    ("AggregatorFactory", "filter"): "DimFilter",
    ("AggregatorFactory", "fields"): "DimensionSpec",
    ("PostAggregator", "field"): "PostAggregator",
    ("PostAggregator", "fields"): "PostAggregator",
    ("DimensionSpec", "delegate"): "DimensionSpec",
    ("DimensionSpec", "extractionFn"): "ExtractionFn",
    ("ExtractionFn", "extractionFns"): "ExtractionFn",
    ("ExtractionFn", "query"): "SearchQuerySpec",
    ("HavingSpec", "filter"): "DimFilter",
    ("HavingSpec", "havingSpecs"): "HavingSpec",
    ("HavingSpec", "havingSpec"): "HavingSpec",
}

_COLUMN = "Invalid {} filter, column cannot be null"
_DIMENSION = "dimension must not be null"
_NO_SIZE = 'Cannot invoke "java.util.List.size()" because "fields" is null'
_NULL = "`java.lang.NullPointerException`"
MISSING = {
    ("Query", "dataSource"): "dataSource can't be null",
    ("Query", "granularity"): "Must specify a granularity",
    ("Query", "intervals"): "querySegmentSpec can't be null",
    ("TopNQuery", "dimension"): "dimensionSpec can't be null",
    ("TopNQuery", "metric"): "must specify a metric",
    ("TopNQuery", "threshold"): "Threshold cannot be equal to 0.",
    ("UnionQuery", "queries"): 'Cannot invoke "java.util.List.size()" because "queries" is null',
    ("TableDataSource", "name"): "'name' must be nonnull",
    ("UnionDataSource", "dataSources"): "'dataSources' must be non-null and non-empty for 'union'",
    ("QueryDataSource", "query"): "'query' must be nonnull",
    ("LookupDataSource", "lookup"): "lookup",
    ("InlineDataSource", "columnNames"): "'columnNames' must be nonnull",
    ("InlineDataSource", "rows"): "'rows' must be nonnull",
    ("JoinDataSource", "rightPrefix"): "Join clause cannot have null or empty prefix",
    **{("JoinDataSource", name): name for name in ("left", "right", "condition", "joinType")},
    ("RestrictedDataSource", "policy"): "Policy can't be null for RestrictedDataSource",
    ("DimFilter", "dimension"): _DIMENSION,
    ("InDimFilter", "dimension"): "dimension cannot be null",
    ("BoundDimFilter", "dimension"): "dimension can not be null",
    ("LikeDimFilter", "dimension"): "dimension",
    ("IntervalDimFilter", "dimension"): "dimension can not be null",
    ("AndDimFilter", "fields"): _NULL,
    ("OrDimFilter", "fields"): _NULL,
    ("NotDimFilter", "field"): "NOT operator requires at least one field",
    ("IsTrueDimFilter", "field"): "IS TRUE operator requires a non-null filter for field",
    ("IsFalseDimFilter", "field"): "IS FALSE operator requires a non-null filter for field",
    ("InDimFilter", "values"): "values cannot be null",
    ("EqualityFilter", "column"): _COLUMN.format("equality"),
    ("NullFilter", "column"): _COLUMN.format("null"),
    ("RangeFilter", "column"): _COLUMN.format("range"),
    ("ArrayContainsElementFilter", "column"): _COLUMN.format("array_contains"),
    ("ColumnComparisonDimFilter", "dimensions"): "dimensions",
    ("ExtractionDimFilter", "extractionFn"): "extraction function must not be null",
    ("IntervalDimFilter", "intervals"): "intervals can not be null",
    ("JavaScriptDimFilter", "function"): "function must not be null",
    ("LikeDimFilter", "pattern"): "pattern",
    ("RegexDimFilter", "pattern"): "pattern must not be null",
    ("SearchQueryDimFilter", "query"): "query must not be null",
    ("SpatialDimFilter", "bound"): "bound must not be null",
    ("AggregatorFactory", "name"): "Must have a valid, non-null aggregator name",
    ("FilteredAggregatorFactory", "aggregator"): "aggregator",
    ("FilteredAggregatorFactory", "filter"): "filter",
    ("SingleValueAggregatorFactory", "columnType"): "columnType",
    ("CardinalityAggregatorFactory", "fields"): "Must provide 'fieldNames' if 'fields' is null.",
    ("DoubleMeanAggregatorFactory", "fieldName"): "null fieldName",
    ("ArithmeticPostAggregator", "fn"): "fn cannot not be null",
    ("PostAggregator", "fields"): _NO_SIZE,
    ("ExpressionPostAggregator", "expression"): "expression cannot be null",
    ("FieldAccessPostAggregator", "fieldName"): _NULL,
    ("ExpressionVirtualColumn", "name"): "name",
    ("ExpressionVirtualColumn", "expression"): "expression",
    ("ExtractionDimensionSpec", "dimension"): _DIMENSION,
    ("ExtractionDimensionSpec", "extractionFn"): "extractionFn must not be null",
    ("DimensionSpec", "delegate"): "delegate must not be null",
    ("ListFilteredDimensionSpec", "values"): "values list must be non-empty",
    ("RegexFilteredDimensionSpec", "pattern"): "pattern must not be null",
    ("PrefixFilteredDimensionSpec", "prefix"): "prefix must not be null",
    ("CascadeExtractionFn", "extractionFns"): "extractionFns should not be null",
    ("ExtractionFn", "expr"): "expr must not be null",
    ("SearchQuerySpecDimExtractionFn", "query"): "search query must not be null",
    ("StringFormatExtractionFn", "format"): "format string should not be empty",
    ("TimeDimExtractionFn", "timeFormat"): "timeFormat must not be null",
    ("TimeDimExtractionFn", "resultFormat"): "resultFormat must not be null",
    ("RegisteredLookupExtractionFn", "lookup"): "`lookup` required",
    ("DimFilterHavingSpec", "filter"): "filter",
    ("DimensionSelectorHavingSpec", "dimension"): "Must have attribute 'dimension'",
}
"""What the constructor of a class, or of any of a family, says of a field that is not there."""


@frozen
class Place:
    """A part of a query: its family if it is of one, its class, and the way to it as Jackson tells it."""

    family: str | None
    java_class: str | None
    chain: str

    def missing(self, field: str) -> str | None:
        """What is said when the field is not there."""
        simple = (self.java_class or "").rpartition(".")[2]
        return MISSING.get((simple, field)) or MISSING.get((self.family or "", field))


def find(query: dict[str, Any], path: tuple[str | int, ...]) -> Place | None:
    """The part at a path; None when the way leads through parts that are not known."""
    family: str | None = "Query"
    node: Any = query
    chain: list[str] = []
    for step in path:
        if isinstance(step, int):
            chain.append(f"java.util.ArrayList[{step}]")
        else:
            owner = _class_of(family, node)
            if owner is None:
                return None
            chain.append(f'{owner}["{step}"]')
            family = FIELDS.get((family or "", step))
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
    return Place(family, _class_of(family, node), "->".join(chain))


def _class_of(family: str | None, node: Any) -> str | None:
    if family is None:
        return None
    if family == "Query":
        kind = node.get("queryType") if isinstance(node, dict) else None
        return QUERIES.get(kind) if isinstance(kind, str) else None
    return FAMILIES[family].class_of(node)
