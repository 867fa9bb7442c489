"""What becomes of single values and rows: types, nulls, lists, rollup, time zones, discovered dimensions."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.ingest.helpers import Ingested, inline_spec

from nemeton.common.errors import DruidException
from nemeton.query.aggregators import hll

JSON = {"type": "json"}


def ingest(data: str, folder: Path, input_format: dict[str, Any] | None = None, **schema: Any) -> Ingested:
    return Ingested(inline_spec(data, input_format or JSON, **schema), folder)


@pytest.mark.parametrize(
    ("kind", "value", "stored", "is_error"),
    [
        ("long", "5", 5, False),
        ("long", "5.9", 5, False),
        ("long", '"5"', 5, False),
        ("long", '"+5"', 5, False),
        ("long", '"1e3"', 1000, False),
        ("long", '"5.9"', None, True),
        ("long", '"x"', None, True),
        ("long", '""', None, True),
        ("long", "null", None, False),
        ("long", "true", 1, False),
        ("long", '["1","2"]', None, True),
        ("double", '"1.5"', 1.5, False),
        ("double", '"1.5f"', 1.5, False),
        ("double", "3", 3.0, False),
        ("double", '"abc"', None, True),
        ("float", "0.5", 0.5, False),
        ("string", "5", "5", False),
        ("string", "1.0", "1.0", False),
        ("string", '""', "", False),
        ("string", "[]", None, False),
        ("string", '["b","a"]', ["a", "b"], False),
    ],
)
def test_values(kind: str, value: str, stored: Any, is_error: bool, tmp_path: Path) -> None:
    dimensions = {"dimensions": [{"type": kind, "name": "d"}, "e"]}
    found = ingest(f'{{"t":0,"d":{value},"e":"x"}}', tmp_path, dimensionsSpec=dimensions)
    assert found.rows()[0].get("d") == stored
    assert (found.meters.processed, found.meters.processed_with_error) == ((0, 1) if is_error else (1, 0))


def test_dimensions_are_discovered_in_the_order_of_the_input(tmp_path: Path) -> None:
    data = '{"t":0,"z":"1","a":2}\n{"t":1,"a":3,"m":"x","skip":1,"sum":4}\n'
    found = ingest(
        data,
        tmp_path,
        dimensionsSpec={"dimensionExclusions": ["skip"]},
        metricsSpec=[{"type": "longSum", "name": "total", "fieldName": "sum"}],
    )
    assert found.segments[0].dimensions == ["z", "a", "m"]
    assert found.rows() == [
        {"__time": 0, "total": None, "z": "1", "a": "2", "m": None},
        {"__time": 1, "total": 4, "z": None, "a": "3", "m": "x"},
    ]


def test_listed_dimensions_come_before_discovered_ones(tmp_path: Path) -> None:
    spec = {"dimensions": [{"type": "long", "name": "n"}], "includeAllDimensions": True}
    found = ingest('{"t":0,"z":"1","n":2}', tmp_path, dimensionsSpec=spec)
    assert found.segments[0].dimensions == ["n", "z"]


def test_rollup(tmp_path: Path) -> None:
    data = '{"t":0,"d":"a","x":1.5}\n{"t":59999,"d":"a","x":2}\n{"t":60000,"d":"a","x":4}\n{"t":1,"d":"b"}\n'
    found = ingest(
        data,
        tmp_path,
        dimensionsSpec={"dimensions": ["d"]},
        metricsSpec=[
            {"type": "count", "name": "n"},
            {"type": "doubleSum", "name": "x", "fieldName": "x"},
            {"type": "longMax", "name": "top", "fieldName": "x"},
        ],
        granularitySpec={"segmentGranularity": "HOUR", "queryGranularity": "MINUTE", "rollup": True},
    )
    assert found.rows() == [
        {"__time": 0, "n": 2, "top": 2, "x": 3.5, "d": "a"},
        {"__time": 0, "n": 1, "top": None, "x": None, "d": "b"},
        {"__time": 60000, "n": 1, "top": 4, "x": 4.0, "d": "a"},
    ]


def test_a_metric_that_cannot_be_read_is_null_and_reported(tmp_path: Path) -> None:
    found = ingest(
        '{"t":0,"d":"a","x":"1,000"}\n{"t":1,"d":"a","x":"many"}\n',
        tmp_path,
        dimensionsSpec={"dimensions": ["d"]},
        metricsSpec=[{"type": "longSum", "name": "s", "fieldName": "x"}],
    )
    assert [row["s"] for row in found.rows()] == [1000, None]
    assert found.meters.processed_with_error == 1
    assert (found.problems.saved_reports() or [])[0]["details"] == ["Unable to parse value[many] for field[x]"]


def test_segments_are_cut_in_the_time_zone(tmp_path: Path) -> None:
    day = {"type": "period", "period": "P1D", "timeZone": "America/New_York"}
    data = '{"t":"2024-03-10T04:59:59Z","d":"a"}\n{"t":"2024-03-10T05:00:00Z","d":"b"}\n'
    found = ingest(data, tmp_path, granularitySpec={"segmentGranularity": day, "rollup": False})
    assert [str(s.interval) for s in found.segments] == [
        "2024-03-09T05:00:00.000Z/2024-03-10T05:00:00.000Z",
        "2024-03-10T05:00:00.000Z/2024-03-11T04:00:00.000Z",
    ]


def test_query_granularity_all_is_the_segments_start(tmp_path: Path) -> None:
    spec = {"segmentGranularity": "DAY", "queryGranularity": "ALL", "rollup": False}
    found = ingest('{"t":"2024-03-10T04:00:00Z","d":"a"}', tmp_path, granularitySpec=spec)
    assert [row["__time"] for row in found.rows()] == [found.segments[0].interval.start]


def test_multi_value_handling(tmp_path: Path) -> None:
    kinds = {"sorted": "SORTED_ARRAY", "set": "SORTED_SET", "plain": "ARRAY"}
    dimensions = [{"type": "string", "name": n, "multiValueHandling": k} for n, k in kinds.items()]
    values = '["b","a","b",null]'
    data = "{" + ",".join(f'"{name}":{values}' for name in kinds) + ',"t":0}\n'
    found = ingest(data, tmp_path, dimensionsSpec={"dimensions": dimensions})
    assert found.rows()[0] == {
        "__time": 0,
        "sorted": [None, "a", "b", "b"],
        "set": [None, "a", "b"],
        "plain": ["b", "a", "b", None],
    }


def test_transforms_and_filter(tmp_path: Path) -> None:
    found = ingest(
        '{"t":0,"d":"a","x":1}\n{"t":1,"d":"b","x":2}\n',
        tmp_path,
        dimensionsSpec={"dimensions": ["d", "up", {"type": "long", "name": "twice"}]},
        transformSpec={
            "transforms": [
                {"type": "expression", "name": "up", "expression": "upper(d)"},
                {"type": "expression", "name": "twice", "expression": "x * 2"},
            ],
            "filter": {"type": "selector", "dimension": "up", "value": "B"},
        },
    )
    assert found.rows() == [{"__time": 1, "d": "b", "up": "B", "twice": 4}]
    assert found.meters.thrown_away == 1


def test_an_aggregator_whose_value_no_segment_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DruidException, match=r"aggregator\[s\].*type\[COMPLEX<doubleMean>\] cannot be stored"):
        ingest('{"t":0,"x":1}', tmp_path, metricsSpec=[{"type": "doubleMean", "name": "s", "fieldName": "x"}])


def test_complex_metrics_are_rolled_up(tmp_path: Path) -> None:
    found = ingest(
        "".join(f'{{"t":{i % 2},"d":"a","x":"x{i % 7}"}}\n' for i in range(40)),
        tmp_path,
        dimensionsSpec={"dimensions": ["d"]},
        metricsSpec=[{"type": "hyperUnique", "name": "u", "fieldName": "x"}],
        granularitySpec={"segmentGranularity": "DAY", "queryGranularity": "DAY", "rollup": True},
    )
    (row,) = found.rows()
    assert hll.estimate(hll.from_bytes(row["u"])[None, :]).tolist() == pytest.approx([7], rel=0.01)


def test_collectors_in_base64_are_read_as_such(tmp_path: Path) -> None:
    text = base64.b64encode(hll.to_bytes(np.minimum(np.arange(hll.BUCKETS), 3).astype(np.uint8))).decode()
    metric = {"type": "hyperUnique", "name": "u", "fieldName": "x", "isInputHyperUnique": True}
    (row,) = ingest(f'{{"t":0,"x":"{text}"}}', tmp_path, metricsSpec=[metric]).rows()
    assert base64.b64encode(row["u"]).decode() == text
