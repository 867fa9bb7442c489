"""The segment-level cache of a Historical: an answer with it is the answer without it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.querying import make_server_manager
from tests.unit.random_queries import QUERIES

from nemeton.common.clock import ManualClock
from nemeton.config import HumanReadableBytes
from nemeton.dataserver.query_run import QueryRun
from nemeton.query.cache.config import CacheConfig
from nemeton.query.cache.local import LocalCache, LocalCacheConfig
from nemeton.spi.query import Query

BOTH = CacheConfig(use_cache=True, populate_cache=True)


@pytest.fixture
def manager(serve):
    return serve("flights_rollup_day", "mixed")


@pytest.fixture
def cache():
    return LocalCache(LocalCacheConfig(size_in_bytes=HumanReadableBytes(50_000_000)), ManualClock())


@pytest.fixture
def ask(query_json):
    """The answer of a walker, as a client sees it."""

    def run(walker, request):
        query = query_json.structure(request, Query)
        run = QueryRun.of(query)
        try:
            return query_json.loads(query_json.dumps(list(walker.run(query, run))))
        finally:
            run.close()

    return run


@given(queries=st.lists(QUERIES, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_are_the_same_with_and_without(queries, manager, pool, query_json, cache, ask):
    """Each query twice over one cache, which other queries have filled too."""
    without = make_server_manager(manager, pool, query_json)
    with_cache = make_server_manager(manager, pool, query_json, cache=cache, config=BOTH)
    for query in [*queries, *queries]:
        assert ask(with_cache, query) == ask(without, query)


COUNT = {
    "queryType": "timeseries",
    "dataSource": "flights_rollup_day",
    "intervals": ["2013/2014"],
    "granularity": "all",
    "aggregations": [{"type": "count", "name": "n"}],
}


def test_the_second_time_no_segment_is_read(manager, pool, query_json, cache, ask, monkeypatch):
    walker = make_server_manager(manager, pool, query_json, cache=cache, config=BOTH)
    first = ask(walker, COUNT)
    monkeypatch.setattr(walker, "_read", lambda reading: pytest.fail("a segment was read"))
    assert ask(walker, COUNT) == first
    stats = cache.stats()
    assert stats.hits == stats.misses == stats.entries == 3


@pytest.mark.parametrize(
    ("config", "context", "entries"),
    [
        (BOTH, {}, 3),
        (BOTH, {"populateCache": False}, 0),
        (BOTH, {"useCache": False}, 3),
        (CacheConfig(use_cache=True), {"populateCache": True}, 0),
        (CacheConfig(use_cache=True, populate_cache=True, un_cacheable=["timeseries"]), {}, 0),
        (CacheConfig(use_cache=True, populate_cache=True, max_entry_size=10), {}, 0),
    ],
)
def test_what_configuration_and_context_allow(manager, pool, query_json, cache, ask, config, context, entries):
    walker = make_server_manager(manager, pool, query_json, cache=cache, config=config)
    ask(walker, {**COUNT, "context": context})
    assert cache.stats().entries == entries


def test_intervals_that_cut_a_segment_do_not_share_its_answer(manager, pool, query_json, cache, ask):
    walker = make_server_manager(manager, pool, query_json, cache=cache, config=BOTH)
    whole = ask(walker, COUNT)
    part = ask(walker, {**COUNT, "intervals": ["2013-01-15/2013-02-10"]})
    assert part[0]["result"]["n"] < whole[0]["result"]["n"]
    assert ask(walker, COUNT) == whole


class BrokenCache(LocalCache):
    def put(self, key, value):
        raise OSError("no room")


def test_a_cache_that_fails_fails_no_query(manager, pool, query_json, ask):
    broken = BrokenCache(LocalCacheConfig(size_in_bytes=HumanReadableBytes(1000)), ManualClock())
    walker = make_server_manager(manager, pool, query_json, cache=broken, config=BOTH)
    assert ask(walker, COUNT) == ask(make_server_manager(manager, pool, query_json), COUNT)


def test_by_segment_each_stands_for_itself(manager, pool, query_json, ask, golden):
    walker = make_server_manager(manager, pool, query_json)
    rows = ask(walker, {**COUNT, "context": {"bySegment": True}})
    (whole,) = ask(walker, COUNT)
    assert [row["result"]["segment"] for row in rows] == [str(each.id) for each in golden("flights_rollup_day")]
    assert [row["timestamp"] for row in rows] == [row["result"]["interval"].split("/")[0] for row in rows]
    parts = [row["result"]["results"][0]["result"]["n"] for row in rows]
    assert sum(parts) == whole["result"]["n"]
