"""What a Java Broker writes in the queries that it passes on, how it wants the answers, and what Historicals are asked.

The forms were seen between the processes of Druid 33.0.0; tests/interop/test_mixed_data_servers.py asks them.
"""

from __future__ import annotations

import base64

import numpy as np
import pytest

from nemeton.query.aggregators import hll
from nemeton.query.inline import rows_segment

COUNT = [{"type": "count", "name": "n"}]
SEGMENT = rows_segment(
    {
        "__time": ("LONG", [0, 1000, 2000, 3000, 4000]),
        "d": ("STRING", ["a", "b", "b", "c", "c"]),
        "x": ("DOUBLE", [1.0, 2.0, 3.0, 4.0, 5.5]),
    },
    5,
)


def wire(runner, **request):
    query = runner.query(**request)
    partial = runner.engine.merge(query, [runner.engine.run_segment(query, SEGMENT)])
    return list(runner.engine.to_wire(query, partial))


def legacy(name):
    return {"type": "LegacyDimensionSpec", "dimension": name, "outputName": name, "outputType": "STRING"}


@pytest.mark.parametrize("dimension", ["d", legacy("d")])
def test_dimensions_and_metrics_that_were_bare_strings(runner, dimension):
    for metric in ("n", {"type": "LegacyTopNMetricSpec", "metric": "n"}):
        (row,) = wire(runner, queryType="topN", dimension=dimension, metric=metric, threshold=2, aggregations=COUNT)
        # the first values; a Broker asks for more than its client does
        assert row["result"] == [{"d": "b", "n": 2}, {"d": "c", "n": 2}]


def test_no_limit_and_rows_as_arrays(runner):
    request = {
        "queryType": "groupBy",
        "dimensions": [legacy("d")],
        "aggregations": COUNT,
        "limitSpec": {"type": "NoopLimitSpec"},
    }
    counts = {row["event"]["d"]: row["event"]["n"] for row in wire(runner, **request)}
    assert counts == {"a": 1, "b": 2, "c": 2}
    arrays = request | {"context": {"resultAsArray": True, "finalize": False}}
    assert wire(runner, **arrays) == [["a", 1], ["b", 2], ["c", 2]]
    by_second = wire(runner, **arrays | {"granularity": "second"})
    assert by_second[:2] == [[0, "a", 1], [1000, "b", 1]]
    assert wire(runner, **arrays | {"dimensions": [], "aggregations": []}) == [[]]


def test_an_order_within_an_order(runner):
    search = {"queryType": "search", "searchDimensions": [legacy("d")], "sort": {"type": {"type": "lexicographic"}}}
    (row,) = wire(runner, **search, query={"type": "insensitive_contains", "value": "B"}, granularity="all")
    assert row["result"] == [{"dimension": "d", "value": "b", "count": 2}]


def test_rows_of_an_ordered_scan_come_one_by_one_to_who_merges_them(runner):
    scan = {"queryType": "scan", "columns": ["__time", "d"], "order": "descending", "limit": 3}
    assert [len(batch["events"]) for batch in wire(runner, **scan)] == [3]
    singly = wire(runner, **scan, context={"scanOutermost": False})
    assert [batch["events"] for batch in singly] == [
        [{"__time": 4000, "d": "c"}],
        [{"__time": 3000, "d": "c"}],
        [{"__time": 2000, "d": "b"}],
    ]


def test_a_timeseries_backwards_comes_backwards(runner):
    rows = wire(runner, queryType="timeseries", granularity="second", descending=True, aggregations=COUNT)
    assert rows[0]["timestamp"] == "1970-01-01T00:00:04.000Z"


def test_a_mean_is_druids_sixteen_bytes(runner):
    mean = [{"type": "doubleMean", "name": "m", "fieldName": "x"}]
    (row,) = wire(runner, queryType="timeseries", aggregations=mean)
    raw = base64.b64decode(row["result"]["m"])
    assert raw == np.array([15.5], dtype=">f8").tobytes() + (5).to_bytes(8, "big")
    assert runner.run(SEGMENT, wire=True, queryType="timeseries", aggregations=mean)[0]["result"]["m"] == 3.1


@pytest.mark.parametrize("count", [0, 1, 2, 40, 127, 128, 500, 3000])
def test_collectors_are_sparse_below_128_registers_and_read_back(count):
    registers = np.zeros(hll.BUCKETS, dtype=np.uint8)
    buckets, positions = hll.hash_longs(np.arange(count, dtype=np.int64))
    np.maximum.at(registers, buckets, positions)
    raw = hll.to_bytes(registers)
    num_set = int((registers > 0).sum())
    assert len(raw) == (7 + 3 * num_set if num_set < 128 else 7 + 1024)
    assert hll.from_bytes(raw).tolist() == registers.tolist()
    assert hll.decode(raw).tolist() == hll.decode(base64.b64encode(raw).decode()).tolist() == registers.tolist()


# ---- the other way: what a Java Historical is asked, which does all that it is asked


def passed_on(runner, **request):
    return runner.json.unstructure(runner.engine.for_data_server(runner.query(**request)))


def test_an_offset_is_not_passed_on(runner):
    asked = passed_on(runner, queryType="scan", columns=["d"], offset=3, limit=10)
    assert (asked.get("offset", 0), asked["limit"]) == (0, 13)
    asked = passed_on(runner, queryType="scan", columns=["d"], offset=3)
    assert asked.get("offset", 0) == 0
    assert asked.get("limit") is None


def test_a_topn_asks_for_something_to_merge(runner):
    topn = {"queryType": "topN", "dimension": "d", "metric": "n", "aggregations": COUNT}
    assert passed_on(runner, **topn, threshold=2)["threshold"] == 1000
    assert passed_on(runner, **topn, threshold=5000)["threshold"] == 5000
    assert passed_on(runner, **topn, threshold=2, context={"minTopNThreshold": 7})["threshold"] == 7


def test_a_group_by_leaves_the_end_to_the_broker(runner):
    asked = passed_on(
        runner,
        queryType="groupBy",
        dimensions=["d", "x"],
        aggregations=COUNT,
        postAggregations=[{"type": "constant", "name": "one", "value": 1}],
        having={"type": "greaterThan", "aggregation": "n", "value": 1},
        limitSpec={"type": "default", "limit": 2, "offset": 1, "columns": ["n"]},
        subtotalsSpec=[["d"], []],
        context={"forceLimitPushDown": True},
    )
    assert asked["limitSpec"] == {"type": "noop"}
    assert not asked.get("having")
    assert not asked.get("postAggregations")
    assert not asked.get("subtotalsSpec")
    assert asked["context"]["forceLimitPushDown"] is False


def test_a_timeseries_leaves_limit_and_total_to_the_broker(runner):
    asked = passed_on(runner, queryType="timeseries", limit=3, aggregations=COUNT, context={"grandTotal": True})
    assert not asked.get("limit")
    assert asked["context"]["grandTotal"] is False
