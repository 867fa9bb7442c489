"""The timeline against a model that looks at every instant by itself."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nemeton.model import (
    DataSegment,
    LinearShardSpec,
    NumberedOverwriteShardSpec,
    NumberedShardSpec,
    SegmentTimeline,
)
from nemeton.time import Interval

HOURS = 8


def segment(start, end, version, num=0, core=1):
    return DataSegment("ds", Interval(start, end), version, shard_spec=NumberedShardSpec(num, core))


@st.composite
def segments(draw):
    start = draw(st.integers(0, HOURS - 1))
    end = draw(st.integers(start + 1, HOURS))
    # one interval per version and start: Druid leaves overlapping intervals of one version undefined
    version = f"v{draw(st.integers(0, 3))}-{start}-{end}"
    core = draw(st.integers(0, 2))
    return segment(start, end, version, draw(st.integers(0, core + 1)), core)


def is_complete(group):
    core = max(s.shard_spec.num_core_partitions for s in group)
    return set(range(core)) <= {s.partition_num for s in group}


def groups(live):
    out = {}
    for s in live:
        out.setdefault((s.interval, s.version, s.shard_spec.num_core_partitions), []).append(s)
    return out


def counting_at(live, instant):
    complete = [key for key, group in groups(live).items() if is_complete(group) and key[0].contains(instant)]
    if not complete:
        return set()
    best = max(complete, key=lambda key: (key[1], key[0]))
    return set(groups(live)[best])


steps = st.lists(st.tuples(st.booleans(), segments()), max_size=25)


def one_core_count_per_version(steps):
    counts = {}
    kept = []
    for add, s in steps:
        core = counts.setdefault((s.interval, s.version), s.shard_spec.num_core_partitions)
        if core == s.shard_spec.num_core_partitions:
            kept.append((add, s))
    return kept


@given(steps.map(one_core_count_per_version))
def test_every_instant_shows_the_highest_complete_version(steps):
    timeline, live = SegmentTimeline(), {}
    for add, s in steps:
        if add:
            timeline.add_segments([s])
            live[s.id] = s
        else:
            assert (timeline.remove_segment(s) is not None) == (live.pop(s.id, None) is not None)
        for instant in range(HOURS):
            found = timeline.lookup(Interval(instant, instant + 1))
            assert {o for holder in found for o in holder.objects} == counting_at(live.values(), instant)
    pieces = timeline.lookup(Interval(0, HOURS))
    assert all(a.interval.end <= b.interval.start for a, b in itertools.pairwise(pieces))
    assert set(timeline.objects()) == set(live.values())


@given(steps.map(one_core_count_per_version))
def test_overshadowed_is_what_newer_versions_hide_everywhere(steps):
    live = {s.id: s for add, s in steps if add}
    timeline = SegmentTimeline.of(live.values())

    def hidden(s):
        seen = [counting_at(live.values(), i) for i in range(s.interval.start, s.interval.end)]
        return all(at and min(o.version for o in at) > s.version for at in seen)

    assert set(timeline.find_fully_overshadowed()) == {s for s in live.values() if hidden(s)}


def test_a_new_version_takes_over_at_once_and_whole():
    timeline = SegmentTimeline.of([segment(0, 4, "v1")])
    timeline.add_segments([segment(0, 4, "v2", 1, 2)])
    assert timeline.find_visible(Interval(0, 4)) == [segment(0, 4, "v1")]
    timeline.add_segments([segment(0, 4, "v2", 0, 2)])
    assert timeline.find_visible(Interval(0, 4)) == [segment(0, 4, "v2", 0, 2), segment(0, 4, "v2", 1, 2)]
    timeline.remove_segment(segment(0, 4, "v2", 0, 2))
    assert timeline.find_visible(Interval(0, 4)) == [segment(0, 4, "v1")]


def test_partitions_beyond_the_core_come_in_one_by_one():
    timeline = SegmentTimeline.of([segment(0, 4, "v1", 5, 1)])
    assert timeline.lookup(Interval(0, 4)) == []
    timeline.add_segments([segment(0, 4, "v1", 0, 1)])
    assert [c.partition_num for c in timeline.lookup(Interval(0, 4))[0].chunks] == [0, 5]


def test_a_newer_inner_interval_splits_an_older_one():
    timeline = SegmentTimeline.of([segment(0, 6, "v1"), segment(2, 4, "v2")])
    pieces = timeline.lookup(Interval(1, 5))
    assert [(p.interval, p.true_interval, p.version) for p in pieces] == [
        (Interval(1, 2), Interval(0, 6), "v1"),
        (Interval(2, 4), Interval(2, 4), "v2"),
        (Interval(4, 5), Interval(0, 6), "v1"),
    ]


def test_several_newer_ones_hide_an_older_one_together():
    timeline = SegmentTimeline.of([segment(0, 6, "v1"), segment(0, 3, "v2"), segment(3, 6, "v3")])
    assert timeline.find_fully_overshadowed() == [segment(0, 6, "v1")]
    assert timeline.is_segment_overshadowed(segment(0, 6, "v1"))
    assert not timeline.is_segment_overshadowed(segment(0, 3, "v2"))


def test_linear_partitions_wait_for_none():
    linear = DataSegment("ds", Interval(0, 4), "v1", shard_spec=LinearShardSpec(3))
    assert SegmentTimeline.of([linear]).find_visible(Interval(0, 4)) == [linear]


def test_find_takes_a_part_of_the_interval():
    timeline = SegmentTimeline.of([segment(0, 6, "v1")])
    assert timeline.find(Interval(2, 3), "v1", 0) == segment(0, 6, "v1")
    assert timeline.find(Interval(2, 7), "v1", 0) is None
    assert timeline.find(Interval(0, 6), "v1", 1) is None


def test_get_takes_the_interval_only_as_it_is():
    timeline = SegmentTimeline.of([segment(0, 6, "v1")])
    assert timeline.get(Interval(0, 6), "v1", 0) == segment(0, 6, "v1")
    assert timeline.get(Interval(2, 3), "v1", 0) is None
    assert timeline.get(Interval(0, 6), "v2", 0) is None


def replacing(num, start, end, minor, group_size=1):
    spec = NumberedOverwriteShardSpec(num, start, end, minor, group_size)
    return DataSegment("ds", Interval(0, 4), "v1", shard_spec=spec)


def test_a_higher_minor_version_takes_the_place_of_the_partitions_that_it_replaces():
    originals = [segment(0, 4, "v1", num, 3) for num in range(3)]
    timeline = SegmentTimeline.of(originals)
    first, second = replacing(32768, 0, 2, 1, 2), replacing(32769, 0, 2, 1, 2)
    timeline.add_segments([first])
    assert timeline.find_visible(Interval(0, 4)) == originals  # half a group replaces nothing
    assert timeline.find_fully_overshadowed() == []
    timeline.add_segments([second])
    assert timeline.find_visible(Interval(0, 4)) == [originals[2], first, second]
    assert timeline.find_fully_overshadowed() == originals[:2]
    assert [timeline.is_segment_overshadowed(each) for each in originals] == [True, True, False]
    again = replacing(32770, 0, 2, 2)
    timeline.add_segments([again])
    assert timeline.find_visible(Interval(0, 4)) == [originals[2], again]
    for replaced in (*originals[:2], first, second):
        timeline.remove_segment(replaced)
    assert timeline.find_visible(Interval(0, 4)) == [originals[2], again]


def test_without_its_replacement_a_version_is_not_whole():
    originals = [segment(0, 4, "v1", num, 2) for num in range(2)]
    timeline = SegmentTimeline.of([segment(0, 4, "v0"), *originals, replacing(32768, 1, 2, 1)])
    timeline.remove_segment(originals[1])
    assert timeline.find_visible(Interval(0, 4)) == [originals[0], replacing(32768, 1, 2, 1)]
    timeline.remove_segment(replacing(32768, 1, 2, 1))
    assert timeline.find_visible(Interval(0, 4)) == [segment(0, 4, "v0")]


def test_a_greater_major_version_hides_any_minor_one():
    timeline = SegmentTimeline.of([replacing(32768, 0, 1, 7), segment(0, 4, "v2")])
    assert timeline.find_visible(Interval(0, 4)) == [segment(0, 4, "v2")]
    assert timeline.find_fully_overshadowed() == [replacing(32768, 0, 1, 7)]
