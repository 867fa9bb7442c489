from __future__ import annotations

import threading

import pytest

from nemeton.coordinator.config import HttpLoadQueuePeonConfig
from nemeton.coordinator.load_queue import HttpLoadQueuePeon, queue_summary
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.model import DataSegment, DruidServerMetadata
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval


def segment(number):
    return DataSegment("ds", Interval(number, number + 1), "v", load_spec={"type": "local"}, size=10)


class FakeServer:
    """Answers change requests as it is told to; ``gate`` holds answers back."""

    def __init__(self, json):
        self.json = json
        self.batches = []
        self.states = {}
        self.failures = []
        self.gate = threading.Event()
        self.gate.set()

    def request(self, method, url, *, json=None, **_):
        if method == "GET":
            return HttpResponse(200, {}, url, b'{"numLoadingThreads":2,"numTurboLoadingThreads":2}', json=self.json)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([(each.action.value, each.segment.interval.start) for each in json])
        self.gate.wait(10)
        answer = [
            {
                "request": each,
                "status": {"state": self.states.get(each.segment.interval.start, "SUCCESS"), "failureCause": "because"},
            }
            for each in json
        ]
        return HttpResponse(200, {}, url, self.json.dumps(answer), json=self.json)


@pytest.fixture
def server(json):
    return FakeServer(json)


@pytest.fixture
def peon(server, json, clock):
    metadata = DruidServerMetadata("h:1", "h:1", 1000)
    made = HttpLoadQueuePeon(metadata, server, HttpLoadQueuePeonConfig(), json, clock)
    yield made
    made.stop()


def is_empty(peon):
    state = peon.state()
    return not state.loading and not state.dropping


def test_requests_go_out_in_batches_and_leave_when_acknowledged(peon, server):
    server.gate.clear()
    for number in range(3):
        peon.load(segment(number))
    assert queue_summary(peon.state())["segmentsToLoad"] == 3
    server.gate.set()
    eventually(lambda: is_empty(peon), "the queue to be worked off")
    assert sorted(number for batch in server.batches for _, number in batch) == [0, 1, 2]
    assert max(len(batch) for batch in server.batches) <= 2
    assert set(peon.state().loaded) == {segment(number).id for number in range(3)}


def test_drops_go_first(peon, server):
    server.gate.clear()
    peon.load(segment(0))
    eventually(lambda: server.batches, "the first batch")
    peon.load(segment(1))
    peon.drop(segment(2))
    server.gate.set()
    eventually(lambda: is_empty(peon), "the queue to be worked off")
    assert server.batches[1][0] == ("drop", 2)


def test_pending_requests_are_asked_again(peon, server):
    server.states[0] = "PENDING"
    peon.load(segment(0))
    eventually(lambda: len(server.batches) > 2, "another try")
    assert segment(0).id in peon.state().loading
    server.states[0] = "SUCCESS"
    eventually(lambda: is_empty(peon), "the load to be acknowledged")


def test_a_failed_request_is_forgotten_and_logged(peon, server, caplog):
    server.states[0] = "FAILED"
    peon.load(segment(0))
    eventually(lambda: is_empty(peon), "the failure to be heard")
    assert peon.state().loaded == {}
    eventually(lambda: "cannot load [ds_" in caplog.text, "the log")
    assert "because" in caplog.text


def test_a_server_that_does_not_answer_is_tried_again(peon, server, clock):
    server.failures = [HttpClientError("gone"), HttpClientError("gone")]
    peon.load(segment(0))
    eventually(lambda: clock.advance(20) or is_empty(peon), "the server to be back")
    assert server.batches == [[("load", 0)]]


def test_what_was_just_loaded_settles(peon, server, clock):
    peon.load(segment(0))
    eventually(lambda: segment(0).id in peon.state().loaded, "the load")
    clock.advance(31)
    assert peon.state().loaded == {}


def test_a_load_takes_a_waiting_drop_back_and_the_other_way_round(peon, server):
    server.gate.clear()
    peon.load(segment(0))
    eventually(lambda: server.batches, "the first batch")
    peon.load(segment(1))
    peon.drop(segment(1))
    assert segment(1).id not in peon.state().loading
    peon.load(segment(1))
    assert segment(1).id not in peon.state().dropping
    server.gate.set()
