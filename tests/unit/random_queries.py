"""Random native queries over the golden data source ``mixed`` (and a little of ``flights_rollup_day``)."""

from __future__ import annotations

from hypothesis import strategies as st

AGGREGATIONS = [
    {"type": "count", "name": "n"},
    {"type": "longSum", "name": "seqs", "fieldName": "seq"},
    {"type": "doubleMean", "name": "mean", "fieldName": "d"},
    {"type": "floatMin", "name": "least", "fieldName": "f"},
    {"type": "doubleMax", "name": "extreme", "fieldName": "dx"},
    {"type": "stringLast", "name": "last", "fieldName": "slong", "maxStringBytes": 8},
    {"type": "longFirst", "name": "first", "fieldName": "l"},
    {"type": "cardinality", "name": "card", "fields": ["sn", "mv"]},
    {"type": "filtered", "name": "some", "filter": {"type": "selector", "dimension": "low", "value": "alpha"},
     "aggregator": {"type": "count", "name": "some"}},
]  # fmt: skip
FILTERS = [
    None,
    {"type": "selector", "dimension": "low", "value": "beta"},
    {"type": "selector", "dimension": "sn", "value": None},
    {"type": "bound", "dimension": "seq", "lower": "100", "upper": "700", "ordering": "numeric"},
    {"type": "like", "dimension": "slong", "pattern": "long%"},
    {"type": "not", "field": {"type": "in", "dimension": "low", "values": ["alpha", "delta"]}},
    {"type": "expression", "expression": "l > 0"},
]
INTERVALS = st.sampled_from(
    ["2024-01-01/2025-01-01", "2024-02-26/2024-03-02", "2024-02-28T06:00/2024-03-05T12:30", "2024-02-01/2024-02-29"]
)
DIMENSIONS = ["low", "sn", "mv", "l", "f", "bool", "as", "ip"]
COMMON = {
    "dataSource": st.just("mixed"),
    "intervals": st.lists(INTERVALS, min_size=1, max_size=2),
    "filter": st.sampled_from(FILTERS),
}
AGGREGATED = {
    **COMMON,
    "granularity": st.sampled_from(["all", "day", "hour", {"type": "period", "period": "P1W"}]),
    "aggregations": st.lists(st.sampled_from(AGGREGATIONS), min_size=1, max_size=4, unique_by=lambda a: a["name"]),
}
DIMENSION = st.sampled_from(DIMENSIONS).map(
    lambda name: {"type": "default", "dimension": name, "outputName": f"of_{name}", "outputType": "ARRAY<STRING>"}
    if name == "as"
    else {"type": "default", "dimension": name, "outputName": f"of_{name}",
          "outputType": {"l": "LONG", "f": "FLOAT"}.get(name, "STRING")}
)  # fmt: skip
QUERIES = st.one_of(
    st.fixed_dictionaries({**AGGREGATED, "queryType": st.just("timeseries"), "descending": st.booleans()}),
    st.fixed_dictionaries(
        {
            **AGGREGATED,
            "queryType": st.just("groupBy"),
            "dimensions": st.lists(DIMENSION, max_size=2, unique_by=lambda d: d["outputName"]),
            "context": st.fixed_dictionaries({"resultAsArray": st.booleans()}),
        }
    ),
    st.fixed_dictionaries(
        {
            **AGGREGATED,
            "queryType": st.just("topN"),
            "dimension": st.sampled_from(["low", "sn", "mv", "bool"]),
            "metric": st.sampled_from([{"type": "dimension"}, {"type": "inverted", "metric": {"type": "dimension"}}]),
            "threshold": st.integers(1, 10),
        }
    ),
    st.fixed_dictionaries(
        {
            **COMMON,
            "queryType": st.just("search"),
            "granularity": st.sampled_from(["all", "day"]),
            "query": st.sampled_from(["a", "LONG", "1"]).map(lambda v: {"type": "insensitive_contains", "value": v}),
            "searchDimensions": st.lists(st.sampled_from(["low", "sn", "mv"]), min_size=1, unique=True),
            "limit": st.integers(1, 20),
        }
    ),
    st.fixed_dictionaries({**COMMON, "queryType": st.just("timeBoundary")}),
    st.fixed_dictionaries(
        {
            "dataSource": st.sampled_from(["mixed", "flights_rollup_day"]),
            "queryType": st.just("segmentMetadata"),
            "merge": st.booleans(),
            "analysisTypes": st.lists(st.sampled_from(["cardinality", "minmax", "size", "interval"]), unique=True),
        }
    ),
)
