"""A segment that several threads read in parts of its rows gives what it gives when it is read as a whole."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.query.conftest import DAY, Runner, make_segment

HOUR = DAY // 24
ROWS = 200
SUMS = [
    {"type": "count", "name": "n"},
    {"type": "longSum", "name": "sum", "fieldName": "number"},
    {"type": "longMax", "name": "most", "fieldName": "gaps"},
    {"type": "cardinality", "name": "letters", "fields": ["letter"]},
]
RARE = {"type": "equals", "column": "letter", "matchValueType": "STRING", "matchValue": "b"}
SOME = {"type": "range", "column": "number", "matchValueType": "LONG", "lower": 30, "upperOpen": True, "upper": 60}
QUERIES: list[dict[str, Any]] = [
    {"queryType": "timeseries"},
    {"queryType": "timeseries", "granularity": "day"},
    {"queryType": "timeseries", "granularity": "hour", "descending": True, "filter": SOME},
    {"queryType": "timeseries", "descending": True, "filter": SOME},
    {"queryType": "topN", "dimension": "letter", "metric": "sum", "threshold": 3},
    {"queryType": "topN", "dimension": "word", "metric": "n", "threshold": 5, "granularity": "day", "filter": SOME},
    {"queryType": "groupBy", "dimensions": ["letter", "word"], "filter": RARE},
    {"queryType": "groupBy", "dimensions": ["letter"], "granularity": "day"},
]


def segment() -> Any:
    return make_segment(
        number=[row * 7 % 90 for row in range(ROWS)],
        gaps=[None if row % 90 < 40 else row for row in range(ROWS)],
        letter=["abcd"[row % 4 if row < 150 else 0] for row in range(ROWS)],
        word=[f"w{row % 23}" for row in range(ROWS)],
    )


@pytest.mark.parametrize("request_", QUERIES, ids=range(len(QUERIES)))
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, ROWS), max_size=3), interval=st.sampled_from(["1970-01-01", "1970-01-02T05:00"]))
def test_parts_are_merged_to_what_the_whole_gives(
    json: Any, request_: dict[str, Any], cuts: list[int], interval: str
) -> None:
    runner, whole = Runner(json), segment()
    query = runner.query(**request_, intervals=[f"{interval}/1970-01-07"], aggregations=SUMS)
    ends = [0, *sorted(cuts), ROWS]
    parts = [runner.engine.run_segment(query, whole, rows=(start, stop)) for start, stop in itertools.pairwise(ends)]
    merged = list(runner.engine.finalise(query, runner.engine.merge(query, parts)))
    assert runner.engine.reads_parts(query)
    assert merged == list(runner.engine.finalise(query, runner.partial(query, [whole])))


@pytest.mark.parametrize(
    "request_",
    [
        {"queryType": "scan"},
        {"queryType": "search", "query": {"type": "contains", "value": "a"}},
        {"queryType": "timeseries", "aggregations": SUMS[:1]},
        {"queryType": "groupBy", "dimensions": ["letter"], "aggregations": []},
        {
            "queryType": "groupBy",
            "dimensions": ["letter"],
            "aggregations": SUMS,
            "dataSource": {"type": "filter", "base": "t", "filter": RARE},
        },
    ],
    ids=["scan", "search", "count", "values", "another data source"],
)
def test_others_are_read_as_wholes(runner: Runner, request_: dict[str, Any]) -> None:
    assert not runner.engine.reads_parts(runner.query(**request_))
