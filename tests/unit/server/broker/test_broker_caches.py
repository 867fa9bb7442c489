"""What a Broker keeps, over Historicals in this process that serve golden segments."""

from __future__ import annotations

import json as plain_json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.querying import Cluster, FakeInventory, LocalDataServers, make_server_manager
from tests.unit.random_queries import QUERIES
from tests.unit.server.broker.test_broker import server

from nemeton.common.clock import ManualClock
from nemeton.config import HumanReadableBytes
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidProcessingConfig, SegmentLoaderConfig, StorageLocationConfig
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_run import IF_NONE_MATCH, QueryRun
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.model import DataSegment
from nemeton.query.cache.config import BrokerCacheConfig
from nemeton.query.cache.local import LocalCache, LocalCacheConfig
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.spi.query import Query
from nemeton.storage.local import LocalDataSegmentPuller

GOLDEN = Path(__file__).parents[3] / "golden" / "segments"
BY_SEGMENT = BrokerCacheConfig(use_cache=True, populate_cache=True)
WHOLE = BrokerCacheConfig(use_result_level_cache=True, populate_result_level_cache=True)
ALL = BrokerCacheConfig(
    use_cache=True, populate_cache=True, use_result_level_cache=True, populate_result_level_cache=True
)


@pytest.fixture(scope="module")
def historicals(json, tmp_path_factory):
    """Two Historicals' walkers and segments, every second segment on either."""
    location = StorageLocationConfig(path=str(tmp_path_factory.mktemp("cache")), max_size=HumanReadableBytes(10**9))
    opener = SegmentCacheManager(SegmentLoaderConfig(locations=[location]), LocalDataSegmentPuller(), json)
    pool = ProcessingPool(DruidProcessingConfig(num_threads=2))
    found = [
        json.loads(path.read_text().replace("${SEGMENT_DIR}", str(GOLDEN)), DataSegment)
        for name in ("flights_rollup_day", "mixed")
        for path in sorted((GOLDEN / name).rglob("descriptor.json"))
    ]
    made = {}
    for host, segments in (("a:1", found[0::2]), ("b:1", found[1::2])):
        manager = SegmentManager()
        for segment in segments:
            manager.add(ReferenceCountedSegment(segment, opener.open(segment)))
        made[host] = (make_server_manager(manager, pool, json), manager, segments)
    yield made
    pool.stop()
    for _, manager, segments in made.values():
        for segment in segments:
            manager.drop(segment)


class Brokers:
    """Makes Brokers over the Historicals, each with a view and a cache of its own."""

    def __init__(self, json, historicals):
        self.json = json
        self.historicals = historicals
        self.made = []

    def make(self, config=None, *, retries=None):
        view = BrokerServerView(FakeInventory())
        for host, (_, _, segments) in self.historicals.items():
            for segment in segments:
                view.segment_added(server(host), segment)
        http = LocalDataServers(self.json, {host: walker for host, (walker, _, _) in self.historicals.items()})
        cache = LocalCache(LocalCacheConfig(size_in_bytes=HumanReadableBytes(50_000_000)), ManualClock())
        broker = Cluster(view, http, self.json, cache=cache, config=config, retries=retries)
        broker.view, broker.http, broker.cache = view, http, cache
        self.made.append(broker)
        return broker

    def ask(self, broker, request, run=None):
        query = self.json.structure(request, Query).with_defaults({"queryId": "q"})
        run = run or QueryRun.of(query)
        try:
            return plain_json.loads(self.json.dumps(list(broker.walker.run(query, run))))
        finally:
            run.close()


@pytest.fixture
def brokers(json, historicals):
    made = Brokers(json, historicals)
    yield made
    for each in made.made:
        each.close()


def in_order(rows):
    """Analyses of segments come in any order."""
    return sorted(rows, key=lambda row: row["id"]) if rows and "numRows" in rows[0] else rows


def alike(one, other):
    """Equal, but for sums of doubles, which are rounded by the order of segments."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    return one == other


@given(queries=st.lists(QUERIES, min_size=1, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_are_the_same_with_and_without(queries, json, historicals):
    """Each query twice over one Broker that keeps all it can."""
    made = Brokers(json, historicals)
    plain, keeping, by_segment = made.make(), made.make(ALL), made.make(BY_SEGMENT)
    try:
        for query in [*queries, *queries]:
            expected = in_order(made.ask(plain, query))
            for broker in (keeping, by_segment):
                answer = in_order(made.ask(broker, query))
                assert alike(answer, expected), (answer, expected)
    finally:
        for each in made.made:
            each.close()


COUNT = {
    "queryType": "timeseries",
    "dataSource": "flights_rollup_day",
    "intervals": ["2013/2014"],
    "granularity": "all",
    "aggregations": [{"type": "count", "name": "n"}],
}


def test_a_whole_answer_is_not_asked_for_again(brokers):
    broker = brokers.make(WHOLE)
    first = brokers.ask(broker, COUNT)
    asked = len(broker.http.asked)
    assert brokers.ask(broker, COUNT) == first
    assert len(broker.http.asked) == asked


def test_nor_is_that_of_a_query_over_a_query(brokers):
    broker = brokers.make(WHOLE)
    outer = {
        **COUNT,
        "intervals": ["1970/2050"],
        "aggregations": [{"type": "longSum", "name": "n", "fieldName": "n"}],
        "dataSource": {"type": "query", "query": {**COUNT, "queryType": "groupBy", "dimensions": ["origin"]}},
    }
    first = brokers.ask(broker, outer)
    asked = len(broker.http.asked)
    assert brokers.ask(broker, outer) == first
    assert len(broker.http.asked) == asked


def test_segments_that_are_known_are_not_asked_for_again(brokers):
    broker = brokers.make(BY_SEGMENT)
    brokers.ask(broker, {**COUNT, "intervals": ["2013-01-01/2013-02-01"]})
    assert broker.cache.stats().entries == 1
    whole = brokers.ask(broker, COUNT)
    segments = [each for _, query in broker.http.asked for each in query.intervals.segments]
    assert len(segments) == 3  # one for the first query, the two others for the second
    assert all(query.context["bySegment"] and not query.context["populateCache"] for _, query in broker.http.asked)
    asked = len(broker.http.asked)
    assert brokers.ask(broker, COUNT) == whole
    assert len(broker.http.asked) == asked


@pytest.mark.parametrize(("limit", "asked"), [(0, 3), (2, 1), (3, 0)])
def test_the_cache_is_asked_for_so_many_segments(brokers, limit, asked):
    """The others are read again, as if they were not there."""
    broker = brokers.make(BrokerCacheConfig(use_cache=True, populate_cache=True, cache_bulk_merge_limit=limit))
    whole = brokers.ask(broker, COUNT)
    broker.http.asked.clear()
    assert brokers.ask(broker, COUNT) == whole
    assert sum(len(query.intervals.segments) for _, query in broker.http.asked) == asked


@pytest.mark.parametrize("what", ["removed", "added"])
def test_an_answer_holds_as_long_as_its_segments(brokers, what):
    """A segment goes, or one comes: the old answer is not given any more; it is again when all is as it was."""
    broker = brokers.make(WHOLE)
    segment = brokers.historicals["a:1"][2][0]
    if what == "added":
        broker.view.segment_removed(server("a:1"), segment)
    before = brokers.ask(broker, COUNT)
    change, back = broker.view.segment_removed, broker.view.segment_added
    if what == "added":
        change, back = back, change
    change(server("a:1"), segment)
    assert brokers.ask(broker, COUNT) != before
    back(server("a:1"), segment)
    assert brokers.ask(broker, COUNT) == before


def test_what_a_task_serves_is_not_kept(brokers):
    broker = brokers.make(ALL)
    for host, (_, _, segments) in brokers.historicals.items():
        for segment in segments:
            broker.view.segment_removed(server(host), segment)
            broker.view.segment_added(server(host, type_="indexer-executor"), segment)
    run = QueryRun("q")
    brokers.ask(broker, {**COUNT, "context": {IF_NONE_MATCH: ""}}, run)
    assert run.entity_tag is None
    assert broker.cache.stats().entries == 0


def test_an_answer_with_missing_segments_is_not_kept(brokers):
    broker = brokers.make(WHOLE)
    _, manager, segments = brokers.historicals["a:1"]
    lost = manager.find("flights_rollup_day", segments[0].to_descriptor())
    request = {**COUNT, "context": {"returnPartialResults": True}}
    kept, manager.find = manager.find, lambda table, each: None
    try:
        partial = brokers.ask(broker, request)
    finally:
        manager.find = kept
    assert lost is not None
    assert broker.cache.stats().entries == 0
    assert brokers.ask(broker, request) != partial


def test_an_answer_that_is_too_long_is_not_kept(brokers):
    config = BrokerCacheConfig(
        use_result_level_cache=True, populate_result_level_cache=True, result_level_cache_limit=20
    )
    broker = brokers.make(config)
    brokers.ask(broker, {**COUNT, "granularity": "day"})
    assert broker.cache.stats().entries == 0


@pytest.mark.parametrize("name", ["useResultLevelCache", "populateResultLevelCache"])
def test_a_query_may_do_without(brokers, name):
    broker = brokers.make(WHOLE)
    request = {**COUNT, "context": {name: False}}
    for _ in range(2):
        brokers.ask(broker, request)
    assert broker.cache.stats().hits == 0
    assert broker.cache.stats().entries == (0 if name.startswith("populate") else 1)


def test_a_client_that_has_the_answer_gets_none(brokers):
    broker = brokers.make()
    tags = []
    for known in ("", "another"):
        run = QueryRun("q")
        assert brokers.ask(broker, {**COUNT, "context": {IF_NONE_MATCH: known}}, run)
        tags.append(run.entity_tag)
    assert tags[0] == tags[1] is not None
    assert all(IF_NONE_MATCH not in query.context for _, query in broker.http.asked)
    asked, run = len(broker.http.asked), QueryRun("q")
    assert brokers.ask(broker, {**COUNT, "context": {IF_NONE_MATCH: tags[0]}}, run) == []
    assert run.not_modified
    assert len(broker.http.asked) == asked
    other = QueryRun("q")
    brokers.ask(broker, {**COUNT, "intervals": ["2013-01-01/2013-02-15"], "context": {IF_NONE_MATCH: tags[0]}}, other)
    assert other.entity_tag != tags[0]


def test_gaps_are_told_where_that_is_asked(brokers):
    broker = brokers.make()
    run = QueryRun("q")
    intervals = ["2012-06-01/2013-02-01", "2014-01-01/2015-01-01"]
    brokers.ask(broker, {**COUNT, "intervals": intervals, "context": {"uncoveredIntervalsLimit": 1}}, run)
    assert [str(each) for each in run.uncovered] == ["2012-06-01T00:00:00.000Z/2013-01-01T00:00:00.000Z"]
    assert run.uncovered_overflowed


def test_by_segment_a_client_gets_each_finished(brokers):
    broker = brokers.make()
    mean = {**COUNT, "aggregations": [{"type": "doubleMean", "name": "m", "fieldName": "distance"}]}
    rows = brokers.ask(broker, {**mean, "context": {"bySegment": True}})
    assert [row["timestamp"][:10] for row in rows] == ["2013-01-01", "2013-02-01", "2013-03-01"]
    assert all(isinstance(row["result"]["results"][0]["result"]["m"], float) for row in rows)
