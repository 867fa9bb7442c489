import threading

import pytest
from sqlalchemy import insert, select

from nemeton.common.errors import DruidException
from nemeton.metadata.pending import sequence_key
from nemeton.model import (
    DataSegment,
    LinearPartialShardSpec,
    LinearShardSpec,
    NumberedPartialShardSpec,
    NumberedShardSpec,
    TaskStatus,
)
from nemeton.spi.metadata import SegmentCreateRequest
from nemeton.time import ETERNITY, Interval

DAY = Interval.parse("2024-01-01/2024-01-02")
NEXT_DAY = Interval.parse("2024-01-02/2024-01-03")
MONTH = Interval.parse("2024-01-01/2024-02-01")
V1, V2 = "2024-06-01T00:00:00.000Z", "2024-06-02T00:00:00.000Z"


def segment(interval=DAY, version=V1, num=0, core=1, source="wiki", **more):
    return DataSegment(
        source,
        interval,
        version,
        load_spec={"type": "local", "path": f"/{num}"},
        dimensions=("page",),
        metrics=("n",),
        shard_spec=NumberedShardSpec(num, core),
        size=10,
        **more,
    )


def ids(segments):
    return sorted(str(s.id) for s in segments)


def request(sequence="s1", previous=None, version=V1, group="g", factory=None):
    return SegmentCreateRequest(
        sequence_name=sequence,
        previous_segment_id=previous,
        version=version,
        partial_shard_spec=factory or NumberedPartialShardSpec(),
        task_allocator_id=group,
    )


def test_published_segments_are_read_back_whole(coordinator):
    published = segment(last_compaction_state={"partitionsSpec": {"type": "dynamic"}})
    assert coordinator.commit_segments_and_metadata([published]).success
    (read,) = coordinator.retrieve_used_segments("wiki", [DAY])
    assert (read, read.load_spec, read.dimensions, read.size) == (
        published,
        {"type": "local", "path": "/0"},
        ("page",),
        10,
    )
    assert read.last_compaction_state == published.last_compaction_state


def test_publishing_again_succeeds_and_changes_nothing(coordinator, connector):
    coordinator.commit_segments_and_metadata([segment()])
    coordinator.mark_segment_ids_as_unused("wiki", [str(segment().id)])
    result = coordinator.commit_segments_and_metadata([segment(), segment(num=1)])
    assert result.success
    assert ids(result.segments) == ids([segment(num=1)])
    table = connector.tables.segments
    rows = connector.read(lambda c: dict(c.execute(select(table.c.id, table.c.used)).all()))
    assert rows == {str(segment().id): False, str(segment(num=1).id): True}


def test_only_overlapping_segments_are_listed(coordinator):
    coordinator.commit_segments([segment(), segment(NEXT_DAY), segment(source="other")])
    assert ids(coordinator.retrieve_used_segments("wiki", [NEXT_DAY])) == ids([segment(NEXT_DAY)])
    assert len(coordinator.retrieve_used_segments("wiki", [MONTH])) == 2
    assert len(coordinator.retrieve_used_segments("wiki")) == 2
    assert len(coordinator.retrieve_used_segments("wiki", [ETERNITY])) == 2
    assert coordinator.retrieve_all_data_sources() == {"wiki", "other"}


def test_segments_of_eternity_overlap_everything(coordinator):
    forever = segment(ETERNITY)
    coordinator.commit_segments([forever])
    assert coordinator.retrieve_used_segments("wiki", [DAY]) == [forever]
    coordinator.mark_segment_ids_as_unused("wiki", [str(forever.id)])
    assert coordinator.retrieve_unused_segments("wiki", MONTH) == []
    assert coordinator.retrieve_unused_segments("wiki", ETERNITY) == [forever]


def test_overshadowed_segments_are_hidden_unless_asked_for(coordinator):
    coordinator.commit_segments([segment()])
    coordinator.commit_segments([segment(version=V2)])
    assert ids(coordinator.retrieve_used_segments("wiki", [DAY])) == ids([segment(version=V2)])
    assert len(coordinator.retrieve_used_segments("wiki", [DAY], "INCLUDING_OVERSHADOWED")) == 2


def test_a_segment_overshadowed_within_its_own_publish_is_not_used(coordinator):
    coordinator.commit_segments([segment(), segment(version=V2)])
    assert ids(coordinator.retrieve_unused_segments("wiki", DAY)) == ids([segment()])


def test_unused_segments_by_version_limit_and_time(coordinator, clock):
    coordinator.commit_segments([segment(), segment(NEXT_DAY), segment(NEXT_DAY, V2)])
    clock.advance(60)
    coordinator.mark_segments_as_unused("wiki", MONTH)
    assert len(coordinator.retrieve_unused_segments("wiki", MONTH, limit=2)) == 2
    assert ids(coordinator.retrieve_unused_segments("wiki", MONTH, versions=[V2])) == ids([segment(NEXT_DAY, V2)])
    early = "2000-01-01T00:00:00.000Z"
    assert coordinator.retrieve_unused_segments("wiki", MONTH, max_used_status_last_updated=early) == []
    assert coordinator.retrieve_unused_segments("wiki", DAY) == [segment()]


def test_marking_counts_what_changes(coordinator):
    coordinator.commit_segments([segment(), segment(NEXT_DAY)])
    assert coordinator.mark_segments_as_unused("wiki", DAY) == 1
    assert coordinator.mark_segments_as_unused("wiki", DAY) == 0
    assert coordinator.mark_segments_as_unused("wiki", None) == 1
    assert coordinator.mark_segment_ids_as_used("wiki", [str(segment().id), "nosuch"]) == 1
    assert coordinator.mark_segment_ids_as_used("other", [str(segment().id)]) == 0


def test_only_what_nothing_overshadows_is_marked_used(coordinator):
    coordinator.commit_segments([segment()])
    coordinator.mark_segments_as_unused("wiki", None)
    coordinator.commit_segments([segment(version=V2), segment(NEXT_DAY)])
    coordinator.mark_segments_as_unused("wiki", NEXT_DAY)
    assert coordinator.mark_non_overshadowed_segments_as_used("wiki", MONTH) == 1
    assert ids(coordinator.retrieve_unused_segments("wiki", MONTH)) == ids([segment()])


def test_deleted_segments_are_gone(coordinator):
    coordinator.commit_segments([segment(), segment(source="other")])
    assert coordinator.delete_segments([segment()]) == 1
    assert coordinator.retrieve_segments_by_id("wiki", [str(segment().id)]) == []
    assert coordinator.retrieve_used_segments("other") == [segment(source="other")]


# ---- stream metadata


def test_offsets_are_compared_and_swapped_with_the_publish(coordinator):
    def state(value):
        return {"type": "object", "object": value}

    assert coordinator.commit_segments_and_metadata([segment()], state(None), state({"0": 5})).success
    assert coordinator.retrieve_data_source_metadata("wiki") == state({"0": 5})
    refused = coordinator.commit_segments_and_metadata([segment(num=1)], state({"0": 4}), state({"0": 9}))
    assert not refused.success
    assert refused.error_msg
    assert coordinator.retrieve_used_segments("wiki") == [segment()]  # nothing of the refused publish is there
    assert coordinator.commit_segments_and_metadata([segment(num=1)], state({"0": 5}), state({"0": 9})).success
    assert coordinator.commit_segments_and_metadata([segment(num=1)], state({"0": 5}), state({"0": 9})).success  # again
    twice = coordinator.commit_segments_and_metadata([segment(num=2)], state({"0": 5}), state({"0": 9}))
    assert (twice.success, twice.retryable) == (False, False)  # the same records under another id
    assert "Inconsistency between stored metadata state" in twice.error_msg
    assert coordinator.reset_data_source_metadata("wiki", state({"0": 0}))
    assert coordinator.delete_data_source_metadata("wiki")
    assert coordinator.retrieve_data_source_metadata("wiki") is None
    assert not coordinator.reset_data_source_metadata("wiki", state(None))


def test_half_a_pair_of_offsets_is_refused(coordinator):
    with pytest.raises(DruidException, match="start/end metadata pair"):
        coordinator.commit_segments_and_metadata([segment()], {"type": "object"})


# ---- success with the publish


def insert_task(connector, json, task_id, *, active=True):
    row = {
        "id": task_id,
        "created_date": "x",
        "datasource": "wiki",
        "payload": b"{}",
        "status_payload": json.dumps(TaskStatus.running(task_id)),
        "active": active,
    }
    connector.retry_transaction(lambda c: c.execute(insert(connector.tables.tasks).values(**row)))


def test_publish_and_success_are_one_transaction(coordinator, connector, json):
    insert_task(connector, json, "t")
    assert coordinator.commit_segments_and_metadata([segment()], completes_task="t").success
    tasks = connector.tables.tasks
    row = connector.read(lambda c: c.execute(select(tasks.c.active, tasks.c.status_payload)).one())
    assert row.active
    assert json.loads(row.status_payload, TaskStatus).is_success


def test_a_task_that_was_ended_cannot_publish(coordinator, connector, json):
    insert_task(connector, json, "t", active=False)
    assert not coordinator.commit_segments_and_metadata([segment()], completes_task="t").success
    assert coordinator.retrieve_used_segments("wiki") == []


# ---- allocation


def allocate(coordinator, interval=DAY, *, skip=False, **more):
    found = coordinator.allocate_pending_segment("wiki", interval, request(**more), skip_segment_lineage_check=skip)
    return None if found is None else str(found)


def test_the_same_request_gets_the_same_segment(coordinator):
    first = allocate(coordinator)
    assert first == f"wiki_2024-01-01T00:00:00.000Z_2024-01-02T00:00:00.000Z_{V1}"
    assert allocate(coordinator) == first
    assert allocate(coordinator, previous=first) == f"{first}_1"
    assert allocate(coordinator, previous=first) == f"{first}_1"
    assert allocate(coordinator, sequence="s2") == f"{first}_2"


def test_with_skipped_lineage_the_interval_counts_instead(coordinator):
    first = allocate(coordinator, skip=True)
    assert allocate(coordinator, skip=True, previous="whatever") == first
    assert allocate(coordinator, NEXT_DAY, skip=True) != first


def test_appended_segments_join_the_newest_version_and_its_core_partitions(coordinator):
    coordinator.commit_segments([segment(num=0, core=2), segment(num=1, core=2)])
    found = coordinator.allocate_pending_segment("wiki", DAY, request(version=V2), skip_segment_lineage_check=True)
    assert (found.version, found.shard_spec) == (V1, NumberedShardSpec(2, 2))


def test_no_segment_beside_others_of_other_intervals(coordinator):
    coordinator.commit_segments([segment(MONTH, V2)])
    assert allocate(coordinator) is None
    assert allocate(coordinator, MONTH, version=V1).endswith(f"{V2}_1")  # joins what is there, as APPEND locks do


def test_no_id_is_given_that_an_unused_segment_holds(coordinator):
    coordinator.commit_segments([segment()])
    coordinator.mark_segments_as_unused("wiki", None)
    assert allocate(coordinator).endswith("_1")


def test_linear_shard_specs(coordinator):
    found = coordinator.allocate_pending_segment(
        "wiki", DAY, request(factory=LinearPartialShardSpec()), skip_segment_lineage_check=True
    )
    assert found.shard_spec == LinearShardSpec(0)


def test_concurrent_allocations_never_share_an_id(coordinator):
    got, lock = [], threading.Lock()

    def work(number):
        found = allocate(coordinator, sequence=f"s{number}", skip=True)
        with lock:
            got.append(found)

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(got)) == 8


def test_pending_segments_are_deleted_by_time_and_by_allocator(coordinator, clock):
    allocate(coordinator)
    allocate(coordinator, sequence="s2", group="h")
    created = Interval(clock.now(), clock.now() + 1)
    assert len(coordinator.retrieve_pending_segments("wiki", DAY)) == 2
    assert coordinator.delete_pending_segments_for_task_allocators("wiki", ["h"]) == 1
    assert coordinator.delete_pending_segments_created_in_interval("wiki", Interval(0, 1)) == 0
    assert coordinator.delete_pending_segments_created_in_interval("wiki", created) == 1
    assert coordinator.retrieve_pending_segments("wiki") == []


def test_the_key_of_a_request_is_druids():
    # rows of a real Druid 33
    hour = Interval.parse("2026-11-20T09:00:00.000Z/2026-11-20T10:00:00.000Z")
    version = "2026-11-20T09:30:25.463Z"
    keys = [
        sequence_key(name, "", hour, version, skip_lineage_check=True)
        for name in ("index_kafka_events_a899d2610b3e6dd_0", "index_kafka_events_a3d9e6bae8a7206_0")
    ]
    assert keys == ["C54A5FD6C6DB4E7B30AE1432DB8E73B6374B8447", "29CD0D4AB84612326A4579577E039AEA4C267D62"]
