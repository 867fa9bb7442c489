"""How many queries run at a time, in which lanes, with which priority: the rules of Druid's QueryScheduler."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.querying import make_scheduler

from nemeton.common.clock import ManualClock
from nemeton.common.errors import DruidException, QueryException
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.scheduling.config import LaningConfig, PrioritizationConfig
from nemeton.dataserver.scheduling.strategies import (
    HiLoQueryLaningStrategy,
    ManualQueryLaningStrategy,
    ThresholdBasedQueryPrioritizationStrategy,
)
from nemeton.emitter.service import ServiceEmitter
from nemeton.http.config import ServerConfig
from nemeton.model import SegmentDescriptor
from nemeton.spi.query import Query
from nemeton.time import Interval, Period

DAY = 86_400_000
METRICS = QueryMetrics(ServiceEmitter())


@pytest.fixture
def query(query_json):
    def make(intervals=("2024-01-01/2024-01-02",), **context):
        request = {"queryType": "timeBoundary", "dataSource": "t", "intervals": list(intervals), "context": context}
        return query_json.structure(request, Query)

    return make


def admit(scheduler, query, segments=()):
    run = QueryRun("q")
    return scheduler.admit(query, segments, run), run


def test_queries_beyond_the_limit_are_turned_away_until_one_ends(query):
    scheduler = make_scheduler(METRICS, num_threads=2)
    runs = [admit(scheduler, query())[1] for _ in range(2)]
    with pytest.raises(QueryException) as failed:
        admit(scheduler, query())
    assert failed.value.http_status == 429
    assert failed.value.error == "Query capacity exceeded"
    assert failed.value.error_class == "org.apache.druid.query.QueryCapacityExceededException"
    assert failed.value.message == (
        "Too many concurrent queries, total query capacity of 2 exceeded. Please try your query again later."
    )
    runs[0].close()
    admit(scheduler, query())
    with pytest.raises(QueryException):
        admit(scheduler, query())


@pytest.mark.parametrize("threads", [0, 10_000])
def test_without_a_limit_below_the_servers_threads_there_is_none(query, threads):
    scheduler = make_scheduler(METRICS, num_threads=threads)
    for _ in range(ServerConfig().num_threads + 5):
        admit(scheduler, query())


def test_parts_of_a_query_share_its_place(query):
    scheduler = make_scheduler(METRICS, num_threads=1)
    run = QueryRun("q")
    for _ in range(3):
        scheduler.admit(query(), [], run)
    assert scheduler.running() == 1
    run.close()
    assert scheduler.running() == 0


def test_low_priorities_share_a_lane(query):
    """hilo: 20 percent of 5 threads is one query; Druid rounds up."""
    scheduler = make_scheduler(METRICS, HiLoQueryLaningStrategy(LaningConfig(max_low_percent=20)), num_threads=5)
    low, run = admit(scheduler, query(priority=-1))
    assert low.context["lane"] == "low"
    with pytest.raises(QueryException, match="for lane 'low', query capacity of 1 exceeded"):
        admit(scheduler, query(priority=-5))
    assert "lane" not in admit(scheduler, query(priority=0))[0].context
    run.close()
    admit(scheduler, query(priority=-5))


def test_a_lane_that_the_query_names_counts_before_its_priority(query):
    scheduler = make_scheduler(METRICS, HiLoQueryLaningStrategy(LaningConfig(max_low_percent=20)), num_threads=5)
    assert admit(scheduler, query(priority=-1, lane="mine"))[0].context["lane"] == "mine"
    assert scheduler.running("low") == 0


def test_lanes_by_name(query):
    lanes = ManualQueryLaningStrategy(LaningConfig(lanes={"one": 1, "two": 2}))
    scheduler = make_scheduler(METRICS, lanes, num_threads=9)
    admit(scheduler, query(lane="one"))
    with pytest.raises(QueryException, match="lane 'one'"):
        admit(scheduler, query(lane="one"))
    for _ in range(2):
        admit(scheduler, query(lane="two"))
    for _ in range(3):
        admit(scheduler, query(lane="of no limit"))


def test_lanes_in_percent():
    lanes = ManualQueryLaningStrategy(LaningConfig(lanes={"a": 1, "b": 50, "c": 100}, is_limit_percent=True))
    assert lanes.lane_limits(30) == {"a": 1, "b": 15, "c": 30}


def test_a_lane_that_is_full_takes_no_place_of_all(query):
    scheduler = make_scheduler(METRICS, ManualQueryLaningStrategy(LaningConfig(lanes={"one": 1})), num_threads=2)
    admit(scheduler, query(lane="one"))
    with pytest.raises(QueryException):
        admit(scheduler, query(lane="one"))
    assert scheduler.running() == 1


@pytest.mark.parametrize(
    ("strategy", "config", "message"),
    [
        (HiLoQueryLaningStrategy, {}, "maxLowPercent must be set"),
        (HiLoQueryLaningStrategy, {"max_low_percent": 101}, "range 1 to 100"),
        (ManualQueryLaningStrategy, {}, "at least one lane"),
        (ManualQueryLaningStrategy, {"lanes": {"a": 0}}, "greater than 0"),
        (ManualQueryLaningStrategy, {"lanes": {"a": 101}, "is_limit_percent": True}, "range 1 to 100"),
        (ManualQueryLaningStrategy, {"lanes": {"total": 1}}, "cannot be named"),
        (ManualQueryLaningStrategy, {"lanes": {"default": 1}}, "cannot be named"),
    ],
)
def test_lanes_that_cannot_be(strategy, config, message):
    with pytest.raises(DruidException, match=message):
        strategy(LaningConfig(**config))


# ---- priorities


def segments(count, days=1):
    return [SegmentDescriptor(Interval(n * DAY, (n + days) * DAY), "v", 0) for n in range(count)]


def threshold(**config):
    clock = ManualClock()
    return ThresholdBasedQueryPrioritizationStrategy(PrioritizationConfig(**config), clock), clock


def test_many_segments_cost_priority(query):
    strategy, _ = threshold(segment_count_threshold=3, adjustment=7)
    assert strategy.compute_priority(query(priority=2), segments(3)) is None
    assert strategy.compute_priority(query(priority=2), segments(4)) == -5


def test_much_time_costs_priority(query):
    strategy, _ = threshold(duration_threshold=Period.parse("P1D"))
    assert strategy.compute_priority(query(["2024-01-01/2024-01-02"]), []) is None
    assert strategy.compute_priority(query(["2024-01-01/2024-01-02", "2024-02-01/2024-02-02"]), []) == -5
    strategy, _ = threshold(segment_range_threshold=Period.parse("P2D"))
    assert strategy.compute_priority(query(), segments(2)) is None
    assert strategy.compute_priority(query(), [*segments(2), *segments(2)]) is None  # partitions of the same days
    assert strategy.compute_priority(query(), segments(3)) == -5


def test_looking_far_back_costs_priority(query):
    strategy, clock = threshold(period_threshold=Period.parse("P1D"))
    now = clock.now()

    def of(start):
        return query([str(Interval(start, now))])

    assert strategy.compute_priority(of(now - DAY), []) is None
    assert strategy.compute_priority(of(now - DAY - 1), []) == -5


def test_what_costs_priority_may_lead_to_the_low_lane(query):
    prioritization, _ = threshold(segment_count_threshold=1)
    lanes = HiLoQueryLaningStrategy(LaningConfig(max_low_percent=50))
    scheduler = make_scheduler(METRICS, lanes, prioritization, num_threads=2)
    admitted, _ = admit(scheduler, query(), segments(2))
    assert (admitted.context["priority"], admitted.context["lane"]) == (-5, "low")


def test_a_threshold_strategy_needs_a_threshold():
    with pytest.raises(DruidException, match="must be set"):
        threshold()


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["low", "high", None])), max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_more_run_than_may_and_every_place_comes_back(query_json, steps):
    plain = query_json.structure({"queryType": "timeBoundary", "dataSource": "t"}, Query)
    lanes = ManualQueryLaningStrategy(LaningConfig(lanes={"low": 1, "high": 2}))
    scheduler = make_scheduler(METRICS, lanes, num_threads=3)
    running = []
    for begins, lane in steps:
        if not begins:
            if running:
                running.pop(0)[1].close()
            continue
        run = QueryRun("q")
        of_lane = sum(each == lane for each, _ in running)
        fits = len(running) < 3 and of_lane < {"low": 1, "high": 2, None: 3}[lane]
        if fits:
            scheduler.admit(plain if lane is None else plain.with_context(lane=lane), [], run)
            running.append((lane, run))
        else:
            with pytest.raises(QueryException):
                scheduler.admit(plain if lane is None else plain.with_context(lane=lane), [], run)
        assert scheduler.running() == len(running)
    for _, run in running:
        run.close()
    assert scheduler.running() == scheduler.running("low") == scheduler.running("high") == 0
