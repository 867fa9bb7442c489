"""Locks on single partitions, and what makes a task change from one lock to another."""

import threading

import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.actions import (
    LockReleaseAction,
    SegmentLockAcquireAction,
    SegmentLockTryAcquireAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalInsertAction,
)
from nemeton.indexing.overlord.lock_rules import covers
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import (
    DataSegment,
    NumberedShardSpec,
    SegmentLock,
    TaskLock,
    TaskLockType,
    TaskStatus,
    TimeChunkLock,
)
from nemeton.spi.metadata import ReplaceTaskLock
from nemeton.time import Interval

DAY = Interval.parse("2030-01-01/2030-01-02")
HOUR = Interval.parse("2030-01-01T00:00/2030-01-01T01:00")
MONTH = Interval.parse("2030-01-01/2030-02-01")
LATER = Interval.parse("2031-01-01/2031-01-02")
V = "2020-01-01T00:00:00.000Z"
EXCLUSIVE, SHARED, APPEND, REPLACE = (
    TaskLockType.EXCLUSIVE,
    TaskLockType.SHARED,
    TaskLockType.APPEND,
    TaskLockType.REPLACE,
)


@pytest.fixture
def active(lockbox, storage):
    def make(task_id, group=None, priority=50):
        task = NoopTask(id=task_id, group_id=group or task_id, data_source="ds", context={"priority": priority})
        storage.insert(task, TaskStatus.running(task_id))
        lockbox.add(task)
        return task

    return make


@pytest.fixture
def try_segments(client_of):
    def ask(task, *partitions, kind=EXCLUSIVE, interval=DAY, version=V):
        action = SegmentLockTryAcquireAction(
            lock_type=kind, interval=interval, version=version, partition_ids=partitions
        )
        return client_of(task).submit(action)

    return ask


def granted(results):
    return [r.task_lock.partition_id if r.is_ok else None for r in results]


def test_partitions_of_one_interval_are_locked_apart(active, try_segments, lockbox, json):
    a, b = active("a"), active("b")
    results = try_segments(a, 0, 1)
    assert json.loads(json.dumps(results))[1] == {
        "taskLock": {
            "granularity": "segment", "type": "EXCLUSIVE", "groupId": "a", "dataSource": "ds", "interval": str(DAY),
            "version": V, "partitionId": 1, "priority": 50, "revoked": False,
        },
        "newSegmentId": None,
        "revoked": False,
    }  # fmt: skip
    assert granted(try_segments(b, 1, 2)) == [None, 2]
    assert granted(try_segments(a, 1, version="2021-01-01T00:00:00.000Z")) == [1]
    assert [lock.version for lock in lockbox.find_locks_for_task(a)] == [V, V]


def test_other_intervals_and_time_chunks_collide_with_partitions(active, try_segments, lockbox):
    a, b = active("a"), active("b")
    try_segments(a, 0)
    assert granted(try_segments(b, 7, interval=HOUR)) == [None]
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) is None
    assert lockbox.try_lock_time_chunk(b, APPEND, MONTH) is None
    lockbox.try_lock_time_chunk(b, EXCLUSIVE, Interval.parse("2030-03-01/2030-03-02"))
    assert granted(try_segments(a, 0, interval=Interval.parse("2030-03-01/2030-03-02"))) == [None]


def test_a_group_may_change_the_granularity_on_an_interval(active, try_segments, lockbox):
    a, sibling = active("a", group="g"), active("sibling", group="g")
    try_segments(a, 0)
    assert lockbox.try_lock_time_chunk(sibling, EXCLUSIVE, DAY).group_id == "g"


def test_a_partition_is_revoked_by_itself(active, try_segments, lockbox, client_of):
    a, strong = active("a"), active("strong", priority=90)
    try_segments(a, 0, 1)
    assert granted(try_segments(strong, 1)) == [1]
    again = try_segments(a, 0, 1)
    assert [(r.revoked, r.is_ok) for r in again] == [(False, True), (True, False)]
    assert [lock.revoked for lock in lockbox.find_locks_for_task(a)] == [False, True]
    client_of(a).submit(LockReleaseAction(interval=DAY))  # time chunks only
    assert len(lockbox.find_locks_for_task(a)) == 2
    lockbox.unlock_all(a)
    assert lockbox.find_locks_for_task(a) == []


def test_only_exclusive_partition_locks_are_joined(active, try_segments, lockbox):
    a = active("a")
    assert granted(try_segments(a, 0, kind=SHARED)) == granted(try_segments(a, 0, kind=SHARED)) == [0]
    assert len(lockbox.find_locks_for_task(a)) == 2
    lockbox.unlock_all(a)
    assert granted(try_segments(a, 0, kind=APPEND)) == [0]  # nothing is met
    assert granted(try_segments(a, 0, kind=APPEND)) == [None]


@pytest.mark.parametrize("fields", [{"lockType": "EXCLUSIVE", "partitionIds": []}, {"partitionIds": [1]}])
def test_what_a_segment_lock_needs(json, fields):
    with pytest.raises(DruidException):
        json.structure({"interval": str(DAY), "version": "v", **fields}, SegmentLockTryAcquireAction)


def test_waiting_for_a_partition(active, try_segments, client_of, lockbox, clock):
    a, b = active("a"), active("b")
    try_segments(a, 3)
    action = SegmentLockAcquireAction(lock_type=EXCLUSIVE, interval=DAY, version=V, partition_id=3, timeout_ms=800)
    assert client_of(a).submit(action).is_ok
    results = []
    waiter = threading.Thread(target=lambda: results.append(client_of(b).submit(action)))
    waiter.start()
    while not lockbox._waiters:
        waiter.join(0.005)
    clock.advance(0.8)
    waiter.join(20)
    assert [result.task_lock for result in results] == [None]


def test_segments_are_covered_by_the_lock_of_their_partition():
    lock = SegmentLock(EXCLUSIVE, "g", "ds", DAY, V, 50, False, 3)
    segment = DataSegment("ds", DAY, V, shard_spec=NumberedShardSpec(3, 0))
    assert covers(lock, segment)
    assert not covers(lock.revoked_copy(), segment)
    assert not covers(lock, segment.with_(shard_spec=NumberedShardSpec(4, 0)))
    assert not covers(SegmentLock(EXCLUSIVE, "g", "ds", DAY, "2019-01-01T00:00:00.000Z", 50, False, 3), segment)


def test_a_publish_keeps_the_partitions_that_it_still_has(active, try_segments, lockbox):
    a, strong = active("a"), active("strong", priority=90)

    def publish(during=lambda: "done"):
        return lockbox.do_in_critical_section(a, [DAY], on_valid_locks=during, on_invalid_locks=lambda: "refused")

    try_segments(a, 0, 1)
    assert publish(lambda: granted(try_segments(strong, 0, 1))) == [None, None]
    assert granted(try_segments(strong, 0)) == [0]
    assert publish(lambda: granted(try_segments(strong, 1))) == [None]
    assert granted(try_segments(strong, 1)) == [1]
    assert publish() == "refused"


def inserted(*partitions):
    return SegmentTransactionalInsertAction(
        segments=[DataSegment("ds", DAY, V, shard_spec=NumberedShardSpec(number, 0)) for number in partitions]
    )


def test_who_loses_one_of_its_partitions_publishes_the_others(active, try_segments, client_of):
    a = active("a")
    try_segments(a, 0, 1)
    try_segments(active("strong", priority=90), 0)
    assert client_of(a).submit(inserted(1)).success
    with pytest.raises(DruidException, match="not covered"):
        client_of(a).submit(inserted(0, 1))


def test_a_partition_that_is_lost_in_the_last_moment_is_not_published(
    active, try_segments, client_of, lockbox, monkeypatch
):
    a, strong, publish = active("a"), active("strong", priority=90), lockbox.do_in_critical_section

    def later(*arguments, **more):
        try_segments(strong, 0)
        return publish(*arguments, **more)

    try_segments(a, 0, 1)
    monkeypatch.setattr(lockbox, "do_in_critical_section", later)
    with pytest.raises(DruidException, match="not covered"):
        client_of(a).submit(inserted(0))


def test_locks_are_read_as_they_were_written(json):
    for lock in (
        SegmentLock(EXCLUSIVE, "g", "ds", DAY, V, 50, True, 3),
        TimeChunkLock(APPEND, "g", "ds", DAY, V, 50),
    ):
        assert json.structure(lock.to_tagged_json(), TaskLock) == lock
        assert json.structure(lock.to_json(), TaskLock) == lock
    old = json.structure({"groupId": "g", "dataSource": "ds", "interval": str(DAY), "version": V}, TaskLock)
    assert old == TimeChunkLock(EXCLUSIVE, "g", "ds", DAY, V, None)


# ---- the kinds for concurrent append and replace


def test_a_wider_append_lock_takes_the_place_of_narrower_ones(active, lockbox, storage):
    a, sibling = active("a", group="g"), active("sibling", group="g")
    lockbox.try_lock_time_chunk(a, APPEND, DAY)
    lockbox.try_lock_time_chunk(sibling, APPEND, DAY)
    lockbox.try_lock_time_chunk(a, APPEND, MONTH)
    assert [lock.interval for lock in lockbox.find_locks_for_task(a)] == [MONTH]
    assert [lock.interval for lock in storage.get_locks("a")] == [MONTH]
    assert [lock.interval for lock in lockbox.find_locks_for_task(sibling)] == [DAY]


def test_replace_locks_name_the_task_that_replaces(active, lockbox):
    a, b = active("a"), active("b", group="a")
    lock = lockbox.try_lock_time_chunk(a, REPLACE, MONTH)
    expected = [ReplaceTaskLock("a", MONTH, lock.version)]
    assert lockbox.find_replace_locks_for_task(a) == lockbox.find_replace_locks("ds") == expected
    lockbox.try_lock_time_chunk(b, REPLACE, MONTH)
    for look in (lambda: lockbox.find_replace_locks("ds"), lambda: lockbox.find_replace_locks_for_task(a)):
        with pytest.raises(DruidException, match=r"held by multiple tasks\[a, b\]"):
            look()


def test_nothing_is_appended_while_it_is_unclear_who_replaces(active, lockbox, client_of):
    """Wherever in the data source that is."""
    a = active("a")
    lockbox.try_lock_time_chunk(a, APPEND, LATER)
    append = SegmentTransactionalAppendAction(segments=[DataSegment("ds", LATER, V)])
    for task in (active("b"), active("c", group="b")):
        lockbox.try_lock_time_chunk(task, REPLACE, DAY)
    with pytest.raises(DruidException, match="held by multiple tasks"):
        client_of(a).submit(append)
    lockbox.unlock_all(task)
    assert client_of(a).submit(append).success


def test_tasks_of_one_group_and_lock_have_one_priority(active, lockbox):
    lockbox.try_lock_time_chunk(active("a", group="g"), EXCLUSIVE, DAY)
    with pytest.raises(DruidException, match=r"priority\[60\] of task\[b\] is different"):
        lockbox.try_lock_time_chunk(active("b", group="g", priority=60), EXCLUSIVE, DAY)


def test_who_joins_a_revoked_lock_hears_of_it(active, lockbox):
    lockbox.try_lock_time_chunk(active("a", group="g"), EXCLUSIVE, DAY)
    lockbox.try_lock_time_chunk(active("strong", priority=90), EXCLUSIVE, DAY)
    sibling = active("sibling", group="g")
    assert lockbox.try_lock_time_chunk(sibling, EXCLUSIVE, DAY).revoked
    assert [lock.revoked for lock in lockbox.find_locks_for_task(sibling)] == [True]


def test_appends_and_replacements_of_a_data_source_are_published_one_at_a_time(active, lockbox):
    a, b = active("a"), active("b")
    for task in (a, b):
        lockbox.try_lock_time_chunk(task, APPEND, DAY)
    events, first_is_in, go_on = [], threading.Event(), threading.Event()

    def publish(task, work):
        lockbox.do_in_critical_section(task, [DAY], on_valid_locks=work, on_invalid_locks=pytest.fail, alone=True)

    def slow():
        first_is_in.set()
        go_on.wait(20)
        events.append("first")

    threads = [
        threading.Thread(target=publish, args=[a, slow]),
        threading.Thread(target=publish, args=[b, lambda: events.append("second")]),
    ]
    threads[0].start()
    assert first_is_in.wait(20)
    threads[1].start()
    threads[1].join(0.1)
    assert events == []
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert events == ["first", "second"]


# ---- restart


def test_segment_locks_and_old_locks_without_priority_survive_a_restart(active, try_segments, lockbox, storage, clock):
    a = active("a", priority=70)
    try_segments(a, 0, 1)
    before = lockbox.find_locks_for_task(a)
    assert lockbox.sync_from_storage([(a, storage.get_locks("a"))]).tasks_to_fail == []
    assert lockbox.find_locks_for_task(a) == before
    lockbox.unlock_all(a)
    assert storage.get_locks("a") == []
    old = TimeChunkLock(EXCLUSIVE, "a", "ds", DAY, V, None)
    storage.add_lock("a", old)
    assert lockbox.sync_from_storage([(a, [old])]).tasks_to_fail == []
    assert lockbox.find_locks_for_task(a) == [old.with_priority(70)]
    lockbox.unlock(a, DAY)
    assert storage.get_locks("a") == []


def test_new_versions_are_later_than_stored_ones_though_the_clock_is_not(active, lockbox):
    a, b = active("a"), active("b")
    future = TimeChunkLock(EXCLUSIVE, "a", "ds", DAY, "2035-01-01T00:00:00.000Z", 50)
    lockbox.sync_from_storage([(a, [future]), (b, [])])
    lockbox.unlock_all(a)
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY).version == "2035-01-01T00:00:00.001Z"
