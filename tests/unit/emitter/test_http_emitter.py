"""Events go to a URL in batches, whatever the receiver does; emitting never waits for it (behaviours 19.1 to 19.6)."""

from __future__ import annotations

import json
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.emitter.receiver import Receiver

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.common.errors import DruidException
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton.emitter.batches import BatchingStrategy, BatchQueue
from nemeton.emitter.http_config import (
    ContentEncoding,
    HttpEmitterConfig,
    HttpEmittingConfig,
    ParametrizedUriEmitterConfig,
)
from nemeton.emitter.http_emitter import HttpPostEmitter
from nemeton.emitter.parametrized import ParametrizedUriEmitter
from nemeton.json import Json
from nemeton.spi.emitter import AlertEvent, MetricEvent
from nemeton.testkit.waiting import eventually


def metric(number, **dimensions):
    return MetricEvent(0, "druid/overlord", "h:1", "task/run/time", number, dimensions)


def values(body):
    return [event["value"] for event in json.loads(body)]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def make(receiver):
    emitters = []

    def make(clock=None, url=None, **config):
        defaults = {"recipient_base_url": url or f"{receiver.url}/events", "flush_count": 2}
        emitter = HttpPostEmitter(HttpEmitterConfig(**(defaults | config)), Json(), clock or SystemClock())
        emitter._backoff.initial_s = 0.01
        emitters.append(emitter)
        emitter.start()
        return emitter

    yield make
    receiver.let_go()
    for emitter in emitters:
        emitter.close()


def test_a_batch_goes_out_when_it_has_enough_events(make, receiver):
    emitter = make()
    for number in range(5):
        emitter.emit(metric(number))
    eventually(lambda: len(receiver.requests) == 2, "two batches")
    status, path, headers, body = receiver.requests[0]
    assert (status, path, headers["Content-Type"]) == (200, "/events", "application/json")
    assert json.loads(body)[0] == {
        "feed": "metrics",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "metric": "task/run/time",
        "value": 0,
        "service": "druid/overlord",
        "host": "h:1",
        "version": "",
    }
    assert [values(body) for body in receiver.taken] == [[0, 1], [2, 3]]


def test_or_when_its_first_event_is_old_enough(make, receiver):
    clock = ManualClock()
    emitter = make(clock, flush_millis=60_000)
    emitter.emit(metric(1))
    clock.advance(59)
    time.sleep(0.05)
    assert receiver.requests == []
    clock.advance(1.1)
    eventually(lambda: len(receiver.taken) == 1, "the batch")


def test_or_when_it_is_large(make, receiver):
    emitter = make(max_batch_size=1024, flush_count=100)
    for number in range(4):
        emitter.emit(metric(number, text="x" * 400))
    eventually(lambda: len(receiver.taken) == 3, "three batches of one")
    emitter.emit(metric(9, text="x" * 2000))
    emitter.close()
    assert [values(body) for body in receiver.taken] == [[0], [1], [2], [3]]
    assert all(len(body) <= 1024 for body in receiver.taken)


def test_what_is_left_is_sent_at_the_end(make, receiver):
    emitter = make()
    emitter.emit(metric(1))
    emitter.close()
    assert [values(body) for body in receiver.taken] == [[1]]


def test_a_receiver_that_fails_gets_the_batch_again_in_order(make, receiver):
    receiver.statuses.extend([500, 503, 429])
    emitter = make()
    for number in range(4):
        emitter.emit(metric(number))
    eventually(lambda: len(receiver.taken) == 2, "both batches")
    assert [values(body) for body in receiver.taken] == [[0, 1], [2, 3]]
    assert [status for status, *_ in receiver.requests] == [500, 503, 429, 200, 200]
    emitter.close()
    stats = emitter.take_stats()
    assert (stats.emitted_events, stats.failed_sends, stats.dropped_batches) == (4, 3, 0)
    assert stats.successful_sending.count == 2
    assert emitter.take_stats().emitted_events == 0


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_receiver_will_never_take_is_dropped(make, receiver, caplog, status):
    receiver.statuses.append(status)
    emitter = make()
    for number in range(4):
        emitter.emit(metric(number))
    eventually(lambda: len(receiver.taken) == 1, "the second batch")
    assert values(receiver.taken[0]) == [2, 3]
    assert f"it answered {status}: answer" in caplog.text
    assert "the batch is dropped" in caplog.text
    assert emitter.take_stats().dropped_batches == 1


def test_while_nobody_takes_them_the_newest_batches_are_kept(make, receiver, caplog):
    receiver.always(500)
    emitter = make(batch_queue_size_limit=3)
    for number in range(20):
        emitter.emit(metric(number))
    assert emitter.take_stats().waiting_batches == 3
    assert "does not keep up" in caplog.text
    receiver.always(200)
    eventually(lambda: receiver.taken and values(receiver.taken[-1]) == [18, 19], "those that were kept")
    assert [values(body) for body in receiver.taken][-3:] == [[14, 15], [16, 17], [18, 19]]


def test_emitting_does_not_wait_for_a_receiver_that_hangs(make, receiver):
    receiver.hold()
    emitter = make()
    started = time.monotonic()
    for number in range(1000):
        emitter.emit(metric(number))
    assert time.monotonic() - started < 1
    receiver.let_go()


def test_a_receiver_that_is_not_there_is_told_of_and_found_again(make, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    emitter = make(url=f"http://127.0.0.1:{port}/x", flush_time_out=200)
    emitter.emit(metric(1))
    emitter.emit(metric(2))
    eventually(lambda: "Sending 2 events" in caplog.text, "the warning")
    emitter.close()
    assert "2 events could not be sent" in caplog.text


def test_bodies_are_compressed_and_signed_as_configured(make, receiver):
    password = DefaultPasswordProvider("admin:pass:word")
    emitter = make(content_encoding=ContentEncoding.GZIP, basic_authentication=password)
    emitter.emit(metric(1))
    emitter.close()
    _, _, headers, body = receiver.requests[0]
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Authorization"] == "Basic YWRtaW46cGFzczp3b3Jk"
    assert values(body) == [1]


@pytest.mark.parametrize(("strategy", "body"), [("ARRAY", b"[1,2]\n"), ("NEWLINES", b"1\n2\n"), ("ONLY_EVENTS", b"12")])
def test_the_three_strategies(strategy, body):
    assert BatchingStrategy(strategy).body_of([b"1", b"2"]) == body


EVENTS = st.lists(st.binary(min_size=1, max_size=40), max_size=60)


@given(EVENTS, st.integers(1, 7), st.integers(50, 120), st.sampled_from(BatchingStrategy))
def test_any_events_come_out_once_in_order_within_the_bounds(events, max_events, max_bytes, strategy):
    queue = BatchQueue(max_events, max_bytes, 1000)
    for event in events:
        assert queue.fits(event)
        queue.add(event, 0.0)
    queue.seal(0.0)
    sent = []
    while (batch := queue.oldest()) is not None:
        assert 0 < len(batch.events) <= max_events
        assert len(strategy.body_of(batch.events)) <= max_bytes
        sent += batch.events
        queue.done(batch)
    assert sent == events
    assert (queue.events, queue.dropped) == (0, 0)


def test_a_url_is_needed():
    with pytest.raises(DruidException, match=r"druid\.emitter\.http\.recipientBaseUrl must be set"):
        HttpPostEmitter(HttpEmitterConfig(), Json(), SystemClock())
    with pytest.raises(DruidException, match=r"recipientBaseUrlPattern must be set"):
        ParametrizedUriEmitter(ParametrizedUriEmitterConfig(), Json(), SystemClock())


# ---- parametrized


def test_the_url_may_be_made_of_the_event(receiver, caplog):
    config = ParametrizedUriEmitterConfig(f"{receiver.url}/{{feed}}/{{service}}", HttpEmittingConfig(flush_count=1))
    emitter = ParametrizedUriEmitter(config, Json(), SystemClock())
    emitter.start()
    emitter.emit(metric(1))
    emitter.emit(AlertEvent(0, "druid/overlord", "h:1", "help"))
    eventually(lambda: len(receiver.taken) == 2, "both")
    emitter.close()
    assert {path for _, path, _, _ in receiver.requests} == {"/metrics/druid%2Foverlord", "/alerts/druid%2Foverlord"}
    urls = {dimensions["uri"] for dimensions, _ in emitter.http_emitters()}
    assert urls == {f"{receiver.url}/metrics/druid%2Foverlord", f"{receiver.url}/alerts/druid%2Foverlord"}


def test_an_event_without_the_field_and_too_many_urls_are_warned_of(receiver, caplog):
    config = ParametrizedUriEmitterConfig(f"{receiver.url}/{{acme}}", HttpEmittingConfig())
    clock = ManualClock()
    emitter = ParametrizedUriEmitter(config, Json(), clock)
    emitter.emit(metric(1))
    assert "no field 'acme'" in caplog.text
    caplog.clear()
    clock.advance(60)
    for number in range(70):
        emitter.emit(metric(1, acme=str(number)))
    assert "more than 64 URLs" in caplog.text
    emitter.close()
    assert len(receiver.taken) == 64
