"""The query types, from JSON to JSON: one segment or several, in one process or over the wire."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException, QueryException
from nemeton.query import kernels

from .conftest import DAY, Runner, make_segment

SUM = {"type": "longSum", "name": "x", "fieldName": "n"}
COUNT = {"type": "count", "name": "c"}
ONE = make_segment(
    __time=[0, 1, DAY, DAY], s=["a", "b", "a", None], n=[1, 2, 3, None], m=[["p", "q"], ["p"], None, "q"]
)
TWO = make_segment(__time=[2, DAY, 3 * DAY], s=["c", "a", "b"], n=[10, 20, 30], m=["q", "q", "r"])
BOTH = [ONE, TWO]


BY_COLUMN = [
    {"queryType": "scan", "columns": ["s", "m", "n", "nope"], "offset": 1, "limit": 4, "batchSize": 2},
    {"queryType": "scan", "columns": ["__time", "n"], "order": "descending"},
    {"queryType": "groupBy", "dimensions": ["s", "m"], "aggregations": [SUM, COUNT]},
    {"queryType": "groupBy", "dimensions": [], "aggregations": [COUNT], "granularity": "day"},
    {"queryType": "groupBy", "dimensions": ["s"], "aggregations": [SUM], "limitSpec": {"type": "default", "limit": 2}},
    {"queryType": "groupBy", "dimensions": []},
]


@pytest.mark.parametrize("asked", BY_COLUMN)
def test_an_answer_by_column_is_the_answer_by_row(runner, asked):
    """What SQL reads of scan and groupBy is what a native client gets."""
    query = runner.query(resultFormat="compactedList", **asked)
    parts = runner.engine.result_columns(query, runner.partial(query, BOTH))
    found = [
        dict(zip(part.names, row, strict=True))
        for part in parts
        for row in (zip(*part.columns, strict=True) if part.columns else [()] * part.num_rows)
    ]
    results = runner.engine.finalise(query, runner.partial(query, BOTH))
    if asked["queryType"] == "scan":
        wanted = [dict(zip(each["columns"], row, strict=True)) for each in results for row in each["events"]]
    else:
        wanted = [each["event"] for each in results]
    assert found == wanted
    assert len(found) >= 1


@pytest.mark.parametrize("wire", [False, True])
def test_timeseries_fills_empty_buckets_within_a_segment_only(runner, wire):
    rows = runner.run(BOTH, wire, queryType="timeseries", granularity="day", aggregations=[COUNT, SUM])
    assert [(row["timestamp"][:10], row["result"]["c"], row["result"]["x"]) for row in rows] == [
        ("1970-01-01", 3, 13),
        ("1970-01-02", 3, 23),
        ("1970-01-03", 0, None),
        ("1970-01-04", 1, 30),
    ]


def test_timeseries_can_skip_empty_buckets_and_go_backwards_and_add_a_total(runner):
    context = {"skipEmptyBuckets": True, "grandTotal": True}
    rows = runner.run(
        BOTH, queryType="timeseries", granularity="day", aggregations=[COUNT], context=context, descending=True
    )
    assert [(r["timestamp"] and r["timestamp"][:10], r["result"]["c"]) for r in rows] == [
        ("1970-01-04", 1),
        ("1970-01-02", 3),
        ("1970-01-01", 3),
        (None, 7),
    ]


def test_timeseries_over_nothing_is_one_empty_row(runner):
    rows = runner.run([], queryType="timeseries", aggregations=[COUNT, SUM], intervals=["2000-01-01/P1D"])
    assert rows == [{"timestamp": "2000-01-01T00:00:00.000Z", "result": {"c": 0, "x": None}}]


@pytest.mark.parametrize("wire", [False, True])
def test_groupby_merges_values_across_segments(runner, wire):
    rows = runner.run(BOTH, wire, queryType="groupBy", dimensions=["s"], aggregations=[SUM, COUNT])
    assert [row["event"] for row in rows] == [
        {"s": None, "x": None, "c": 1},
        {"s": "a", "x": 24, "c": 3},
        {"s": "b", "x": 32, "c": 2},
        {"s": "c", "x": 10, "c": 1},
    ]
    assert {row["timestamp"] for row in rows} == {"1970-01-01T00:00:00.000Z"}


def test_groupby_explodes_rows_with_several_values(runner):
    events = runner.events(BOTH, queryType="groupBy", dimensions=["m", "s"], aggregations=[COUNT])
    assert Counter(event["m"] for event in events for _ in range(event["c"])) == {"p": 2, "q": 4, "r": 1, None: 1}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=60),
    st.integers(1, 12),
    st.booleans(),
)
def test_the_first_groups_that_a_data_server_picks_hold_the_answer(json, rows, threshold, inverted):
    """Whether they come as rows, or as a table in no order, and wherever equal values are cut."""
    runner = Runner(json)
    segment = make_segment(__time=[0] * len(rows), s=[f"v{each}" for each, _ in rows], n=[n for _, n in rows])
    query = runner.query(
        queryType="topN",
        dimension="s",
        threshold=threshold,
        metric={"type": "inverted", "metric": "x"} if inverted else "x",
        aggregations=[SUM],
        granularity="all",
    )
    partial = runner.partial(query, [segment])
    sent = runner.engine.from_blocks(query, list(runner.engine.to_blocks(query, partial)))
    assert list(runner.engine.finalise(query, sent)) == list(runner.engine.finalise(query, partial))
    order = sorted(sums_of(rows).items(), key=lambda item: (item[1] if inverted else -item[1], item[0]))
    (result,) = runner.engine.finalise(query, sent)
    assert [(row["s"], row["x"]) for row in result["result"]] == order[:threshold]


def sums_of(rows):
    sums = Counter()
    for each, n in rows:
        sums[f"v{each}"] += n
    return sums


def test_topn_leaves_out_rows_without_a_value(runner):
    rows = runner.run(BOTH, queryType="topN", dimension="m", metric="c", threshold=2, aggregations=[COUNT])
    assert rows[0]["result"] == [{"m": "q", "c": 4}, {"m": "p", "c": 2}]


def test_groupby_numbers_and_time(runner):
    dimension = {"type": "default", "dimension": "n", "outputName": "k", "outputType": "LONG"}
    events = runner.events(ONE, queryType="groupBy", dimensions=[dimension], aggregations=[COUNT])
    assert events == [{"k": None, "c": 1}, {"k": 1, "c": 1}, {"k": 2, "c": 1}, {"k": 3, "c": 1}]


def test_groupby_order_limit_offset_and_having(runner):
    spec = {
        "type": "default",
        "columns": [{"dimension": "x", "direction": "descending", "dimensionOrder": "numeric"}],
        "limit": 2,
        "offset": 1,
    }
    having = {"type": "greaterThan", "aggregation": "x", "value": 5}
    events = runner.events(
        BOTH, queryType="groupBy", dimensions=["s"], aggregations=[SUM], limitSpec=spec, having=having
    )
    assert [event["s"] for event in events] == ["a", "c"]


def test_groupby_post_aggregations(runner):
    post = [
        {"type": "expression", "name": "e", "expression": "x * 2 + c"},
        {
            "type": "arithmetic",
            "name": "mean",
            "fn": "/",
            "fields": [{"type": "fieldAccess", "fieldName": "x"}, {"type": "fieldAccess", "fieldName": "c"}],
        },
    ]
    events = runner.events(ONE, queryType="groupBy", dimensions=["s"], aggregations=[SUM, COUNT], postAggregations=post)
    assert [(event["e"], event["mean"]) for event in events] == [(None, None), (10, 2.0), (5, 2.0)]


def test_nested_groupby_counts_distinct_values(runner):
    inner = {
        "queryType": "groupBy",
        "dataSource": "t",
        "intervals": ["1970-01-01/1980-01-01"],
        "granularity": "all",
        "dimensions": ["s"],
        "aggregations": [SUM],
    }
    counting = {
        "type": "filtered",
        "aggregator": COUNT,
        "filter": {"type": "not", "field": {"type": "null", "column": "s"}},
    }
    total = {"type": "longSum", "name": "t", "fieldName": "x"}
    events = runner.events(
        BOTH,
        queryType="groupBy",
        dataSource={"type": "query", "query": inner},
        dimensions=[],
        aggregations=[counting, total],
    )
    assert events == [{"c": 3, "t": 66}]


def test_inline_data(runner):
    source = {
        "type": "inline",
        "columnNames": ["a", "b"],
        "columnTypes": ["STRING", "LONG"],
        "rows": [["x", 1], ["x", 5]],
    }
    events = runner.events(
        [],
        queryType="groupBy",
        dataSource=source,
        dimensions=["a"],
        aggregations=[{"type": "longSum", "name": "s", "fieldName": "b"}],
    )
    assert events == [{"a": "x", "s": 6}]


def test_scan_streams_batches(runner):
    rows = runner.run(BOTH, queryType="scan", columns=["s", "n", "nope"], batchSize=2)
    assert [len(row["events"]) for row in rows] == [2, 2, 2, 1]
    assert rows[0]["events"][0] == {"s": "a", "n": 1, "nope": None}
    assert rows[0]["rowSignature"] == [{"name": "s", "type": "STRING"}, {"name": "n", "type": "LONG"}, {"name": "nope"}]
    assert [row["segmentId"] for row in rows] == ["s0", "s0", "s1", "s1"]


def test_scan_stops_reading_at_its_limit(runner):
    class Counting:
        def __init__(self, inner):
            self.inner, self.reads = inner, 0

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def column(self, name):
            self.reads += name == "n"
            return self.inner.column(name)

    untouched = Counting(TWO)
    rows = runner.run([ONE, untouched], queryType="scan", columns=["n"], limit=3, offset=1)
    assert [event["n"] for row in rows for event in row["events"]] == [2, 3, None]
    assert untouched.reads == 0
    query = runner.query(queryType="scan", columns=["n"], limit=3)  # as a data server is asked
    assert [row["events"] for row in runner.engine.to_wire(query, runner.partial(query, [ONE, untouched]))] == [
        [{"n": 1}, {"n": 2}, {"n": 3}]
    ]
    assert untouched.reads == 0


@pytest.mark.parametrize("wire", [False, True])
@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("ascending", [0, 1, 2, DAY, DAY, DAY, 3 * DAY]),
        ("descending", [3 * DAY, DAY, DAY, DAY, 2, 1, 0]),
    ],
)
def test_scan_in_order_of_time(runner, wire, order, wanted):
    rows = runner.run(
        BOTH, wire, queryType="scan", columns=["__time"], order=order, resultFormat="compactedList", limit=7
    )
    assert [event[0] for row in rows for event in row["events"]] == wanted


def test_an_ordered_scan_holds_only_so_many_rows(runner):
    with pytest.raises(QueryException) as refused:
        runner.run(
            BOTH, queryType="scan", columns=["__time"], order="ascending", context={"maxRowsQueuedForOrdering": 5}
        )
    assert refused.value.error == QueryException.RESOURCE_LIMIT


def test_time_boundary(runner):
    rows = runner.run(BOTH, queryType="timeBoundary")
    assert rows[0]["result"] == {"minTime": "1970-01-01T00:00:00.000Z", "maxTime": "1970-01-04T00:00:00.000Z"}
    assert runner.run([], queryType="timeBoundary") == []


def test_segment_metadata_merges_columns(runner):
    (analysis,) = runner.run(BOTH, queryType="segmentMetadata", merge=True)
    assert analysis["numRows"] == 7
    assert analysis["columns"]["n"]["type"] == "LONG"
    assert analysis["columns"]["s"]["cardinality"] == 3
    assert analysis["columns"]["m"]["hasMultipleValues"] is True


def test_a_groupby_beyond_its_groups_is_refused(runner):
    segment = make_segment(n=list(range(5000)))
    dimension = {"type": "default", "dimension": "n", "outputName": "n", "outputType": "LONG"}
    with pytest.raises(QueryException) as refused:
        runner.run(
            segment, queryType="groupBy", dimensions=[dimension], aggregations=[COUNT], context={"maxResults": 100}
        )
    assert refused.value.error == QueryException.RESOURCE_LIMIT


def test_a_query_past_its_deadline_is_stopped(runner):
    query = runner.query(queryType="timeseries", aggregations=[COUNT])
    with pytest.raises(QueryException) as stopped:
        runner.engine.run_segment(query, ONE, deadline=time.monotonic() - 1)
    assert stopped.value.error == QueryException.TIMEOUT
    assert stopped.value.http_status == 504


def test_a_cancelled_query_is_stopped_between_blocks(runner):
    cancel = threading.Event()
    segment = make_segment(n=list(range(30_000)))
    query = runner.query(queryType="scan", columns=["n"], batchSize=1000)
    batches = iter(runner.engine.run_segment(query, segment, cancel=cancel))
    next(batches)
    cancel.set()
    with pytest.raises(QueryException) as stopped:
        list(batches)
    assert stopped.value.error == QueryException.CANCELLED


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"queryType": "topN", "dimension": "s", "metric": "c", "threshold": 0, "aggregations": [COUNT]}, "Threshold"),
        ({"queryType": "topN", "dimension": "s", "metric": "zz", "threshold": 1, "aggregations": [COUNT]}, "zz"),
        ({"queryType": "timeseries", "aggregations": [{"type": "longSum", "name": "x"}]}, "fieldName"),
        ({"queryType": "timeseries", "aggregations": [COUNT, COUNT]}, "already defined"),
        ({"queryType": "timeseries", "intervals": ["nope/2024"]}, "nope"),
        ({"queryType": "nope"}, "nope"),
        ({"queryType": "scan", "columns": ["s"], "order": "sideways"}, "SIDEWAYS"),
        ({"queryType": "scan", "columns": ["s"], "order": "ascending"}, "__time"),
        ({"queryType": "groupBy", "dimensions": ["s"], "limitSpec": {"type": "default", "limit": -1}}, "limit"),
        ({"queryType": "groupBy", "dimensions": ["s"], "limitSpec": {"type": "default", "columns": ["zz"]}}, "zz"),
        ({"queryType": "timeseries", "dataSource": {"type": "union", "dataSources": []}}, "union"),
    ],
)
def test_bad_queries_are_refused_by_name(runner, request_, message):
    with pytest.raises(DruidException, match=message) as refused:
        runner.query(**request_)
    assert refused.value.http_status == 400


@pytest.mark.parametrize("context", [{"timeout": "abc"}, {"priority": "high"}, {"vectorize": "maybe"}])
def test_bad_contexts_are_refused_by_name(runner, context):
    query = runner.query(queryType="timeseries", context=context)
    with pytest.raises(DruidException, match=next(iter(context))):
        query.query_context.validate()


def test_a_query_goes_through_json_unchanged(runner):
    request = {
        "queryType": "groupBy",
        "dimensions": [
            "s",
            {"type": "extraction", "dimension": "m", "outputName": "o", "extractionFn": {"type": "upper"}},
        ],
        "aggregations": [SUM, {"type": "filtered", "name": "f", "filter": {"type": "true"}, "aggregator": COUNT}],
        "virtualColumns": [{"type": "expression", "name": "v", "expression": "n + 1", "outputType": "LONG"}],
        "limitSpec": {"type": "default", "columns": [{"dimension": "x", "direction": "desc"}], "limit": 3},
        "having": {"type": "greaterThan", "aggregation": "x", "value": 1},
    }
    query = runner.query(**request)
    assert runner.json.loads(runner.json.dumps(query), type(query)) == query


rows_strategy = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "é", "😀", None, ""]),
        st.one_of(st.none(), st.integers(-5, 5)),
        st.one_of(st.none(), st.lists(st.sampled_from(["p", "q", "r"]), max_size=3)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(rows_strategy, st.integers(1, 40))
def test_groupby_is_what_counting_by_hand_gives(json, rows, cut):
    from .conftest import Runner

    runner = Runner(json)
    parts = [part for part in (rows[:cut], rows[cut:]) if part]
    segments = [make_segment(s=[r[0] for r in p], n=[r[1] for r in p], m=[r[2] for r in p]) for p in parts]
    dimension = {"type": "default", "dimension": "n", "outputName": "n", "outputType": "LONG"}
    events = runner.events(segments, queryType="groupBy", dimensions=["s", dimension, "m"], aggregations=[COUNT])
    wanted = Counter((s, n, value) for s, n, values in rows for value in (values or [None]))
    if all(n is None for _, n, _ in rows):  # then the column is one of strings
        wanted = Counter((s, None, value) for s, _, values in rows for value in (values or [None]))
    assert {(e["s"], e["n"], e["m"]): e["c"] for e in events} == wanted


@pytest.fixture(scope="module")
def compiled():
    from nemeton.query import compiled

    compiled.warm()
    return compiled


class TestKernels:
    """The compiled kernels give what numpy gives."""

    @pytest.mark.parametrize("name", ["add", "minimum", "maximum"])
    @pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32])
    def test_by_group(self, compiled, monkeypatch, name, dtype):
        chance = np.random.default_rng(3)
        ids = chance.integers(0, 50, 5000)
        values = chance.integers(-1000, 1000, 5000).astype(dtype)
        for nulls in (None, chance.random(5000) < 0.2):
            results = []
            for module in (None, compiled):
                monkeypatch.setattr(kernels.compiled_kernels, "module", module)
                state, seen = np.zeros(60, dtype=dtype), np.zeros(60, dtype=bool)
                getattr(kernels, name)(state, seen, ids, values, nulls)
                results.append((state.tolist(), seen.tolist()))
            assert results[0] == results[1]

    def test_ids_of_keys(self, compiled, monkeypatch):
        chance = np.random.default_rng(4)
        blocks = [chance.integers(-(2**62), 2**62, 3000) % 5000 - 2500 for _ in range(5)]
        for start in (0, 2):
            ids = kernels.IdMap()
            out = []
            for i, block in enumerate(blocks):
                monkeypatch.setattr(kernels.compiled_kernels, "module", compiled if i >= start else None)
                out.append(ids.ids(block))
            for block, found in zip(blocks, out, strict=True):
                assert (ids.keys[found] == block).all()
            assert ids.size == len(np.unique(np.concatenate(blocks)))
