from __future__ import annotations

import asyncio
import threading

import pytest

from nemeton.dataserver.change_requests import ChangeState, DataSegmentChangeRequest
from nemeton.dataserver.resource import SegmentListerResource
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.spi.http import Request
from nemeton.storage.local import LocalDataSegmentPuller
from nemeton.testkit.suites.leader_selector import eventually

load, drop = DataSegmentChangeRequest.load, DataSegmentChangeRequest.drop


def served(handler):
    return sorted(handler._segments.all_segments())


def announced(handler):
    return sorted(handler._announcer.announced)


def test_a_segment_is_announced_when_it_is_loaded(make_handler, golden):
    handler, segments = make_handler(), golden("mixed_tsv")
    futures = handler.submit_all([load(segment) for segment in segments])
    assert [future.result(10).state for future in futures] == [ChangeState.SUCCESS] * 2
    assert served(handler) == announced(handler) == segments


def test_loading_again_changes_nothing(make_handler, golden):
    handler, segment = make_handler(), golden("mixed_tsv")[0]
    for _ in range(2):
        assert handler.submit(load(segment)).result(10).state is ChangeState.SUCCESS
    assert served(handler) == [segment]


def test_what_cannot_be_loaded_is_not_announced_and_says_why(make_handler, golden):
    handler = make_handler()
    segment = golden("mixed_tsv")[0].with_(load_spec={"type": "local", "path": "/no/such/index.zip"})
    status = handler.submit(load(segment)).result(10)
    assert status.state is ChangeState.FAILED
    assert "/no/such/index.zip" in status.failure_cause
    assert announced(handler) == served(handler) == []


def test_a_drop_is_told_at_once_and_done_after_a_while(make_handler, golden, clock):
    handler, segment = make_handler(), golden("mixed_tsv")[0]
    handler.submit(load(segment)).result(10)
    assert handler.submit(drop(segment)).result(10).state is ChangeState.SUCCESS
    assert announced(handler) == []
    assert served(handler) == [segment]
    clock.advance(31)
    eventually(lambda: served(handler) == [], "the segment to be dropped")
    assert handler._cache.cached_segments() == []


def test_loading_again_in_time_keeps_the_files(make_handler, golden, clock):
    handler, segment = make_handler(), golden("mixed_tsv")[0]
    handler.submit(load(segment)).result(10)
    handler.submit(drop(segment))
    handler.submit(load(segment)).result(10)
    marker = threading.Event()
    handler._executor.schedule(marker.set, 31)
    clock.advance(32)
    assert marker.wait(5)
    assert served(handler) == announced(handler) == [segment]


def test_dropping_what_is_not_there_succeeds(make_handler, golden):
    assert make_handler().submit(drop(golden("mixed_tsv")[0])).result(10).state is ChangeState.SUCCESS


def test_the_cache_is_served_again_after_a_restart(make_handler, make_cache, golden):
    first, segments = make_handler(), golden("mixed_tsv")
    for future in first.submit_all([load(segment) for segment in segments]):
        future.result(10)
    again = make_handler(make_cache())
    assert not again.is_started
    again.start()
    assert again.is_started
    assert served(again) == announced(again) == segments


def test_a_request_that_runs_is_not_begun_twice(make_handler, make_cache, golden):
    gate, pulls = threading.Event(), []

    class SlowPuller(LocalDataSegmentPuller):
        def pull(self, load_spec, directory):
            pulls.append(1)
            gate.wait(10)
            return super().pull(load_spec, directory)

    handler, segment = make_handler(make_cache(puller=SlowPuller())), golden("mixed_tsv")[0]
    one, other = handler.submit(load(segment)), handler.submit(load(segment))
    assert one is other
    gate.set()
    assert one.result(10).state is ChangeState.SUCCESS
    assert len(pulls) == 1


@pytest.fixture
def resource(make_handler, json):
    handler = make_handler()
    return SegmentListerResource(handler._announcer, handler, json)


def request(json, method, path, query, body=None):
    return Request(method, path, query, body=b"" if body is None else json.dumps(body), json=json)


def post(resource, json, body):
    return asyncio.run(resource.change_requests(request(json, "POST", "/", "timeout=10000", body)))


def get(resource, json, query):
    return asyncio.run(resource.segments(request(json, "GET", "/", query)))


def test_requests_over_http_are_answered_with_a_status_each(resource, json, golden):
    segment = golden("mixed_tsv")[0]
    (answer,) = json.unstructure(post(resource, json, [load(segment)]))
    assert answer["status"] == {"state": "SUCCESS", "failureCause": None, "loadingMode": None}
    assert answer["request"]["action"] == "load"
    assert answer["request"]["identifier"] == str(segment.id)


def test_an_answer_comes_with_the_first_that_is_done(make_handler, make_cache, json, golden):
    gate = threading.Event()

    class SlowPuller(LocalDataSegmentPuller):
        def pull(self, load_spec, directory):
            gate.wait(10)
            return super().pull(load_spec, directory)

    handler = make_handler(make_cache(puller=SlowPuller()))
    resource = SegmentListerResource(handler._announcer, handler, json)
    one, other = golden("mixed_tsv")
    answer = post(resource, json, [load(one), drop(other)])
    assert [each.status.state for each in answer] == [ChangeState.PENDING, ChangeState.SUCCESS]
    gate.set()


def test_the_list_begins_with_everything_and_goes_on_with_changes(resource, json, golden):
    one, other = golden("mixed_tsv")
    post(resource, json, [load(one)])
    everything = json.unstructure(get(resource, json, "counter=-1&timeout=1000").json)
    assert everything["resetCounter"] is False
    assert [each["identifier"] for each in everything["requests"]] == [str(one.id)]
    counter = everything["counter"]
    place = f"counter={counter['counter']}&hash={counter['hash']}"

    assert get(resource, json, f"{place}&timeout=10").status == 204

    post(resource, json, [load(other)])
    changes = json.unstructure(get(resource, json, f"{place}&timeout=1000").json)
    assert [(each["action"], each["identifier"]) for each in changes["requests"]] == [("load", str(other.id))]

    reset = json.unstructure(get(resource, json, "counter=99&hash=1&timeout=1000").json)
    assert reset["resetCounter"] is True
    assert reset["counter"] is None


def test_stopping_lets_long_polls_go(resource, json):
    counter = resource._announcer.full().counter

    async def poll_and_stop():
        query = f"counter={counter.counter}&hash={counter.hash}&timeout=60000"
        poll = asyncio.create_task(resource.segments(request(json, "GET", "/", query)))
        await asyncio.sleep(0)
        resource._announcer.stop()
        return await asyncio.wait_for(poll, 5)

    assert asyncio.run(poll_and_stop()).status == 204


class FakeSegment:
    num_rows = 0

    closed = 0

    def close(self):
        self.closed += 1


def test_a_segment_is_closed_when_its_last_reader_is_done(golden):
    segment = FakeSegment()
    counted = ReferenceCountedSegment(golden("mixed_tsv")[0], segment)
    assert counted.acquire()
    assert counted.acquire()
    counted.close()
    assert not counted.acquire()
    counted.release()
    assert segment.closed == 0
    counted.release()
    counted.close()
    assert segment.closed == 1


def test_a_second_copy_is_not_served(golden):
    manager, one, other = SegmentManager(), FakeSegment(), FakeSegment()
    described = golden("mixed_tsv")[0]
    assert manager.add(ReferenceCountedSegment(described, one))
    assert not manager.add(ReferenceCountedSegment(described, other))
    assert (one.closed, other.closed) == (0, 1)
    assert manager.data_sources == ["mixed_tsv"]
    assert manager.drop(described)
    assert not manager.drop(described)
    assert manager.data_sources == []
    assert one.closed == 1
