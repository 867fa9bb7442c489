"""groupBy beyond its memory: the answer is the same, limits are told, and nothing is left on the disk."""

from __future__ import annotations

import itertools
import math
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import QueryException
from nemeton.config import HumanReadableBytes
from nemeton.query import QueryEngine
from nemeton.query.inline import rows_segment
from nemeton.query.spilling.config import GroupByQueryConfig, ProcessingBufferConfig, ProcessingFolderConfig
from nemeton.query.spilling.merger import MergeSettings
from nemeton.query.spilling.stats import GroupByStats, GroupByStatsMonitor

from .conftest import DAY, Runner, make_segment

COUNT = {"type": "count", "name": "c"}
SUM = {"type": "longSum", "name": "x", "fieldName": "n"}
AGGREGATIONS = [
    COUNT,
    SUM,
    {"type": "doubleMax", "name": "top", "fieldName": "n"},
    {"type": "cardinality", "name": "many", "fields": ["s"]},
    {"type": "stringLast", "name": "last", "fieldName": "s"},
    {"type": "doubleMean", "name": "mean", "fieldName": "n"},
]


def long(name, output=None):
    return {"type": "default", "dimension": name, "outputName": output or name, "outputType": "LONG"}


def double(name):
    return {"type": "default", "dimension": name, "outputName": name, "outputType": "DOUBLE"}


def settings_of(folder=None, memory=1, disk=1 << 30, **more):
    return MergeSettings(
        GroupByQueryConfig(max_on_disk_storage=HumanReadableBytes(disk), **more),
        ProcessingBufferConfig(size_bytes=HumanReadableBytes(memory)),
        ProcessingFolderConfig(tmp_dir=None if folder is None else str(folder)),
        GroupByStats(),
    )


def spilling(json, merging):
    found = Runner(json)
    found.engine = QueryEngine(merging=merging)
    return found


numbers = st.one_of(st.none(), st.integers(-4, 4))
doubles = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, -2.5, math.inf, -math.inf, math.nan]))
texts = st.sampled_from(["a", "b", "é", "😀", "\uffee", None, "", "10", "9"])
many = st.one_of(st.none(), st.lists(st.sampled_from(["p", "q", "r"]), max_size=3))
rows = st.lists(st.tuples(texts, numbers, doubles, many, st.integers(0, 3)), min_size=1, max_size=30)
cuts = st.lists(st.integers(1, 29), max_size=6)


def segments_of(listed, at):
    bounds = sorted({0, len(listed), *(cut for cut in at if cut < len(listed))})
    parts = [(start, listed[start:stop]) for start, stop in itertools.pairwise(bounds)]
    return [
        rows_segment(
            {
                "__time": ("LONG", sorted(r[4] * DAY + start + i for i, r in enumerate(part))),
                "s": ("STRING", [r[0] for r in part]),
                "n": ("LONG", [r[1] for r in part]),
                "d": ("DOUBLE", [r[2] for r in part]),
                "m": ("STRING", [r[3] for r in part]),
            },
            len(part),
        )
        for start, part in parts
    ]


def ordered(column, direction="ascending", by="numeric", **more):
    columns = [{"dimension": column, "direction": direction, "dimensionOrder": by}]
    return {"type": "default", "columns": columns, **more}


QUERIES = {
    "strings": {"dimensions": ["s"]},
    "several values": {"dimensions": ["m", "s"]},
    "numbers": {"dimensions": [long("n"), double("d")]},
    "all kinds by day": {"dimensions": ["s", long("n"), double("d"), "m"], "granularity": "day"},
    "arrays": {
        "dimensions": [{"type": "default", "dimension": "v", "outputName": "v", "outputType": "ARRAY<STRING>"}],
        "virtualColumns": [
            {"type": "expression", "name": "v", "expression": "array(s, 'x')", "outputType": "ARRAY<STRING>"}
        ],
    },
    "a column that is not there": {"dimensions": ["nope", "s"]},
    "no dimension": {"dimensions": [], "granularity": "day"},
    "having": {"dimensions": ["s", "m"], "having": {"type": "greaterThan", "aggregation": "c", "value": 1}},
    "first rows": {"dimensions": ["s", "m"], "limitSpec": {"type": "default", "limit": 3, "offset": 1}},
    "first rows in an order": {"dimensions": ["s", "m"], "limitSpec": ordered("x", "descending", limit=3, offset=1)},
    "an order": {"dimensions": ["s", "m"], "limitSpec": ordered("top", "descending", offset=2)},
    "an order of texts": {"dimensions": ["s", double("d")], "limitSpec": ordered("s", "ascending", "strlen")},
    "an order of numbers as texts": {
        "dimensions": [long("n"), "s"],
        "limitSpec": ordered("n", "descending", "alphanumeric"),
        "granularity": "day",
    },
    "dimensions first": {
        "dimensions": ["s"],
        "limitSpec": ordered("s", "descending", "lexicographic"),
        "granularity": "day",
        "context": {"sortByDimsFirst": True},
    },
    "subtotals": {"dimensions": ["s", "m", long("n")], "subtotalsSpec": [["s", "m"], ["n"], []]},
    "limited subtotals": {
        "dimensions": ["s", "m"],
        "subtotalsSpec": [["s"], ["m"], []],
        "limitSpec": ordered("c", "descending", limit=4),
        "having": {"type": "greaterThan", "aggregation": "c", "value": 1},
    },
    "arrays as rows": {"dimensions": ["s", "m"], "context": {"resultAsArray": True}},
    "post-aggregations": {
        "dimensions": ["s"],
        "postAggregations": [{"type": "expression", "name": "e", "expression": "x * 2 + c"}],
        "limitSpec": ordered("e"),
    },
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("wire", [False, True])
@settings(max_examples=12, deadline=None)
@given(listed=rows, at=cuts, held=st.sampled_from([1, 3, 1000]))
def test_the_answer_is_the_same(json, name, wire, listed, at, held):
    segments = segments_of(listed, at)
    query = {"queryType": "groupBy", "aggregations": AGGREGATIONS, **QUERIES[name]}
    wanted = Runner(json).run(segments, **query)
    merging = settings_of(memory=1 << 20, buffer_grouper_max_size=held)
    found = spilling(json, merging).run(segments, wire, **query)
    assert repr(found) == repr(wanted)  # NaN does not equal itself


KEYS = 20_000
WIDE = {"queryType": "groupBy", "dimensions": [long("n", "k")], "aggregations": [COUNT, SUM]}


def wide_segments(count=4):
    """Each key in two of the segments."""
    return [
        make_segment(n=[(part * KEYS // 2 + i) % (count * KEYS // 2) for i in range(KEYS)]) for part in range(count)
    ]


def open_files(folder):
    """What is open below the folder, deleted or not."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        found += [target] if target.startswith(str(folder)) else []
    return found


def test_what_is_held_stays_within_the_memory_and_goes_to_disk(json, tmp_path):
    merging = settings_of(tmp_path, memory=1 << 20)
    events = spilling(json, merging).events(wide_segments(), **WIDE)
    assert [event["k"] for event in events] == list(range(2 * KEYS))
    assert {event["c"] for event in events} == {2}
    assert all(event["x"] == 2 * event["k"] for event in events)
    counts = merging.stats.snapshot()
    assert counts.queries == 1
    assert counts.bytes > 100_000


def test_what_fits_does_not_go_to_disk(json, tmp_path):
    merging = settings_of(tmp_path, memory=1 << 26)
    spilling(json, merging).events(wide_segments(), **WIDE)
    assert merging.stats.snapshot().queries == 0
    assert not list(tmp_path.iterdir())


def merged(engine, query, segments, cancel=None):
    merger = engine.merger(query, None, cancel)
    for place, segment in enumerate(segments):
        merger.add(place, engine.run_segment(query, segment))
    return merger


def test_files_have_no_names_and_are_closed_with_the_merge(json, tmp_path):
    found = spilling(json, settings_of(tmp_path, memory=1 << 18))
    query = found.query(**WIDE)
    merger = merged(found.engine, query, wide_segments())
    rows = iter(found.engine.finalise(query, merger.result()))
    next(rows)
    assert len(open_files(tmp_path)) > 1
    assert not list(tmp_path.iterdir())  # nothing a killed process could leave
    merger.close()
    merger.close()
    assert not open_files(tmp_path)
    with pytest.raises(Exception, match="ended"):
        merger.add(9, found.engine.run_segment(query, wide_segments(1)[0]))


def test_a_merge_is_cancelled_between_blocks(json, tmp_path):
    found = spilling(json, settings_of(tmp_path, memory=1 << 18))
    query, cancel = found.query(**WIDE), threading.Event()
    merger = merged(found.engine, query, wide_segments(), cancel)
    rows = iter(found.engine.finalise(query, merger.result()))
    next(rows)
    cancel.set()
    with pytest.raises(QueryException) as stopped:
        list(rows)
    assert stopped.value.error == QueryException.CANCELLED
    merger.close()
    assert not open_files(tmp_path)


def test_a_query_beyond_its_disk_fails_and_leaves_nothing(json, tmp_path):
    found = spilling(json, settings_of(tmp_path, memory=1 << 18, disk=20_000))
    with pytest.raises(QueryException, match=r"Not enough disk space.*maxOnDiskStorage") as refused:
        found.run(wide_segments(), **WIDE)
    assert refused.value.error == QueryException.RESOURCE_LIMIT
    assert refused.value.error_class == "org.apache.druid.query.ResourceLimitExceededException"
    assert not open_files(tmp_path)


@pytest.mark.parametrize(
    ("merging", "context", "message"),
    [
        (settings_of(disk=0), {}, "merge buffer memory"),
        (settings_of(), {"maxOnDiskStorage": 0}, "merge buffer memory"),
        (settings_of(default_on_disk_storage=HumanReadableBytes(0)), {}, "merge buffer memory"),
        (settings_of(default_on_disk_storage=HumanReadableBytes(0)), {"maxOnDiskStorage": "1GiB"}, None),
        (settings_of(default_on_disk_storage=HumanReadableBytes(0)), {"maxOnDiskStorage": 1000}, "disk space"),
        (settings_of(memory=1 << 26), {"bufferGrouperMaxSize": 10, "maxOnDiskStorage": 0}, "merge buffer memory"),
        (settings_of(memory=1 << 26), {"maxResults": 50}, "more than 50 groups"),
        (settings_of(memory=1 << 16), {"maxResults": 25_000}, "more than 25000 groups"),
        (
            settings_of(),
            {"maxOnDiskStorage": "much"},
            r"Expected key \[maxOnDiskStorage\] to be a human readable number",
        ),
        (settings_of(), {"maxMergingDictionarySize": True}, "a human readable number"),
    ],
)
def test_limits_of_configuration_and_context(json, merging, context, message):
    found = spilling(json, merging)
    if message is None:
        assert len(found.events(wide_segments(2), **WIDE, context=context)) == KEYS
        return
    with pytest.raises(QueryException, match=message):
        found.run(wide_segments(), **WIDE, context=context)


def test_a_dictionary_beyond_its_size_is_spilled_where_that_may_be(json):
    segment = make_segment(s=[f"value {i}" for i in range(500)])
    query = {"queryType": "groupBy", "dimensions": ["s"], "aggregations": [COUNT]}
    merging = settings_of(memory=1 << 30)
    assert len(spilling(json, merging).events(segment, **query, context={"maxMergingDictionarySize": 100})) == 500
    assert merging.stats.snapshot().queries == 1
    context = {"maxMergingDictionarySize": 100, "maxOnDiskStorage": 0}
    with pytest.raises(QueryException, match="Not enough dictionary memory"):
        spilling(json, merging).run(segment, **query, context=context)


def test_rows_of_a_stream_must_be_in_order(json):
    found = spilling(json, settings_of())
    query = found.query(queryType="groupBy", dimensions=["s"], aggregations=[COUNT], context={"resultAsArray": True})
    rows = [[f"{i:06}", 1] for i in range(40_000)]

    def read(listed):
        partial = found.engine.merge(query, [found.engine.from_wire(query, iter(listed))])
        return list(found.engine.finalise(query, partial))

    assert read(rows) == rows
    with pytest.raises(QueryException, match="not in order"):
        read(rows[20_000:] + rows[:20_000])


def test_the_monitor_tells_of_the_last_period(json):
    merging = settings_of()
    monitor, told = GroupByStatsMonitor(merging.stats), []

    class Sink:
        def emit_metric(self, name, value, **dims):
            told.append((name, value))

    spilling(json, merging).run(wide_segments(2), **WIDE)
    monitor.monitor(Sink())
    assert dict(told)["groupBy/spilledQueries"] == 1
    assert dict(told)["groupBy/spilledBytes"] == merging.stats.snapshot().bytes > 0
    told.clear()
    monitor.monitor(Sink())
    assert dict(told) == {"groupBy/spilledQueries": 0, "groupBy/spilledBytes": 0, "groupBy/mergeDictionarySize": 0}
