"""The aggregator `filtered` offers the engine what the aggregate within it does."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.aggregators.count import FilteredAggregatorFactory
from nemeton.query.inline import rows_segment
from nemeton.query.source import SegmentSource
from nemeton.spi.query import AggregatorFactory, Query

ROWS = rows_segment(
    {
        "k": ("STRING", ["a", "a", "b", "c", "c", "c"]),
        "v": ("LONG", [5, 1, 30, 2, 2, 9]),
        "one": ("STRING", ["x"] * 6),
    },
    6,
)
ALWAYS = {"type": "true"}
SMALL = {"type": "range", "column": "v", "matchValueType": "LONG", "upper": 10}

LARGE = {"type": "range", "column": "v", "matchValueType": "LONG", "lower": 2}


def filtered(aggregator, condition):
    return {"type": "filtered", "aggregator": aggregator, "filter": condition}


#: an array, which orders rows by its `compare` alone
LISTED = {
    "type": "expression",
    "name": "e",
    "fields": ["v"],
    "initialValue": "ARRAY<LONG>[]",
    "accumulatorIdentifier": "acc",
    "fold": "array_append(acc, v)",
    "combine": "array_concat(acc, e)",
    "compare": "if(array_length(o1) > array_length(o2), 1, if(array_length(o1) == array_length(o2), 0, -1))",
}


@pytest.fixture(scope="module")
def json():
    return Json(load_extensions({}, ["nemeton.query.extension"]).registry)


@pytest.fixture(scope="module")
def events(json):
    def run(**request):
        query = json.structure({**BASE, **request}, Query)
        engine = QueryEngine()
        rows = engine.finalise(query, engine.merge(query, [engine.run_segment(query, ROWS)]))
        return [row["event"] for row in rows]

    return run


BASE = {"queryType": "groupBy", "dataSource": "x", "intervals": "1970/2050", "granularity": "all", "dimensions": ["k"]}


def by(name):
    return {"type": "default", "columns": [{"dimension": name, "direction": "descending"}]}


@pytest.mark.parametrize("condition", [ALWAYS, LARGE], ids=["always", "some"])
def test_rows_are_ordered_as_the_inner_aggregate_orders_them(events, condition):
    found = events(aggregations=[filtered(LISTED, condition)], limitSpec=by("e"))
    assert [event["k"] for event in found] == ["c", "a", "b"]


def test_an_inner_aggregate_is_told_what_rows_are_grouped_by(events):
    grouping = {"type": "grouping", "name": "g", "groupings": ["k"]}
    found = events(aggregations=[filtered(grouping, SMALL)], subtotalsSpec=[["k"], []])
    assert [(event["k"], event["g"]) for event in found] == [("a", 0), ("b", 0), ("c", 0), (None, 1)]


def test_filters_within_filters_that_always_hold_are_left_out(json):
    column = {"type": "equals", "column": "k", "matchValueType": "STRING", "matchValue": "a"}
    request = {**filtered(filtered({"type": "count", "name": "n"}, ALWAYS), column), "name": "outer"}
    factory = json.structure(request, AggregatorFactory)
    less = factory.within(SegmentSource(ROWS))
    assert isinstance(less, FilteredAggregatorFactory)
    assert (less.name, less.aggregator.name) == ("outer", "n")
    assert not isinstance(less.aggregator, FilteredAggregatorFactory)


def test_an_expression_within_is_not_computed_of_rows_that_do_not_count(events):
    share = {"type": "longSum", "name": "s", "expression": "60 / (v - 30)"}
    found = events(aggregations=[filtered(share, ALWAYS)], filter=SMALL)
    assert {event["k"]: event["s"] for event in found} == {"a": -4, "c": -6}
    with pytest.raises(DruidException, match="by zero"):
        events(aggregations=[filtered(share, ALWAYS)])
