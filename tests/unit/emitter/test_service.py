"""Emitting never blocks and never throws (behaviours 19.1 to 19.6)."""

from __future__ import annotations

import json
import logging
import threading

import pytest

from nemeton.common.clock import ManualClock
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.logging_emitter import LoggingEmitter, LoggingEmitterConfig
from nemeton.emitter.noop import NoopEmitter
from nemeton.json import Json
from nemeton.model import DataSegment
from nemeton.spi.emitter import Emitter, Severity
from nemeton.time import Interval


class Recording(Emitter):
    def __init__(self, fail=False):
        self.events = []
        self.log = []
        self.fail = fail
        self.entered = threading.Event()
        self.release = threading.Event()
        self.release.set()

    def start(self):
        self.log.append("start")

    def emit(self, event):
        self.entered.set()
        assert self.release.wait(20)
        if self.fail:
            raise OSError("gone")
        self.events.append(event.to_json())

    def flush(self):
        self.log.append("flush")

    def close(self):
        self.log.append("close")


@pytest.fixture
def clock():
    return ManualClock(now_ms=1_357_000_000_000)


@pytest.fixture
def make(clock):
    made = []

    def make(emitter, **more):
        service = ServiceEmitter(emitter, service="druid/broker", host="h:1", version="0.1", clock=clock, **more)
        service.start()
        made.append((service, emitter))
        return service

    yield make
    for service, emitter in made:
        if isinstance(emitter, Recording):
            emitter.release.set()
        service.close()


def test_a_metric_as_druid_writes_it(make):
    emitter = Recording()
    service = make(emitter)
    service.emit_metric("query/time", 12, dataSource="d", type=["a", "b"], none=None, ok=True)
    service.close()
    assert emitter.events == [
        {
            "feed": "metrics",
            "timestamp": "2013-01-01T00:26:40.000Z",
            "metric": "query/time",
            "value": 12,
            "service": "druid/broker",
            "host": "h:1",
            "version": "0.1",
            "dataSource": "d",
            "type": ["a", "b"],
            "ok": True,
        }
    ]
    assert emitter.log[0] == "start"
    assert emitter.log[-2:] == ["flush", "close"]


def test_an_object_stays_one(make):
    emitter = Recording()
    service = make(emitter)
    service.emit_metric("task/run/time", 12, tags={"team": "a", "cost": 3})
    service.close()
    assert emitter.events[0]["tags"] == {"team": "a", "cost": 3}


def test_a_published_segment_as_druid_writes_it(make):
    emitter = Recording()
    service = make(emitter)
    segment = DataSegment("ds", Interval.parse("2024-01-01/P1D"), "v1")
    service.segment_published(segment)
    service.segment_published(segment.with_(last_compaction_state={}))
    service.close()
    first, second = emitter.events
    assert first == {
        "feed": "segment_metadata",
        "dataSource": "ds",
        "createdTime": "2013-01-01T00:26:40.000Z",
        "startTime": "2024-01-01T00:00:00.000Z",
        "endTime": "2024-01-02T00:00:00.000Z",
        "version": "v1",
        "isCompacted": False,
    }
    assert second == first | {"isCompacted": True}


def test_an_alert_as_druid_writes_it(make, caplog):
    emitter = Recording()
    service = make(emitter)
    service.alert("It broke", Severity.ANOMALY, {"a": 1}, ValueError("bad"))
    service.close()
    assert emitter.events == [
        {
            "feed": "alerts",
            "timestamp": "2013-01-01T00:26:40.000Z",
            "severity": "anomaly",
            "service": "druid/broker",
            "host": "h:1",
            "description": "It broke",
            "data": {"a": 1, "exceptionType": "ValueError", "exceptionMessage": "bad"},
        }
    ]
    assert "Alert: It broke" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("", 1), (None, 1), ("m", "x"), ("m", None), ("m", float("nan")), ("m", True), ("m", object())]
)
def test_what_cannot_be_a_metric_is_a_warning(make, caplog, name, value):
    emitter = Recording()
    service = make(emitter)
    service.emit_metric(name, value)
    service.alert("x", severity="no such severity")
    service.close()
    assert emitter.events == []
    assert "cannot be emitted" in caplog.text


def test_warnings_are_limited_in_rate(make, caplog, clock):
    service = make(Recording())
    for _ in range(100):
        service.emit_metric("", 1)
    assert caplog.text.count("cannot be emitted") == 1
    clock.advance(11)
    service.emit_metric("", 1)
    assert "(and 99 more since the last such warning)" in caplog.text


def test_a_full_buffer_drops(make, caplog):
    emitter = Recording()
    emitter.release.clear()
    service = make(emitter, buffer_size=5)
    service.emit_metric("first", 1)
    assert emitter.entered.wait(20)
    for i in range(50):
        service.emit_metric("m", i)
    assert caplog.text.count("The buffer of 5 events is full") == 1
    emitter.release.set()
    service.close()
    assert [event["value"] for event in emitter.events] == [1, 0, 1, 2, 3, 4]


def test_an_emitter_that_fails_harms_nobody(make, caplog):
    emitter = Recording(fail=True)
    service = make(emitter)
    for i in range(10):
        service.emit_metric("m", i)
    service.close()
    assert caplog.text.count("Recording failed") == 1
    assert emitter.log[-1] == "close"


def test_closing_does_not_wait_for_ever(make, caplog):
    emitter = Recording()
    emitter.release.clear()
    service = make(emitter)
    for i in range(3):
        service.emit_metric("m", i)
    assert emitter.entered.wait(20)
    service.close(timeout_s=0.05)
    assert "did not pass on its last" in caplog.text
    service.emit_metric("after", 1)


def test_noop_needs_no_thread():
    before = set(threading.enumerate())
    service = ServiceEmitter(NoopEmitter())
    service.start()
    service.emit_metric("m", 1)
    assert set(threading.enumerate()) <= before
    service.close()


def test_the_logging_kind(make, caplog):
    emitter = LoggingEmitter(LoggingEmitterConfig(log_level="WARN"), Json())
    service = make(emitter)
    with caplog.at_level(logging.WARNING, logger="nemeton.emitter.LoggingEmitter"):
        service.emit_metric("query/time", 1.5)
        service.close()
    line = next(r for r in caplog.records if r.name == "nemeton.emitter.LoggingEmitter")
    assert line.levelno == logging.WARNING
    assert json.loads(line.getMessage())["metric"] == "query/time"
