from __future__ import annotations

import logging

from nemeton.spi import AlertEvent
from nemeton_prometheus_emitter import metrics


def test_a_timer_becomes_a_histogram_in_seconds(start, metric, scrape):
    emitter = start()
    emitter.emit(metric("query/time", 600, dataSource="flights", type="topN", id="x"))
    lines = scrape(emitter)
    assert 'druid_query_time_sum{dataSource="flights",type="topN"} 0.6' in lines
    assert 'druid_query_time_bucket{dataSource="flights",le="0.5",type="topN"} 0.0' in lines
    assert 'druid_query_time_bucket{dataSource="flights",le="0.75",type="topN"} 1.0' in lines


def test_counters_add_and_gauges_are_set(start, metric, scrape):
    emitter = start()
    for value in (2, 3):
        emitter.emit(metric("query/bytes", value, dataSource="a", type="scan"))
        emitter.emit(metric("segment/scan/pending", value))
    assert scrape(emitter) == [
        'druid_query_bytes_total{dataSource="a",type="scan"} 5.0',
        "druid_segment_scan_pending 3.0",
    ]


def test_a_counter_does_not_fall(start, metric, scrape, caplog):
    emitter = start()
    emitter.emit(metric("query/count", -1))
    emitter.emit(metric("query/count", 1))
    assert scrape(emitter) == ["druid_query_count_total 1.0"]
    assert "query/count" in caplog.text


def test_labels_are_those_of_the_map(start, metric, scrape):
    emitter = start(namespace="n", add_host_as_label=True, add_service_as_label=True, extra_labels={"env": "dev"})
    emitter.emit(metric("segment/loadQueue/count", 1, server="host-1:8083", tier="hot"))
    labels = 'druid_service="druid/broker",env="dev",host_name="localhost:8082",server="host_1_8083"'
    assert scrape(emitter) == [f"n_segment_loadqueue_count{{{labels}}} 1.0"]


def test_a_missing_dimension_is_unknown_and_odd_ones_are_text(start, metric, scrape):
    emitter = start()
    emitter.emit(metric("service/heartbeat", 1, leader=True, type=["a", "b"]))
    assert scrape(emitter) == ['druid_service_heartbeat{dataSource="unknown",leader="true",type="_a_b_"} 1.0']


def test_what_is_not_mapped_is_not_shown(start, metric, scrape):
    emitter = start()
    emitter.emit(metric("acme/unheard/of", 1))
    emitter.emit(AlertEvent(0, "druid/broker", "localhost", "help"))
    assert scrape(emitter) == []


def test_stale_label_sets_vanish(start, metric, scrape, clock):
    emitter = start(flush_period=60)
    emitter.emit(metric("segment/size", 1, dataSource="old"))
    emitter.emit(metric("segment/scan/active", 1))
    clock.advance(40)
    emitter.emit(metric("segment/size", 2, dataSource="new"))
    clock.advance(40)
    assert scrape(emitter) == ['druid_segment_size{dataSource="new"} 2.0']
    emitter.emit(metric("segment/scan/active", 4))
    assert "druid_segment_scan_active 4.0" in scrape(emitter)


def test_label_sets_are_bounded(start, metric, scrape, caplog, monkeypatch):
    monkeypatch.setattr(metrics, "MOST_LABEL_SETS", 2)
    emitter = start()
    for name in ("a", "b", "c", "d", "a"):
        emitter.emit(metric("query/bytes", 1, dataSource=name, type="scan"))
    assert [line.split('"')[1] for line in scrape(emitter)] == ["a", "b"]
    assert caplog.text.count("further ones are dropped") == 1


def test_roles_of_one_process_share_a_port(start, metric, scrape):
    first = start(add_service_as_label=True)
    second = start(add_service_as_label=True, port=first.port)
    assert second.port == first.port
    first.emit(metric("query/count", 1))
    second.emit(metric("query/count", 1))
    first.close()
    assert scrape(second) == ['druid_query_count_total{druid_service="druid/broker"} 2.0']


def test_a_port_in_use_costs_the_metrics_and_nothing_else(start, metric, caplog):
    first = start()
    other = start(namespace="other", port=first.port)
    assert other.port is None
    assert f"druid.emitter.prometheus.port [{first.port}] cannot be served" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    other.emit(metric("query/count", 1))


def test_the_port_is_free_afterwards(start, metric, scrape):
    port = start().port
    assert start(namespace="other", port=port).port is None
    first = start()
    first.close()
    again = start(namespace="again", port=0)
    assert again.port is not None
