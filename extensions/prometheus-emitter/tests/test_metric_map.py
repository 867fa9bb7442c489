from __future__ import annotations

import json as stdlib_json

import pytest

from nemeton.common.errors import DruidException
from nemeton_prometheus_emitter.metric_map import DEFAULT_BUCKETS, MetricKind, prometheus_name, read_metric_map


@pytest.mark.parametrize(
    ("druid", "prometheus"),
    [
        ("query/time", "query_time"),
        ("sqlQuery/planningTimeMs", "sqlquery_planningtimems"),
        ("sys/tcpv4/in/segs", "sys_tcpv_in_segs"),
        ("druid/coordinator-segment/count", "druid_coordinator_segment_count"),
    ],
)
def test_names_are_those_of_druid(druid, prometheus):
    assert prometheus_name(druid) == prometheus


def test_all_of_the_default_map_can_be_shown(json, start, metric, scrape):
    mapped = read_metric_map(None, json)
    emitter = start()
    for name in mapped:
        emitter.emit(metric(name, 1))
    shown = {line.partition("{")[0].partition(" ")[0] for line in scrape(emitter)}
    suffix = {MetricKind.COUNT: "_total", MetricKind.GAUGE: "", MetricKind.TIMER: "_sum"}
    assert {f"druid_{prometheus_name(name)}{suffix[entry.type]}" for name, entry in mapped.items()} <= shown


def test_a_map_of_ones_own(tmp_path, json, start, metric, scrape):
    path = tmp_path / "map.json"
    entries = {
        "druid/broker_acme/size": {"type": "gauge", "dimensions": ["b", "a"], "help": "How large."},
        "acme/wait": {"type": "timer", "histogramBuckets": [1, 2]},
    }
    path.write_text(stdlib_json.dumps(entries))
    assert read_metric_map(str(path), json)["acme/wait"].buckets == (1, 2)
    emitter = start(dimension_map_path=str(path))
    for name in ("acme/size", "acme/wait", "query/time"):
        emitter.emit(metric(name, 2, a="x"))
    assert scrape(emitter) == [
        'druid_druid_broker_acme_size{a="x",b="unknown"} 2.0',
        'druid_acme_wait_bucket{le="1.0"} 0.0',
        'druid_acme_wait_bucket{le="2.0"} 1.0',
        'druid_acme_wait_bucket{le="+Inf"} 1.0',
        "druid_acme_wait_count 1.0",
        "druid_acme_wait_sum 2.0",
    ]


def test_a_timer_has_druids_buckets(json):
    assert read_metric_map(None, json)["query/time"].buckets == DEFAULT_BUCKETS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "malformed"),
        ("[]", "map"),
        ('{"a": {"type": "counter"}}', "count, gauge, timer"),
        ('{"a": {"dimensions": []}}', "type"),
        ('{"a": {"type": "count", "dimensions": ["data-source"]}}', r"dimension \[data-source\]"),
        ('{"a": {"type": "timer", "conversionFactor": 0}}', r"conversionFactor \[0"),
        ('{"a": {"type": "timer", "histogramBuckets": [2, 1]}}', "must ascend"),
        ('{"a/b": {"type": "count"}, "a-b": {"type": "count"}}', r"\[a/b\] and \[a-b\] both become \[a_b\]"),
    ],
)
def test_a_map_that_is_wrong(tmp_path, json, text, message):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(
        DruidException, match=rf"druid\.emitter\.prometheus\.dimensionMapPath \[.*map\.json\].*{message}"
    ):
        read_metric_map(str(path), json)


def test_a_map_that_is_not_there(json):
    with pytest.raises(DruidException, match=r"dimensionMapPath \[/no/map\] cannot be read: No such file"):
        read_metric_map("/no/map", json)
