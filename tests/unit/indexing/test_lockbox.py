import threading

import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.actions import LockAcquireAction
from nemeton.indexing.overlord.lock_rules import check_locks_cover_segments
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import DataSegment, TaskLockType, TaskStatus, TimeChunkLock
from nemeton.time import Interval

DAY = Interval.parse("2030-01-01/2030-01-02")
SECOND_DAY = Interval.parse("2030-01-02/2030-01-03")
MONTH = Interval.parse("2030-01-01/2030-02-01")
OTHER = Interval.parse("2030-03-01/2030-03-02")
EXCLUSIVE, SHARED, APPEND, REPLACE = (
    TaskLockType.EXCLUSIVE,
    TaskLockType.SHARED,
    TaskLockType.APPEND,
    TaskLockType.REPLACE,
)
EPOCH = "1970-01-01T00:00:00.000Z"


@pytest.fixture
def active(lockbox, storage):
    def make(task_id, group=None, priority=None, source="ds"):
        context = {} if priority is None else {"priority": priority}
        task = NoopTask(id=task_id, group_id=group or task_id, data_source=source, context=context)
        storage.insert(task, TaskStatus.running(task_id))
        lockbox.add(task)
        return task

    return make


def test_a_lock_is_granted_stored_and_given_again(lockbox, storage, active):
    a = active("a")
    lock = lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    assert (lock.priority, lock.revoked, lock.group_id) == (50, False, "a")
    assert lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY) == lock
    assert lockbox.find_locks_for_task(a) == [lock]
    assert storage.get_locks("a") == [lock]


def test_another_group_of_the_same_priority_gets_nothing(lockbox, active):
    a, b = active("a"), active("b")
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    for kind in TaskLockType:
        assert lockbox.try_lock_time_chunk(b, kind, DAY) is None
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, OTHER) is not None
    assert lockbox.try_lock_time_chunk(active("c", source="other"), EXCLUSIVE, DAY) is not None


def test_a_group_shares_its_locks(lockbox, active):
    a, b = active("a", group="g"), active("b", group="g")
    lock = lockbox.try_lock_time_chunk(a, EXCLUSIVE, MONTH)
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) == lock
    lockbox.unlock(a, MONTH)
    assert lockbox.find_locks_for_task(b) == [lock]
    assert lockbox.try_lock_time_chunk(active("c"), EXCLUSIVE, DAY) is None
    lockbox.remove(b)
    assert lockbox.try_lock_time_chunk(active("d"), EXCLUSIVE, DAY) is not None


def test_a_higher_priority_revokes_and_the_loser_keeps_the_revoked_lock(lockbox, storage, active):
    a, c = active("a"), active("c", priority=90)
    lock = lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    won = lockbox.try_lock_time_chunk(c, EXCLUSIVE, DAY)
    assert won.version > lock.version
    revoked = lock.revoked_copy()
    assert lockbox.find_locks_for_task(a) == [revoked]
    assert storage.get_locks("a") == [revoked]
    assert lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY) == revoked
    assert lockbox.find_valid_locks("ds") == [won]
    lockbox.unlock(a, DAY)
    assert lockbox.find_locks_for_task(a) == []


def test_revocation_is_all_or_nothing(lockbox, active):
    low, high, asker = active("low", priority=10), active("high", priority=60), active("x", priority=50)
    low_lock = lockbox.try_lock_time_chunk(low, EXCLUSIVE, DAY)
    lockbox.try_lock_time_chunk(high, EXCLUSIVE, Interval.parse("2030-01-05/2030-01-06"))
    assert lockbox.try_lock_time_chunk(asker, EXCLUSIVE, MONTH) is None
    assert lockbox.find_locks_for_task(low) == [low_lock]


def test_append_beside_append_and_within_one_replace(lockbox, active):
    a, b, c, d = (active(name) for name in "abcd")
    assert lockbox.try_lock_time_chunk(a, APPEND, DAY).version == EPOCH
    assert lockbox.try_lock_time_chunk(b, APPEND, DAY).version == EPOCH
    assert lockbox.try_lock_time_chunk(c, REPLACE, MONTH).version > EPOCH
    assert lockbox.try_lock_time_chunk(d, REPLACE, DAY) is None
    assert lockbox.try_lock_time_chunk(d, APPEND, DAY) is not None
    assert lockbox.try_lock_time_chunk(d, SHARED, DAY) is None


def test_replace_must_enclose_what_appends(lockbox, active):
    a, b = active("a"), active("b")
    lockbox.try_lock_time_chunk(a, APPEND, MONTH)
    assert lockbox.try_lock_time_chunk(b, REPLACE, DAY) is None
    assert lockbox.try_lock_time_chunk(b, REPLACE, MONTH) is not None


def test_shared_stands_beside_shared_only(lockbox, active):
    a, b, c = (active(name) for name in "abc")
    assert lockbox.try_lock_time_chunk(a, SHARED, DAY)
    assert lockbox.try_lock_time_chunk(b, SHARED, DAY)
    assert lockbox.try_lock_time_chunk(c, EXCLUSIVE, DAY) is None
    assert lockbox.try_lock_time_chunk(c, APPEND, DAY) is None


def test_only_active_tasks_get_locks_and_never_empty_ones(lockbox, active):
    with pytest.raises(DruidException, match=r"inactive Task \[ghost\]"):
        lockbox.try_lock_time_chunk(NoopTask(id="ghost"), EXCLUSIVE, DAY)
    with pytest.raises(DruidException, match="interval empty"):
        lockbox.try_lock_time_chunk(active("a"), EXCLUSIVE, Interval(5, 5))


def test_two_locks_in_one_millisecond_have_different_versions(lockbox, active):
    a, b = active("a"), active("b")
    first = lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    lockbox.unlock_all(a)
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY).version > first.version


def test_a_waiting_request_gets_the_lock_when_it_is_released(lockbox, active):
    a, b = active("a"), active("b")
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    got = []
    waiter = threading.Thread(target=lambda: got.append(lockbox.lock_time_chunk(b, EXCLUSIVE, DAY, timeout_s=20)))
    waiter.start()
    lockbox.remove(a)
    waiter.join(20)
    assert got[0].group_id == "b"
    assert lockbox.lock_time_chunk(active("c"), EXCLUSIVE, DAY, timeout_s=0) is None


# ---- publishing


def section(lockbox, task, intervals=(DAY,), work=lambda: "done"):
    return lockbox.do_in_critical_section(
        task, list(intervals), on_valid_locks=work, on_invalid_locks=lambda: "refused"
    )


def test_a_publish_needs_valid_locks_on_all_intervals(lockbox, active):
    a = active("a")
    with pytest.raises(DruidException, match=r"Cannot find any lock for task\[a\]"):
        section(lockbox, a)
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    assert section(lockbox, a) == "done"
    with pytest.raises(DruidException, match="Cannot find any lock"):
        section(lockbox, a, [DAY, OTHER])
    lockbox.try_lock_time_chunk(active("c", priority=90), EXCLUSIVE, DAY)
    assert section(lockbox, a) == "refused"
    lockbox.remove(a)
    with pytest.raises(DruidException, match="Cannot find any lock"):
        section(lockbox, a)


def test_a_publish_needs_to_know_its_lock(lockbox, active):
    """A task that has several on an interval must give back those that it does not publish with, revoked or not."""
    a, c = active("a"), active("c", priority=90)
    lockbox.try_lock_time_chunk(a, SHARED, DAY)
    lockbox.try_lock_time_chunk(a, SHARED, MONTH)
    with pytest.raises(DruidException, match=r"multiple timechunk lockPosses for task\[a\]"):
        section(lockbox, a)
    lockbox.unlock(a, MONTH)
    assert section(lockbox, a) == "done"
    lockbox.try_lock_time_chunk(c, EXCLUSIVE, DAY)
    lockbox.unlock_all(c)
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    with pytest.raises(DruidException, match="multiple timechunk lockPosses"):
        section(lockbox, a)


def test_nobody_takes_a_lock_away_while_it_publishes(lockbox, active):
    a, c = active("a"), active("c", priority=90)
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    during = []
    section(lockbox, a, work=lambda: during.append(lockbox.try_lock_time_chunk(c, EXCLUSIVE, DAY)))
    assert during == [None]
    assert lockbox.try_lock_time_chunk(c, EXCLUSIVE, DAY) is not None


def test_a_release_waits_for_the_publish(lockbox, active):
    a, b = active("a"), active("b")
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    publishing, go_on = threading.Event(), threading.Event()

    def publish():
        publishing.set()
        return go_on.wait(20)

    publisher = threading.Thread(target=section, args=[lockbox, a, [DAY], publish])
    publisher.start()
    assert publishing.wait(20)
    remover = threading.Thread(target=lockbox.remove, args=[a])
    remover.start()
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) is None
    go_on.set()
    publisher.join(20)
    remover.join(20)
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) is not None


# ---- restart


def test_locks_are_taken_up_after_a_restart_with_their_versions(lockbox, storage, active, clock):
    a, b = active("a"), active("b")
    lock = lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    append = lockbox.try_lock_time_chunk(b, APPEND, OTHER)
    clock.advance(60)
    result = lockbox.sync_from_storage([(task, storage.get_locks(task.id)) for task in (a, b)])
    assert (result.tasks_to_fail, result.lock_count) == ([], 2)
    assert lockbox.find_locks_for_task(a) == [lock]
    assert lockbox.find_locks_for_task(b) == [append]
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) is None


def test_a_group_that_loses_a_lock_at_restart_fails_and_empty_locks_are_left_out(lockbox, active):
    a, b, c = active("a"), active("b", group="g"), active("c", group="g")
    stored = TimeChunkLock(EXCLUSIVE, "a", "ds", DAY, "2030-01-01T00:00:00.000Z", 50)
    clash = TimeChunkLock(EXCLUSIVE, "g", "ds", DAY, "2030-01-02T00:00:00.000Z", 50)
    empty = TimeChunkLock(EXCLUSIVE, "a", "ds", Interval(5, 5), "2030-01-02T00:00:00.000Z", 50)
    result = lockbox.sync_from_storage([(a, [stored, empty]), (b, [clash]), (c, [])])
    assert {task.id for task in result.tasks_to_fail} == {"b", "c"}
    assert lockbox.find_locks_for_task(a) == [stored]
    assert lockbox.find_active_task("b") is None


def test_a_lock_that_is_not_the_tasks_fails_it(lockbox, active):
    a = active("a")
    other_priority = TimeChunkLock(EXCLUSIVE, "a", "ds", DAY, "2030-01-01T00:00:00.000Z", 10)
    assert lockbox.sync_from_storage([(a, [other_priority])]).tasks_to_fail == [a]


def test_revoked_locks_survive_a_restart_and_block_nobody(lockbox, active):
    a, b = active("a"), active("b")
    revoked = TimeChunkLock(EXCLUSIVE, "a", "ds", DAY, "2030-01-01T00:00:00.000Z", 50, revoked=True)
    assert lockbox.sync_from_storage([(a, [revoked]), (b, [])]).tasks_to_fail == []
    assert lockbox.find_locks_for_task(a) == [revoked]
    assert lockbox.try_lock_time_chunk(b, EXCLUSIVE, DAY) is not None


# ---- coverage of segments


@pytest.mark.parametrize(
    ("kind", "version", "interval", "covered"),
    [
        (EXCLUSIVE, "2030-06-01T00:00:00.000Z", DAY, True),
        (EXCLUSIVE, "2029-06-01T00:00:00.000Z", DAY, False),
        (APPEND, EPOCH, DAY, True),
        (EXCLUSIVE, "2030-06-01T00:00:00.000Z", MONTH, False),
    ],
)
def test_segments_must_lie_within_a_lock_of_their_version_or_later(kind, version, interval, covered):
    lock = TimeChunkLock(kind, "g", "ds", DAY, version, 50)
    published = DataSegment("ds", interval, "2030-05-01T00:00:00.000Z")
    task = NoopTask(id="a", data_source="ds")
    if covered:
        check_locks_cover_segments(task, [lock], [published])
    else:
        with pytest.raises(DruidException, match="not covered"):
            check_locks_cover_segments(task, [lock], [published])


def test_only_locks_that_start_last_before_a_segment_count():
    wide, narrow = (TimeChunkLock(SHARED, "g", "ds", interval, EPOCH, 50) for interval in (MONTH, SECOND_DAY))
    task = NoopTask(id="a", data_source="ds")
    for interval in (DAY, SECOND_DAY, MONTH):
        check_locks_cover_segments(task, [wide, narrow], [DataSegment("ds", interval, EPOCH)])
    two_days = [DataSegment("ds", Interval.parse("2030-01-02/2030-01-04"), EPOCH)]
    check_locks_cover_segments(task, [wide], two_days)
    for locks in ([wide, narrow], [wide, narrow.revoked_copy()], [narrow]):
        with pytest.raises(DruidException, match="not covered"):
            check_locks_cover_segments(task, locks, two_days)


def test_without_locks_not_even_nothing_is_covered():
    task = NoopTask(id="a", data_source="ds")
    with pytest.raises(DruidException, match=r"Segments\[\] are not covered by locks\[\] for task\[a\]"):
        check_locks_cover_segments(task, [], [])
    check_locks_cover_segments(task, [TimeChunkLock(SHARED, "g", "ds", DAY, EPOCH, 50)], [])


def test_who_waits_for_a_lock_hears_that_the_task_has_ended(lockbox, active):
    a, b = active("a"), active("b")
    lockbox.try_lock_time_chunk(a, EXCLUSIVE, DAY)
    outcome = []

    def wait_for_it():
        try:
            outcome.append(lockbox.lock_time_chunk(b, EXCLUSIVE, DAY, timeout_s=60))
        except DruidException as failure:
            outcome.append(failure.message)

    waiter = threading.Thread(target=wait_for_it)
    waiter.start()
    while not lockbox._waiters:
        waiter.join(0.005)
    lockbox.remove(b)
    waiter.join(5)
    assert outcome == ["Unable to grant lock to inactive Task [b]"]


@pytest.mark.parametrize(("timeout_ms", "waited_s"), [(0, 60.0), (20, 0.02), (10**12, 60.0), (-5, 0.0)])
def test_lock_acquire_waits_within_a_bound(toolbox, active, monkeypatch, timeout_ms, waited_s):
    waits = []
    monkeypatch.setattr(toolbox.lockbox, "lock_time_chunk", lambda *_, timeout_s: waits.append(timeout_s))
    assert LockAcquireAction(interval=DAY, timeout_ms=timeout_ms).perform(active("a"), toolbox) is None
    assert waits == [waited_s]
