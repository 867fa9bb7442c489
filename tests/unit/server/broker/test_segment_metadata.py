from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.clock import ManualClock
from nemeton.model import DataSegment
from nemeton.server.broker.schema import SegmentMetadata, SegmentMetadataCache, _KnownSegments, merge_columns
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval


def segment(number=0, source="ds"):
    return DataSegment(source, Interval(number, number + 1), "v")


class FakeView:
    def on_change(self, callback):
        self.changed = callback


class FakeClient:
    """Answers segmentMetadata queries with one column named after the segment; what is in ``broken`` has no answer."""

    def __init__(self):
        self.asked = []
        self.broken = set()
        self.gate = threading.Event()
        self.gate.set()

    def run(self, query, run):
        self.gate.wait(10)
        (name,) = query.data_sources()
        ids = [each.to_segment_id(name) for each in query.intervals.segments]
        self.asked += ids
        return [
            {
                "id": str(each),
                "columns": {"__time": {"type": "LONG"}, f"c{each.interval.start}": {"type": "STRING"}},
                "numRows": 5,
            }
            for each in ids
            if each.data_source not in self.broken
        ]


@pytest.fixture
def view():
    return FakeView()


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(view, client, clock):
    made = SegmentMetadataCache(view, client, clock)
    made.start()
    yield made
    client.gate.set()
    made.stop()


def test_columns_are_known_as_soon_as_a_data_source_is(cache, view):
    view.changed(segment(), True)
    assert cache.row_signatures() == {"ds": {"__time": "LONG", "c0": "STRING"}}
    assert cache.num_rows(segment()) == 5


def test_each_segment_is_asked_once_and_the_newest_comes_first(cache, view, client):
    view.changed(segment(0), True)
    cache.row_signatures()
    view.changed(segment(1), True)
    eventually(lambda: len(cache.row_signatures()["ds"]) == 3, "the second segment")
    assert list(cache.row_signatures()["ds"]) == ["__time", "c1", "c0"]
    assert client.asked == [segment(0).id, segment(1).id]


def test_what_is_gone_is_forgotten(cache, view):
    view.changed(segment(0), True)
    view.changed(segment(1), True)
    eventually(lambda: len(cache.row_signatures().get("ds", ())) == 3, "both segments")
    view.changed(segment(1), False)
    assert list(cache.row_signatures()["ds"]) == ["__time", "c0"]
    view.changed(segment(0), False)
    assert cache.row_signatures() == {}


def test_a_data_source_that_gives_no_answer_holds_nobody_up_for_long(cache, view, client, clock):
    client.broken.add("bad")
    view.changed(segment(0, "bad"), True)
    view.changed(segment(0, "good"), True)
    eventually(lambda: clock.advance(20) or "good" in cache.row_signatures(), "the good one")
    client.broken.clear()
    eventually(lambda: clock.advance(40) or "bad" in cache.row_signatures(), "the bad one to be asked again")


NUMBERS = st.integers(0, 5)
KINDS = st.sampled_from(("STRING", "LONG", "DOUBLE"))
COLUMNS = st.dictionaries(st.sampled_from("abc"), KINDS, max_size=3)


@given(st.lists(st.tuples(NUMBERS, st.none() | COLUMNS), max_size=30))
def test_columns_are_those_of_all_segments_whichever_came_and_went(steps):
    """None takes a segment away. What is kept of segments that are alike gives the same as going through all."""
    known, all_known = _KnownSegments(), {}
    for number, columns in steps:
        segment_id = segment(number).id
        if columns is None:
            known.remove(segment_id)
            all_known.pop(segment_id, None)
        else:
            known.add(segment_id, SegmentMetadata(columns, 5))
            all_known[segment_id] = columns
        newest_first = sorted(all_known, key=lambda each: -each.interval.start)
        assert known.merged() == merge_columns(all_known[each] for each in newest_first)
        assert list(known.merged()) == list(merge_columns(all_known[each] for each in newest_first))
        assert known.segments.keys() == all_known.keys()
