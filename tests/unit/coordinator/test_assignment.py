"""Assigner and duties over clusters made up by hand and by hypothesis."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.coordinator.assigner import SegmentAssigner
from nemeton.coordinator.config import CoordinatorDynamicConfig
from nemeton.coordinator.duties import MarkOvershadowedSegmentsAsUnused, RunRules, UnloadUnusedSegments
from nemeton.coordinator.load_queue import QueueState
from nemeton.coordinator.params import QueuedServer, RunParams
from nemeton.coordinator.rules import ForeverDropRule, ForeverLoadRule, IntervalDropRule
from nemeton.model import DataSegment, DruidServerMetadata, NumberedShardSpec, SegmentTimeline
from nemeton.time import Interval

HOUR = 3_600_000
LOAD_ONE = (ForeverLoadRule(tiered_replicants={"_default_tier": 1}),)


def segment(hour=0, version="v1", num=0, size=10, source="ds"):
    return DataSegment(
        source, Interval(hour * HOUR, (hour + 1) * HOUR), version, shard_spec=NumberedShardSpec(num, 1), size=size
    )


class FakePeon:
    def __init__(self, loading=(), dropping=(), loaded=()):
        self.queue = QueueState({s.id: s for s in loading}, {s.id: s for s in dropping}, {s.id: s for s in loaded})
        self.asked = []

    def state(self):
        return self.queue

    def load(self, segment):
        self.asked.append(("load", segment))

    def drop(self, segment):
        self.asked.append(("drop", segment))


def server(name="a", served=(), *, tier="_default_tier", max_size=1000, type_="historical", **queue):
    metadata = DruidServerMetadata(name, name, max_size, tier, type_)
    return QueuedServer(metadata, {s.id: s for s in served}, FakePeon(**queue))


def asked(*servers):
    return {each.metadata.name: each.peon.asked for each in servers if each.peon.asked}


def params(servers, segments, rules=LOAD_ONE, **changes):
    marked = defaultdict(list)
    timeline = SegmentTimeline.of(segments)

    def mark(data_source, found):
        marked[data_source] += found
        return len(found)

    given = {
        "now": 10**12,
        "leader_since": 0,
        "used_segments": {each.id: each for each in segments},
        "overshadowed": frozenset(timeline.find_fully_overshadowed()),
        "servers": servers,
        "rules": lambda _: list(rules),
        "dynamic_config": CoordinatorDynamicConfig(),
        "mark": mark,
    }
    return RunParams(**{**given, **changes}), marked


def test_a_copy_goes_to_the_emptiest_server_of_the_tier():
    full, empty = server("full", [segment(5, size=500)]), server("empty")
    other = server("other", tier="cold")
    SegmentAssigner([full, empty, other]).replicate(segment(), {"_default_tier": 1})
    assert asked(full, empty, other) == {"empty": [("load", segment())]}


def test_copies_go_to_different_servers():
    servers = [server(name) for name in "abc"]
    SegmentAssigner(servers).replicate(segment(), {"_default_tier": 2})
    assert sorted(asked(*servers)) == ["a", "b"]


def test_what_is_on_its_way_or_just_loaded_is_not_asked_for_again():
    servers = [server("a", loading=[segment()]), server("b", loaded=[segment()]), server("c")]
    SegmentAssigner(servers).replicate(segment(), {"_default_tier": 2})
    assert asked(*servers) == {}


def test_a_server_without_room_takes_nothing():
    small, queued = server("small", max_size=5), server("queued", max_size=15, loading=[segment(3)])
    SegmentAssigner([small, queued]).replicate(segment(), {"_default_tier": 1})
    assert asked(small, queued) == {}


def test_tasks_and_servers_that_are_emptied_take_nothing():
    task = server("task", type_="indexer-executor")
    leaving = QueuedServer(DruidServerMetadata("x", "x", 1000), {}, FakePeon(), is_decommissioning=True)
    SegmentAssigner([task, leaving]).replicate(segment(), {"_default_tier": 1})
    assert asked(task, leaving) == {}


def test_surplus_copies_go_only_when_all_wanted_ones_are_there():
    servers = [server("a", [segment()]), server("b", [segment(), segment(9, size=90)])]
    SegmentAssigner(servers).replicate(segment(), {"_default_tier": 1})
    assert asked(*servers) == {"b": [("drop", segment())]}

    moving = [server("a", [segment()]), server("hot", tier="hot")]
    SegmentAssigner(moving).replicate(segment(), {"hot": 1})
    assert asked(*moving) == {"hot": [("load", segment())]}

    moved = [server("a", [segment()]), server("hot", [segment()], tier="hot")]
    SegmentAssigner(moved).replicate(segment(), {"hot": 1})
    assert asked(*moved) == {"a": [("drop", segment())]}


def test_further_copies_are_throttled_and_first_ones_never():
    servers = [server(name, max_size=10**9) for name in "ab"]
    assigner = SegmentAssigner(servers, throttle=3)
    for hour in range(10):
        assigner.replicate(segment(hour), {"_default_tier": 2})
    loads = [each for one in servers for each in one.peon.asked]
    assert len(loads) == 10 + 3
    assert {each.id for _, each in loads} == {segment(hour).id for hour in range(10)}


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=6, unique=True), min_size=1, max_size=4),
    st.integers(0, 4),
    st.integers(20, 60),
)
def test_assignment_settles_and_keeps_to_its_bounds(held, wanted, max_size):
    """Requests done again and again end in a state where there is nothing to ask, with as many copies as can be."""
    holding = [{hour: segment(hour) for hour in hours} for hours in held]
    for _ in range(20):
        servers = [
            server(str(number), each.values(), max_size=max(max_size, 60)) for number, each in enumerate(holding)
        ]
        run, marked = params(
            servers,
            [segment(hour) for hour in range(6)],
            rules=[ForeverLoadRule(tiered_replicants={"_default_tier": wanted})],
        )
        RunRules().run(run)
        assert not marked
        if not asked(*servers):
            break
        for number, one in enumerate(servers):
            for action, each in one.peon.asked:
                hour = each.interval.start // HOUR
                if action == "load":
                    holding[number][hour] = each
                else:
                    del holding[number][hour]
            assert sum(each.size for each in holding[number].values()) <= max(max_size, 60)
    else:
        pytest.fail("it goes on for ever")
    for hour in range(6):
        assert sum(hour in each for each in holding) == min(wanted, len(holding))


def test_the_first_rule_that_applies_counts():
    rules = [IntervalDropRule(interval=Interval(0, HOUR)), ForeverLoadRule(tiered_replicants={"_default_tier": 1})]
    one = server()
    run, marked = params([one], [segment(0), segment(1)], rules)
    RunRules().run(run)
    assert asked(one) == {"a": [("load", segment(1))]}
    assert dict(marked) == {"ds": [segment(0)]}


def test_segments_without_a_rule_are_left_alone(caplog):
    one = server(served=[segment(0)])
    run, marked = params([one], [segment(0)], rules=())
    RunRules().run(run)
    assert asked(one) == marked == {}
    assert "No rule applies to 1 segment(s)" in caplog.text


def test_overshadowed_segments_are_not_loaded():
    one = server()
    run, _ = params([one], [segment(0, "v1"), segment(0, "v2")])
    RunRules().run(run)
    assert asked(one) == {"a": [("load", segment(0, "v2"))]}


def test_dropping_everything_marks_everything():
    run, marked = params([server()], [segment(hour) for hour in range(3)], [ForeverDropRule()])
    RunRules().run(run)
    assert sorted(marked["ds"]) == [segment(hour) for hour in range(3)]


def test_what_is_no_longer_used_is_unloaded_from_historicals():
    one = server("a", [segment(0), segment(1)])
    task = server("task", [segment(0)], type_="indexer-executor")
    run, _ = params([one, task], [segment(1)])
    UnloadUnusedSegments().run(run)
    assert asked(one, task) == {"a": [("drop", segment(0))]}


def test_an_overshadowed_segment_is_marked_when_the_newer_one_is_served():
    old, new = segment(0, "v1"), segment(0, "v2")
    run, marked = params([server("a", [old])], [old, new])
    MarkOvershadowedSegmentsAsUnused().run(run)
    assert marked == {}
    run, marked = params([server("a", [old, new])], [old, new])
    MarkOvershadowedSegmentsAsUnused().run(run)
    assert dict(marked) == {"ds": [old]}


def test_not_in_the_first_minutes_of_a_term():
    old, new = segment(0, "v1"), segment(0, "v2")
    run, marked = params([server("a", [old, new])], [old, new], now=900_000, leader_since=0)
    MarkOvershadowedSegmentsAsUnused().run(run)
    assert marked == {}
