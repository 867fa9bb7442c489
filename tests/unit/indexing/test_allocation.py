"""Segment ids for rows: intervals, locks, batches, leadership."""

import threading

import pytest

from nemeton.common.clock import ManualClock
from nemeton.common.errors import DruidException
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.actions import LockTryAcquireAction, SegmentAllocateAction
from nemeton.indexing.overlord import allocation_queue
from nemeton.indexing.overlord.allocation import finer_granularities
from nemeton.indexing.overlord.allocation_queue import SegmentAllocationQueue
from nemeton.indexing.overlord.config import TaskLockConfig
from nemeton.indexing.overlord.lock_rules import LockResult
from nemeton.indexing.overlord.master import NotLeaderError
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import (
    DataSegment,
    LockGranularity,
    NumberedOverwritePartialShardSpec,
    NumberedPartialShardSpec,
    NumberedShardSpec,
    TaskLockType,
    TaskStatus,
)
from nemeton.time import Granularity, Interval, parse_datetime

DAY = Interval.parse("2030-01-01/2030-01-02")
HOUR = Interval.parse("2030-01-01T05:00/2030-01-01T06:00")
EXCLUSIVE, APPEND = TaskLockType.EXCLUSIVE, TaskLockType.APPEND


def wish(sequence="s", at="2030-01-01T05:30", preferred="DAY", query="NONE", **more):
    return SegmentAllocateAction(
        data_source=more.pop("data_source", "ds"),
        timestamp=parse_datetime(at),
        query_granularity=Granularity.parse(query),
        preferred_segment_granularity=Granularity.parse(preferred),
        sequence_name=sequence,
        skip_segment_lineage_check=True,
        **more,
    )


@pytest.fixture
def active(lockbox, storage):
    def make(task_id, priority=50, group=None):
        task = NoopTask(id=task_id, group_id=group or task_id, data_source="ds", context={"priority": priority})
        storage.insert(task, TaskStatus.running(task_id))
        lockbox.add(task)
        return task

    return make


class Emitter(ServiceEmitter):
    def __init__(self):
        super().__init__()
        self.metrics = []

    def emit_metric(self, name, value, **dims):
        self.metrics.append((name, value))


@pytest.fixture
def make_queue(lockbox, metadata):
    queues = []

    def make(clock, wait_ms=0, emitter=None):
        config = TaskLockConfig(batch_allocation_wait_time=wait_ms)
        queue = SegmentAllocationQueue(lockbox, metadata, config, emitter or Emitter(), clock)
        queues.append(queue)
        queue.start()
        return queue

    yield make
    for queue in queues:
        queue.stop()


# ---- which interval


@pytest.mark.parametrize(
    ("preferred", "first"),
    [
        ("DAY", ["P1D", "PT8H", "PT6H", "PT1H", "PT30M", "PT15M", "PT10M", "PT5M", "PT1M", "PT1S"]),
        ("WEEK", ["P1W", "P1D"]),
        ({"type": "period", "period": "PT2H"}, ["PT1H", "PT30M"]),
        ({"type": "duration", "duration": 7_200_000}, ["PT1H"]),
        ("MONTH", ["P1M", "P1D"]),
        ("NONE", []),
    ],
)
def test_candidates_become_finer_as_in_druid(preferred, first):
    found = finer_granularities(Granularity.parse(preferred))
    assert [str(granularity.period) for granularity in found][: len(first)] == first


def test_candidates_keep_time_zone_and_origin():
    preferred = Granularity.parse({"type": "period", "period": "P1D", "timeZone": "America/New_York"})
    at = parse_datetime("2030-01-01T05:30")
    assert finer_granularities(preferred)[0].bucket(at) == Interval.parse("2030-01-01T05:00/2030-01-02T05:00")
    assert [str(g.to_json()) for g in finer_granularities(Granularity.parse("ALL"))[:2]] == ["{'type': 'all'}", "YEAR"]


def test_a_finer_interval_is_begun_where_the_preferred_one_is_taken(active, client_of, lockbox):
    lockbox.try_lock_time_chunk(active("other"), EXCLUSIVE, Interval.parse("2030-01-01T20:00/2030-01-01T21:00"))
    found = client_of(active("a")).submit(wish())
    assert found.interval == Interval.parse("2030-01-01T00:00/2030-01-01T08:00")


def test_rows_of_a_coarse_query_granularity_need_an_interval_that_holds_their_bucket(active, client_of, metadata):
    a = active("a")
    assert client_of(a).submit(wish(query="MONTH")) is None
    metadata.commit_segments([DataSegment("ds", HOUR, "2000-01-01T00:00:00.000Z")])
    assert client_of(a).submit(wish(query="DAY")) is None  # across the used segments
    assert client_of(a).submit(wish(query="HOUR")).interval == HOUR


def test_only_for_the_data_source_of_the_task(active, client_of):
    with pytest.raises(DruidException, match="Task dataSource must match action dataSource"):
        client_of(active("a")).submit(wish(data_source="other"))


# ---- which lock


def test_append_locks_join_what_others_replaced(active, client_of, metadata):
    a = active("a")
    assert client_of(a).submit(wish(task_lock_type=APPEND)).version == "1970-01-01T00:00:00.000Z"
    metadata.commit_segments([DataSegment("ds", DAY, "2029-01-01T00:00:00.000Z", shard_spec=NumberedShardSpec(0, 1))])
    found = client_of(a).submit(wish(task_lock_type=APPEND))
    assert (found.version, found.shard_spec) == ("2029-01-01T00:00:00.000Z", NumberedShardSpec(1, 1))


def test_a_new_partition_is_locked_by_itself(active, client_of, lockbox):
    a, b = active("a"), active("b", priority=90)
    lock_granularity = LockGranularity.SEGMENT
    first = client_of(a).submit(wish("a", lock_granularity=lock_granularity))
    second = client_of(b).submit(wish("b", lock_granularity=lock_granularity))
    assert (first.version, first.shard_spec) == (second.version, NumberedShardSpec(0, 0))
    assert second.shard_spec == NumberedShardSpec(1, 0)
    (lock,) = lockbox.find_locks_for_task(a)
    assert (lock.partition_id, lock.version, lock.interval) == (0, first.version, DAY)
    assert client_of(a).submit(wish("a", lock_granularity=lock_granularity)) == first
    overwriting = client_of(a).submit(
        wish("o", lock_granularity=lock_granularity, shard_spec_factory=NumberedOverwritePartialShardSpec(0, 1, 1))
    )
    assert overwriting.shard_spec.partition_num == 32768
    assert client_of(active("c")).submit(wish("c")) is None  # the whole chunk is not to be had


def test_without_batches_who_lost_the_lock_hears_of_it(active, client_of):
    a = active("a")
    client_of(a).submit(wish())
    client_of(active("strong", priority=90)).submit(LockTryAcquireAction(interval=DAY))
    with pytest.raises(DruidException, match="is preempted and no longer valid"):
        client_of(a).submit(wish("other"))
    with pytest.raises(DruidException, match=r"inactive Task \[ghost\]"):
        client_of(NoopTask(id="ghost", data_source="ds")).submit(wish())


# ---- batches


def test_requests_of_one_group_and_chunk_are_answered_together(active, make_queue, metadata, monkeypatch):
    calls = []
    allocate = type(metadata).allocate_pending_segments
    monkeypatch.setattr(
        type(metadata), "allocate_pending_segments", lambda *a, **k: calls.append(len(a[3])) or allocate(*a, **k)
    )
    clock, emitter = ManualClock(), Emitter()
    queue = make_queue(clock, wait_ms=50, emitter=emitter)
    a, sibling, other = active("a", group="g"), active("b", group="g"), active("other")
    answers = [queue.add(task, wish(f"s{n}")) for n, task in enumerate((a, sibling, a, a))]
    stranger = queue.add(other, wish("x", at="2030-02-01T05:30"))
    same = queue.add(a, wish("s0"))
    assert queue.size == 2
    clock.advance(0.05)
    ids = [answer.result(20) for answer in answers]
    assert [i.shard_spec.partition_num for i in ids] == [0, 1, 2, 3]
    assert same.result(20) == ids[0]
    assert stranger.result(20).shard_spec == NumberedShardSpec(0, 0)
    assert calls == [5, 1]
    assert queue.size == 0
    metrics = dict(reversed(emitter.metrics))
    assert metrics["task/action/batch/size"] == 5
    assert metrics["task/action/batch/queueTime"] >= 50
    assert metrics["task/action/success/count"] == metrics["task/action/batch/attempts"] == 1
    assert "task/action/batch/runTime" in metrics


def test_in_a_batch_a_lost_lock_is_no_segment(active, make_queue, client_of, clock):
    queue, a = make_queue(ManualClock()), active("a")
    assert queue.allocate(a, wish()) is not None
    client_of(active("strong", priority=90)).submit(LockTryAcquireAction(interval=DAY))
    assert queue.allocate(a, wish("other")) is None
    assert queue.allocate(NoopTask(id="ghost", data_source="ds"), wish()) is None


def test_one_bad_request_fails_alone(active, make_queue):
    queue = make_queue(ManualClock(), wait_ms=10)
    good, bad = active("good", group="g"), active("bad", group="g", priority=60)
    answers = [queue.add(good, wish("g")), queue.add(bad, wish("b"))]
    queue._clock.advance(0.01)
    assert answers[0].result(20) is not None
    with pytest.raises(DruidException, match=r"priority\[60\] of task\[bad\]"):
        answers[1].result(20)


def refuse_once(try_lock):
    """Nothing is granted for the first interval that is tried, whatever its granularity."""
    refused = []

    def instead(lockbox, task, request):
        if task.id == "a" and len(refused) < len(finer_granularities(Granularity.parse("DAY"))):
            refused.append(request)
            return LockResult.fail()
        return try_lock(lockbox, task, request)

    return instead


def test_what_is_left_is_tried_again_when_somebody_has_published(active, make_queue, metadata, lockbox, monkeypatch):
    """A finer segment than asked for appears between the look at the used segments and the allocation."""
    queue, a = make_queue(ManualClock()), active("a")
    retrieve = type(metadata).retrieve_used_segments_for_allocation
    looks = []

    def publish_after_the_first_look(*args, **more):
        used = retrieve(*args, **more)
        looks.append(len(used))
        if len(looks) == 1:
            metadata.commit_segments([DataSegment("ds", DAY, "2000-01-01T00:00:00.000Z")])
        return used

    monkeypatch.setattr(type(metadata), "retrieve_used_segments_for_allocation", publish_after_the_first_look)
    monkeypatch.setattr(type(lockbox), "try_lock", refuse_once(type(lockbox).try_lock))
    assert queue.allocate(a, wish("s", at="2030-01-01T05:30")).interval == DAY
    assert looks == [0, 1, 1]


def test_a_failing_store_fails_the_batch_and_not_the_queue(active, make_queue, metadata, monkeypatch):
    queue, a = make_queue(ManualClock()), active("a")
    with monkeypatch.context() as patch:
        patch.setattr(type(metadata), "allocate_pending_segments", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            queue.allocate(a, wish())
    assert queue.allocate(a, wish()) is not None


def test_only_a_leader_allocates(active, make_queue, segment_allocation):
    clock, a = ManualClock(), active("a")
    queue = make_queue(clock, wait_ms=1000)
    waiting = queue.add(a, wish())
    queue.stop()
    with pytest.raises(NotLeaderError):
        waiting.result(5)
    for stopped in (queue, segment_allocation):
        stopped.stop()
        with pytest.raises(NotLeaderError):
            stopped.allocate(a, wish())
    queue.start()
    again = queue.add(a, wish())
    clock.advance(1)
    assert again.result(20) is not None


def test_the_queue_is_bounded(active, make_queue, monkeypatch):
    monkeypatch.setattr(allocation_queue, "MAX_BATCHES", 2)
    monkeypatch.setattr(allocation_queue, "MAX_BATCH_SIZE", 1)
    run, go_on = SegmentAllocationQueue._run, threading.Event()
    monkeypatch.setattr(SegmentAllocationQueue, "_run", lambda self: go_on.wait(20) and run(self))
    queue, a = make_queue(ManualClock()), active("a")
    answers = [queue.add(a, wish("one")), queue.add(a, wish("two"))]
    with pytest.raises(DruidException, match="Segment allocation queue is full"):
        queue.add(a, wish("three"))
    go_on.set()
    assert {answer.result(20).shard_spec.partition_num for answer in answers} == {0, 1}


def test_many_tasks_at_once_share_no_id(active, make_queue):
    queue = make_queue(ManualClock())
    tasks = [active(f"t{n}", group="g") for n in range(8)]
    found, lock = [], threading.Lock()

    def ask(task):
        for n in range(10):
            segment_id = queue.allocate(task, wish(f"{task.id}-{n}", task_lock_type=APPEND))
            with lock:
                found.append(str(segment_id))

    threads = [threading.Thread(target=ask, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 80


def test_json_of_the_action(json):
    action = wish(lock_granularity=LockGranularity.SEGMENT)
    assert json.loads(json.dumps(action))["lockGranularity"] == "SEGMENT"
    assert action.shard_spec_factory == NumberedPartialShardSpec()
