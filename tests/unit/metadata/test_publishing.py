"""Appends beside a replacement: whichever is published first, the rows count in the version that wins."""

import pytest
from sqlalchemy import select

from nemeton.model import DataSegment, NumberedPartialShardSpec, NumberedShardSpec, TombstoneShardSpec
from nemeton.spi.metadata import ReplaceTaskLock, SegmentCreateRequest
from nemeton.time import Interval

DAY = Interval.parse("2030-01-01/2030-01-02")
NEXT_DAY = Interval.parse("2030-01-02/2030-01-03")
MONTH = Interval.parse("2030-01-01/2030-02-01")
EPOCH, V = "1970-01-01T00:00:00.000Z", "2030-06-01T00:00:00.000Z"


def appended(num=0, interval=DAY, **more):
    return DataSegment(
        "ds", interval, EPOCH, {"type": "local", "path": f"a{num}"}, ["d"], ["m"], NumberedShardSpec(num, 0), **more
    )


def replacing(num=0, core=1, interval=DAY, version=V):
    return DataSegment("ds", interval, version, {"type": "local"}, shard_spec=NumberedShardSpec(num, core))


def lock(interval=DAY, task="r", version=V):
    return ReplaceTaskLock(task, interval, version)


@pytest.fixture
def allocate(coordinator):
    def ask(sequence, interval=DAY, group="a"):
        request = SegmentCreateRequest(
            sequence_name=sequence,
            previous_segment_id=None,
            version=EPOCH,
            partial_shard_spec=NumberedPartialShardSpec(),
            task_allocator_id=group,
        )
        return coordinator.allocate_pending_segment("ds", interval, request, skip_segment_lineage_check=True)

    return ask


@pytest.fixture
def notes(connector):
    table = connector.tables.upgrade_segments
    return lambda: connector.read(lambda c: c.execute(select(table.c.task_id, table.c.segment_id)).all())


def where(segments):
    return sorted(
        (s.interval, s.version, s.shard_spec.partition_num, s.shard_spec.num_core_partitions) for s in segments
    )


def test_what_was_appended_first_is_put_into_the_new_version(coordinator, notes):
    coordinator.commit_append_segments([appended()], {appended(): lock()}, "a")
    assert notes() == [("r", str(appended().id))]
    result = coordinator.commit_replace_segments([replacing(n, 2) for n in range(2)], [lock()])
    assert where(result.segments) == [(DAY, V, n, 2) for n in range(3)]
    upgraded = next(s for s in result.segments if s.shard_spec.partition_num == 2)
    assert (upgraded.load_spec, upgraded.dimensions, upgraded.metrics) == (
        appended().load_spec,
        appended().dimensions,
        appended().metrics,
    )
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, n, 2) for n in range(3)]
    assert coordinator.retrieve_upgraded_from_segment_ids("ds", [str(upgraded.id)]) == {
        str(upgraded.id): str(appended().id)
    }
    assert coordinator.retrieve_upgraded_to_segment_ids("ds", [str(appended().id), str(upgraded.id), "no"]) == {
        str(appended().id): [str(appended().id), str(upgraded.id)],
        str(upgraded.id): [str(upgraded.id)],
    }


def test_what_is_appended_later_takes_the_id_that_waits_for_it(coordinator, allocate):
    allocated = allocate("s")
    result = coordinator.commit_replace_segments([replacing(0, 1)], [lock()])
    (pending,) = result.upgraded_pending_segments
    assert (pending.id.version, pending.id.shard_spec) == (V, NumberedShardSpec(1, 1))
    assert (pending.sequence_name, pending.upgraded_from_segment_id) == (f"upgraded_to_version__{V}", str(allocated))
    assert (pending.sequence_prev_id, pending.task_allocator_id) == (str(allocated), "a")
    other = coordinator.commit_append_segments([appended(7)], {}, "other group")
    assert where(other.segments) == [(DAY, EPOCH, 7, 0)]
    result = coordinator.commit_append_segments([appended()], {}, "a")
    assert where(result.segments) == [(DAY, EPOCH, 0, 0), (DAY, V, 1, 1)]
    assert coordinator.retrieve_pending_segments("ds") == []
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, 0, 1), (DAY, V, 1, 1)]


def test_what_is_appended_beside_a_tombstone_counts_without_it(coordinator, allocate):
    """A tombstone is no core partition: Druid's Coordinator marks tombstones as unused at times."""
    coordinator.commit_append_segments([appended()], {appended(): lock()}, "a")
    tombstone = DataSegment("ds", DAY, V, {"type": "tombstone", "path": None}, shard_spec=TombstoneShardSpec(), size=1)
    coordinator.commit_replace_segments([tombstone], [lock()])
    assert allocate("later").shard_spec == NumberedShardSpec(2, 0)
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, 0, 0), (DAY, V, 1, 0)]
    coordinator.mark_segment_ids_as_unused("ds", [str(tombstone.id)])
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, 1, 0)]


def test_both_ways_at_once_are_numbered_apart(coordinator, allocate):
    allocate("published"), allocate("pending"), allocate("pending too")
    coordinator.commit_append_segments([appended(0)], {appended(0): lock()}, "a")
    result = coordinator.commit_replace_segments([replacing(0, 1)], [lock()])
    assert where(result.segments) == [(DAY, V, 0, 1), (DAY, V, 1, 1)]
    assert [p.id.shard_spec.partition_num for p in result.upgraded_pending_segments] == [2, 3]


def test_a_publish_that_is_sent_twice_changes_nothing(coordinator, allocate):
    allocate("published"), allocate("pending")
    coordinator.commit_append_segments([appended(0)], {appended(0): lock()}, "a")
    for expected in (2, 0):
        result = coordinator.commit_replace_segments([replacing(0, 1)], [lock()])
        assert (result.success, len(result.segments)) == (True, expected)
    for expected in (2, 0):
        result = coordinator.commit_append_segments([appended(1)], {appended(1): lock()}, "a")
        assert (result.success, len(result.segments)) == (True, expected)
    again = coordinator.commit_replace_segments([replacing(0, 1)], [lock()])
    assert (again.success, again.segments, again.upgraded_pending_segments) == (True, [], [])
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, n, 1) for n in range(3)]


def test_a_coarser_replacement_takes_finer_appends_in(coordinator, allocate):
    allocate("s", NEXT_DAY)
    coordinator.commit_append_segments([appended()], {appended(): lock(MONTH)}, "a")
    result = coordinator.commit_replace_segments([replacing(0, 1, MONTH)], [lock(MONTH)])
    assert where(result.segments) == [(MONTH, V, 0, 1), (MONTH, V, 1, 1)]
    assert [p.id.interval for p in result.upgraded_pending_segments] == [MONTH]


@pytest.mark.parametrize("is_published", [True, False])
def test_a_finer_replacement_than_an_append_is_refused(coordinator, allocate, is_published):
    if is_published:
        coordinator.commit_append_segments([appended(0, MONTH)], {appended(0, MONTH): lock(MONTH)}, "a")
    else:
        allocate("s", MONTH)
    before = coordinator.retrieve_used_segments("ds")
    result = coordinator.commit_replace_segments([replacing()], [lock(MONTH)])
    assert not result.success
    assert "finer segment granularity than a concurrent append is unsupported" in result.error_msg
    assert f"{'' if is_published else 'pendingS'}{'segment' if is_published else 'egment'}[" in result.error_msg
    assert coordinator.retrieve_used_segments("ds") == before


def test_what_lies_where_nothing_is_replaced_stays_visible(coordinator):
    coordinator.commit_append_segments([appended(0, NEXT_DAY)], {appended(0, NEXT_DAY): lock(MONTH)}, "a")
    result = coordinator.commit_replace_segments([replacing()], [lock(MONTH)])
    assert where(result.segments) == [(DAY, V, 0, 1)]
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, V, 0, 1), (NEXT_DAY, EPOCH, 0, 0)]


def test_a_second_replacement_upgrades_from_the_first_ancestor(coordinator):
    later = "2030-07-01T00:00:00.000Z"
    coordinator.commit_append_segments([appended()], {appended(): lock()}, "a")
    (first,) = [
        s
        for s in coordinator.commit_replace_segments([replacing()], [lock()]).segments
        if s.shard_spec.partition_num == 1
    ]
    coordinator.commit_append_segments([first.with_(shard_spec=NumberedShardSpec(2, 1))], {}, "a")
    second_lock = ReplaceTaskLock("r2", DAY, later)
    coordinator.commit_append_segments([first], {first: second_lock}, "b")
    result = coordinator.commit_replace_segments([replacing(0, 1, DAY, later)], [second_lock])
    (upgraded,) = [s for s in result.segments if s.shard_spec.partition_num == 1]
    assert coordinator.retrieve_upgraded_from_segment_ids("ds", [str(upgraded.id)]) == {
        str(upgraded.id): str(appended().id)
    }


def test_pending_segments_without_allocator_or_of_newer_versions_are_left_alone(coordinator, allocate):
    allocate("s", group=None)
    result = coordinator.commit_replace_segments([replacing()], [lock()])
    assert result.upgraded_pending_segments == []
    allocate("t")
    result = coordinator.commit_replace_segments([replacing(5, 1, DAY, "2029-01-01T00:00:00.000Z")], [lock()])
    assert result.upgraded_pending_segments == []


def test_appends_move_stream_offsets(coordinator):
    def state(value):
        return {"type": "object", "object": value}

    done = coordinator.commit_append_segments([appended()], {}, "a", state(None), state(5))
    assert done.success
    ahead = coordinator.commit_append_segments([appended(1)], {}, "a", state(4), state(9))
    assert not ahead.success
    assert where(coordinator.retrieve_used_segments("ds")) == [(DAY, EPOCH, 0, 0)]


def test_segments_are_written_over(coordinator):
    coordinator.commit_segments([appended()])
    moved = appended().with_(load_spec={"type": "s3"}, size=77)
    assert coordinator.update_segment_metadata([moved, appended(9)]) == 1
    (read,) = coordinator.retrieve_used_segments("ds")
    assert (read.load_spec, read.size) == ({"type": "s3"}, 77)


def test_when_segments_came(coordinator, clock):
    coordinator.commit_segments([appended()])
    clock.advance(60)
    coordinator.commit_segments([appended(1)])
    found = coordinator.retrieve_used_segments_and_created_dates("ds", [DAY])
    created = {segment.partition_num: date for segment, date in found}
    assert created[0] < created[1]
