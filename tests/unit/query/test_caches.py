"""The caches in the process, and what makes two queries the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.clock import ManualClock
from nemeton.config import HumanReadableBytes
from nemeton.json import Json
from nemeton.model import SegmentDescriptor
from nemeton.plugins import load_extensions
from nemeton.query.cache.keys import entity_tag, result_query_key, segment_key, segment_query_key
from nemeton.query.cache.local import LocalCache, LocalCacheConfig, NoopCache
from nemeton.query.cache.monitor import CacheMonitor
from nemeton.query.cache.segments import CachePopulatorStats
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.spi.cache import NamedKey
from nemeton.spi.query import Query
from nemeton.time import Interval

OVERHEAD = 200


def make(size, *, expire_after=-1, evict_on_close=False):
    clock = ManualClock()
    config = LocalCacheConfig(
        size_in_bytes=HumanReadableBytes(size), expire_after=expire_after, evict_on_close=evict_on_close
    )
    return LocalCache(config, clock), clock


def key(name, namespace="s"):
    return NamedKey(namespace, name.encode())


def test_the_least_recently_used_goes_first():
    cache, _ = make(3 * (OVERHEAD + 12))
    for name in "abc":
        cache.put(key(name), b"x" * 10)
    assert cache.get(key("a")) == b"x" * 10
    cache.put(key("d"), b"x" * 10)
    assert [cache.get(key(name)) is not None for name in "abcd"] == [True, False, True, True]
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.entries, stats.evictions) == (4, 1, 3, 1)
    assert stats.size_in_bytes == 3 * (OVERHEAD + 12)


def test_what_is_larger_than_the_cache_is_not_kept_and_pushes_nothing_out():
    cache, _ = make(1000)
    cache.put(key("a"), b"x")
    cache.put(key("b"), b"x" * 1000)
    assert cache.get(key("a")) == b"x"
    assert cache.get(key("b")) is None


def test_a_new_value_takes_the_place_of_the_old():
    cache, _ = make(10_000)
    cache.put(key("a"), b"x" * 100)
    cache.put(key("a"), b"y")
    assert cache.get(key("a")) == b"y"
    assert cache.stats().size_in_bytes == OVERHEAD + 3


def test_entries_get_old():
    cache, clock = make(10_000, expire_after=1000)
    cache.put(key("a"), b"x")
    clock.advance(0.999)
    assert cache.get(key("a")) == b"x"
    clock.advance(0.001)
    assert cache.get(key("a")) is None
    assert cache.stats().entries == 0


@pytest.mark.parametrize("evict", [True, False])
def test_a_closed_namespace_goes_at_once_only_on_request(evict):
    cache, _ = make(10_000, evict_on_close=evict)
    cache.put(key("a", "s"), b"x")
    cache.put(key("a", "t"), b"y")
    cache.close_namespace("s")
    assert (cache.get(key("a", "s")) is None) is evict
    assert cache.get(key("a", "t")) == b"y"


def test_many_are_had_at_once():
    cache, _ = make(10_000)
    cache.put(key("a"), b"x")
    assert cache.get_bulk([key("a"), key("b")]) == {key("a"): b"x"}
    nothing = NoopCache()
    nothing.put(key("a"), b"x")
    assert nothing.get_bulk([key("a")]) == {}


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=60), st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_the_size_is_never_exceeded_and_what_is_there_is_what_was_put_last(puts, size):
    cache, _ = make(size)
    last = {}
    for name, length in puts:
        last[name] = bytes([length % 256]) * length
        cache.put(key(name), last[name])
        assert cache.stats().size_in_bytes <= size
    for name, value in last.items():
        assert cache.get(key(name)) in (None, value)


def test_names_of_keys_do_not_meet():
    keys = [NamedKey("a", b"bc"), NamedKey("ab", b"c"), NamedKey("", b"abc")]
    assert len({each.to_bytes() for each in keys}) == 3


class Sink:
    def __init__(self):
        self.metrics = {}

    def emit_metric(self, name, value, **_):
        self.metrics[name] = value


def test_the_monitor_tells_what_is_new_and_what_is_all():
    cache, _ = make(10_000)
    stats, sink = CachePopulatorStats(), Sink()
    monitor = CacheMonitor(cache, stats)
    cache.put(key("a"), b"x")
    stats.add("ok")
    cache.get(key("a"))
    cache.get(key("b"))
    monitor.monitor(sink)
    cache.get(key("a"))
    monitor.monitor(sink)
    assert sink.metrics["query/cache/total/hits"] == 2
    assert sink.metrics["query/cache/delta/hits"] == 1
    assert sink.metrics["query/cache/delta/misses"] == 0
    assert sink.metrics["query/cache/total/hitRate"] == pytest.approx(2 / 3)
    assert sink.metrics["query/cache/total/put/ok"] == 1
    assert sink.metrics["query/cache/delta/put/ok"] == 0
    assert sink.metrics["query/cache/total/numEntries"] == 1


# ---- keys


@pytest.fixture(scope="module")
def json():
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS).registry)


BASE = {
    "queryType": "groupBy",
    "dataSource": "t",
    "intervals": ["2013/2014"],
    "granularity": "all",
    "dimensions": ["d"],
    "aggregations": [{"type": "count", "name": "n"}],
}
OTHERS = [
    {"dataSource": "u"},
    {"granularity": "day"},
    {"granularity": {"type": "period", "period": "P1D", "timeZone": "Europe/Berlin"}},
    {"dimensions": ["d", "e"]},
    {"dimensions": [{"type": "default", "dimension": "d", "outputName": "e"}]},
    {"dimensions": [{"type": "default", "dimension": "d", "outputName": "d", "outputType": "LONG"}]},
    {"aggregations": [{"type": "longSum", "name": "n", "fieldName": "x"}]},
    {"filter": {"type": "selector", "dimension": "d", "value": "1"}},
    {"filter": {"type": "selector", "dimension": "d", "value": None}},
    {"virtualColumns": [{"type": "expression", "name": "v", "expression": "d", "outputType": "STRING"}]},
    {"limitSpec": {"type": "default", "limit": 3}},
    {"having": {"type": "greaterThan", "aggregation": "n", "value": 1}},
    {"context": {"maxResults": 3}},
    {"context": {"ofAnExtension": True}},
]


def test_keys_of_differing_queries_differ_and_of_equal_ones_are_equal(json):
    queries = [json.structure({**BASE, **change}, Query) for change in ({}, *OTHERS)]
    for of in (segment_query_key, result_query_key):
        assert len({of(query, json) for query in queries}) == len(queries)
        assert of(queries[0], json) == of(json.structure(BASE, Query), json)


def test_how_a_query_runs_is_no_matter(json):
    plain = json.structure(BASE, Query)
    context = {"queryId": "q", "priority": 3, "lane": "low", "timeout": 7, "useCache": True, "populateCache": False}
    other = json.structure({**BASE, "context": context}, Query)
    assert result_query_key(other, json) == result_query_key(plain, json)
    nested = [
        json.structure(
            {**BASE, "dataSource": {"type": "query", "query": {**BASE, "context": {"queryId": name}}}}, Query
        )
        for name in "ab"
    ]
    assert len({result_query_key(each, json) for each in nested}) == 1


def test_intervals_count_for_whole_answers_only(json):
    queries = [json.structure({**BASE, "intervals": [text]}, Query) for text in ("2013/2014", "2012/2014")]
    assert len({result_query_key(each, json) for each in queries}) == 2
    assert len({segment_query_key(each, json) for each in queries}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dataSource": {"type": "lookup", "lookup": "names"}},
        {"virtualColumns": [{"type": "expression", "name": "v", "expression": "LOOKUP(d, 'names')"}]},
        {"dimensions": [{"type": "extraction", "dimension": "d", "extractionFn": {
            "type": "registeredLookup", "lookup": "names"}}]},
    ],
)  # fmt: skip
def test_what_looks_up_has_no_key(json, change):
    query = json.structure({**BASE, **change}, Query)
    assert segment_query_key(query, json) is None
    assert result_query_key(query, json) is None


DAY = 86_400_000
DESCRIPTOR = SegmentDescriptor(Interval(0, DAY), "v", 0)


def test_keys_of_segments_differ_by_all_that_a_segment_is():
    others = [
        ("s", SegmentDescriptor(Interval(0, DAY - 1), "v", 0), b"q"),
        ("s", SegmentDescriptor(Interval(1, DAY), "v", 0), b"q"),
        ("s", SegmentDescriptor(Interval(0, DAY), "w", 0), b"q"),
        ("s", SegmentDescriptor(Interval(0, DAY), "v", 1), b"q"),
        ("s", DESCRIPTOR, b"r"),
        ("t", DESCRIPTOR, b"q"),
    ]
    assert len({segment_key(*each) for each in [("s", DESCRIPTOR, b"q"), *others]}) == 7


def test_a_tag_stands_for_segments_and_query():
    tags = {
        entity_tag([("s", DESCRIPTOR)], b"q"),
        entity_tag([("t", DESCRIPTOR)], b"q"),
        entity_tag([("s", DESCRIPTOR)], b"r"),
        entity_tag([("s", DESCRIPTOR), ("t", DESCRIPTOR)], b"q"),
        entity_tag([], b"q"),
    }
    assert len(tags) == 5
