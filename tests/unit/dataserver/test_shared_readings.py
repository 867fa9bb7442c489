"""Small segments are read several by a thread at a time; each still answers, fails and is let go by itself."""

from __future__ import annotations

import pytest
from tests.unit.dataserver.kit import hourly_segment
from tests.unit.querying import make_server_manager

from nemeton.common.errors import DruidException, QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.segments import SegmentManager
from nemeton.query.inline import VectorSegment
from nemeton.segment.errors import corrupt
from nemeton.spi.query import Query

COUNT = {
    "queryType": "timeseries",
    "dataSource": "t",
    "intervals": ["1970-01-01/1971-01-01"],
    "granularity": "all",
    "aggregations": [{"type": "count", "name": "c"}],
}


class Damaged(VectorSegment):
    """A segment that cannot be read."""

    def column(self, name):
        raise corrupt(name, "it is only a test")


class CountingPool:
    """A processing pool that notes how often it was handed work."""

    def __init__(self, pool):
        self.pool = pool
        self.handed = 0

    def run_all(self, works, priority, run):
        self.handed += len(works)
        return self.pool.run_all(works, priority, run)


@pytest.fixture
def counting(pool):
    return CountingPool(pool)


@pytest.fixture
def served(counting, query_json):
    """A walker over segments of so many rows."""

    def serve(*segments):
        manager = SegmentManager()
        for each in segments:
            assert manager.add(each)
        return make_server_manager(manager, counting, query_json)

    return serve


@pytest.fixture
def query(query_json):
    return lambda **changes: query_json.structure({**COUNT, **changes}, Query)


@pytest.mark.parametrize(
    ("rows", "shares"),
    [
        ([], 0),
        ([10], 1),
        ([10] * 64, 1),
        ([10] * 65, 2),
        ([10] * 200, 4),
        ([60_000] * 5, 5),
        ([30_000] * 5, 3),
        ([10, 60_000, 10, 10], 2),
        ([None, 10, None, 10, None], 1),
        ([None, None], 0),
        ([0, 0, 7], 1),
    ],
)
def test_what_is_handed_over_at_a_time(served, query, counting, rows, shares):
    walker = served(*(hourly_segment(number, each) for number, each in enumerate(rows)))
    run = QueryRun.of(query())
    answer = list(walker.run(query(), run))
    assert sum(row["result"]["c"] for row in answer) == sum(each or 0 for each in rows)
    assert counting.handed == shares


def test_segments_read_together_answer_apart(served, query):
    """Each of them under its own id, where the query wants them apart."""
    segments = [hourly_segment(number, number + 1) for number in range(5)]
    asked = query(context={"bySegment": True})
    answer = list(served(*segments).run(asked, QueryRun.of(asked)))
    assert [row["result"]["segment"] for row in answer] == [str(each.data_segment.id) for each in segments]
    assert [row["result"]["results"][0]["result"]["c"] for row in answer] == [1, 2, 3, 4, 5]


def test_one_that_cannot_be_read_fails_the_query_by_its_name_and_all_are_let_go(served, query):
    segments = [hourly_segment(0, 10), hourly_segment(1, 10, Damaged), hourly_segment(2, 10)]
    run = QueryRun.of(query())
    with pytest.raises(DruidException, match=r"^Segment \[t_1970-01-01T01:00.*is corrupt in \["):
        list(served(*segments).run(query(), run))
    run.close()
    assert [each.readers for each in segments] == [0, 0, 0]


class Cancelling(VectorSegment):
    """A segment in the midst of which the query is cancelled."""

    run = None

    def column(self, name):
        self.run.cancelled.set()
        return super().column(name)


class Untouched(VectorSegment):
    """A segment that nobody should come to."""

    def column(self, name):
        raise AssertionError("the query was cancelled before")


def test_a_cancelled_query_does_not_go_on_to_the_next_of_its_share(served, query, monkeypatch):
    run = QueryRun.of(query())
    monkeypatch.setattr(Cancelling, "run", run)
    walker = served(hourly_segment(0, 10, Cancelling), hourly_segment(1, 10, Untouched))
    with pytest.raises(QueryException, match="cancelled"):
        list(walker.run(query(), run))
