"""Batch tasks with ``forceTimeChunkLock: false``, on the Overlord's own lockbox and metadata store.

They lock partitions, replace those that were there, and leave the time chunk to others.
"""

from __future__ import annotations

import itertools

import pytest
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.test_batch_tasks import csv_spec, granularity, rows

from nemeton.indexing.actions import LockTryAcquireAction
from nemeton.indexing.batch.partition_locks import PartitionLocks
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import DataSegment, LockGranularity, NumberedShardSpec, TaskLockType, TaskStatus
from nemeton.time import Interval

DAYS = ["2024-01-01/2024-01-02", "2024-01-02/2024-01-03"]
DAY = Interval.parse(DAYS[0])
BOTH = "2024-01-01/2024-01-03"
PARTITIONS = {"forceTimeChunkLock": False}
FOUR = {"partitionsSpec": {"type": "dynamic", "maxRowsPerSegment": 4}}


def lines(first, count, days=(1, 2)):
    return "".join(f"2024-01-0{day}T0{n % 10}:00:00Z,d,{n}\n" for day in days for n in range(first, first + count))


def appending(data, tuning=None):
    return csv_spec(data, tuning or FOUR, {"appendToExisting": True}, granularitySpec=granularity())


def replacing(data, tuning=None, io=None, **changes):
    spec = granularity(**{"intervals": [BOTH], **changes})
    return csv_spec(data, tuning or FOUR, io, granularitySpec=spec)


@pytest.fixture
def bench(tmp_path, storage, lockbox, client_of):
    """A task that the Overlord knows, not started yet."""
    numbers = itertools.count()

    def make(spec, context=PARTITIONS, kind="index_parallel"):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        made = Bench({"spec": spec, "context": context}, folder, kind)
        storage.insert(made.task, TaskStatus.running(made.task.id))
        lockbox.add(made.task)
        made.overlord = client_of(made.task)
        return made

    return make


@pytest.fixture
def run(bench, lockbox):
    """Run a task to its end."""

    def run_task(*args, **more):
        made = bench(*args, **more)
        try:
            status = made.run()
        finally:
            lockbox.remove(made.task)
        return status

    return run_task


@pytest.fixture
def visible(metadata):
    """The segments that count on the first day, by number."""
    return lambda: sorted(metadata.retrieve_used_segments("ds", [DAY]), key=lambda s: s.partition_num)


@pytest.fixture
def locks_of(lockbox):
    return lambda made: {(lock.granularity, str(lock.interval)) for lock in lockbox.find_locks_for_task(made.task)}


def append_after_the_locks(run, monkeypatch):
    """Have four rows appended as soon as the next task has locked what it replaces."""
    take = PartitionLocks.take

    def take_and_append(*args):
        monkeypatch.setattr(PartitionLocks, "take", take)
        locks = take(*args)
        assert run(appending(lines(200, 4))).is_success
        return locks

    monkeypatch.setattr(PartitionLocks, "take", take_and_append)


def shards(segments):
    """Number, roots, minor version and size of the group."""
    return [
        (
            s.partition_num,
            s.shard_spec.start_root_partition_id,
            s.shard_spec.end_root_partition_id,
            s.shard_spec.minor_version,
            s.shard_spec.atomic_update_group_size,
        )
        for s in segments
    ]


def numbers(segments):
    return sorted(row["n"] for row in rows(segments))


class TestReplacing:
    def test_new_partitions_take_the_place_of_those_that_were_there(self, run, visible):
        assert run(appending(lines(0, 8))).is_success
        version = visible()[0].version
        assert run(replacing(lines(100, 10))).is_success
        assert shards(visible()) == [(32768 + n, 0, 2, 1, 3) for n in range(3)]
        assert {s.version for s in visible()} == {version}
        assert numbers(visible()) == list(range(100, 110))

    def test_it_can_be_done_again_and_beside_what_was_appended(self, run, visible):
        run(appending(lines(0, 8)))
        run(replacing(lines(100, 4)))
        run(appending(lines(200, 3)))
        assert shards(visible()) == [(2, 2, 3, 0, 1), (32768, 0, 2, 1, 1)]
        assert numbers(visible()) == [100, 101, 102, 103, 200, 201, 202]
        run(replacing(lines(300, 8)))
        assert shards(visible()) == [(32769, 0, 3, 2, 2), (32770, 0, 3, 2, 2)]
        assert numbers(visible()) == list(range(300, 308))

    def test_days_without_new_rows_keep_what_they_have(self, run, metadata, visible):
        run(appending(lines(0, 3)))
        assert run(replacing(lines(100, 3, days=[1]))).is_success
        assert numbers(visible()) == [100, 101, 102]
        assert numbers(metadata.retrieve_used_segments("ds", [Interval.parse(DAYS[1])])) == [0, 1, 2]

    def test_days_without_segments_get_such(self, run, visible):
        assert run(replacing(lines(0, 5))).is_success
        assert shards(visible()) == [(0, 0, 1, 0, 1), (1, 1, 2, 0, 1)]
        assert numbers(visible()) == list(range(5))

    def test_it_locks_the_partitions_that_are_there(self, run, bench, lockbox, locks_of):
        run(appending(lines(0, 8)))
        made = bench(replacing(lines(100, 4)))
        assert made.task.is_ready(made.overlord)
        assert locks_of(made) == {(LockGranularity.SEGMENT, str(Interval.parse(day))) for day in DAYS}
        assert sorted(lock.partition_id for lock in lockbox.find_locks_for_task(made.task)) == [0, 0, 1, 1]
        assert {lock.type for lock in lockbox.find_locks_for_task(made.task)} == {TaskLockType.EXCLUSIVE}
        # each by itself: others go on, but not on the same partitions
        assert run(appending(lines(200, 4))).is_success
        other = bench(replacing(lines(100, 4)))
        assert not other.task.is_ready(other.overlord)

    def test_what_was_appended_in_time_is_replaced_too(self, run, bench, visible):
        """The task looks again when it begins to run."""
        run(appending(lines(0, 4)))
        made = bench(replacing(lines(100, 4)))
        assert made.task.is_ready(made.overlord)
        run(appending(lines(200, 4)))
        assert made.run().is_success
        assert numbers(visible()) == [100, 101, 102, 103]

    def test_what_is_appended_later_stays(self, run, bench, visible, monkeypatch):
        run(appending(lines(0, 4)))
        made = bench(replacing(lines(100, 4)))
        append_after_the_locks(run, monkeypatch)
        assert made.run().is_success
        assert numbers(visible()) == [100, 101, 102, 103, 200, 201, 202, 203]

    def test_rows_that_cannot_be_replaced_are_not_doubled(self, run, bench, lockbox, visible, monkeypatch):
        """An append between the locks and the reading of the same data source."""
        run(appending(lines(0, 4)))
        spec = replacing("-")
        spec["ioConfig"] = {"inputSource": {"type": "druid", "dataSource": "ds", "interval": BOTH}}
        spec["dataSchema"]["timestampSpec"] = {"column": "__time", "format": "millis"}
        made = bench(spec)
        append_after_the_locks(run, monkeypatch)
        status = made.run()
        assert not status.is_success
        assert "were appended when this task had locked" in status.error_msg
        assert numbers(visible()) == [0, 1, 2, 3, 200, 201, 202, 203]
        lockbox.remove(made.task)
        assert run(spec).is_success  # the next one finds all that is there
        assert numbers(visible()) == [0, 1, 2, 3, 200, 201, 202, 203]


class TestTimeChunksAfterAll:
    @pytest.mark.parametrize(
        ("spec", "context"),
        [
            (replacing(lines(0, 4)), {"forceTimeChunkLock": True}),
            (replacing(lines(0, 4)), {"forceTimeChunkLock": None}),
            (replacing(lines(0, 4), io={"dropExisting": True}), PARTITIONS),
            (
                replacing(lines(0, 4), {"partitionsSpec": {"type": "hashed"}, "forceGuaranteedRollup": True}),
                PARTITIONS,
            ),
            (replacing(lines(0, 4), segmentGranularity="MONTH", intervals=["2024-01-01/2024-02-01"]), PARTITIONS),
            (replacing(lines(0, 4), segmentGranularity="HOUR"), PARTITIONS),
        ],
    )
    def test_where_partitions_cannot_be_replaced_one_by_one(self, run, bench, locks_of, visible, spec, context):
        run(appending(lines(100, 4)))
        made = bench(spec, context)
        assert made.task.is_ready(made.overlord)
        assert {kind for kind, _ in locks_of(made)} == {LockGranularity.TIME_CHUNK}
        assert made.run().is_success
        assert {kind for kind, _ in locks_of(made)} == {LockGranularity.TIME_CHUNK}
        assert set(numbers(visible())) >= {0, 1, 2, 3}
        assert {s.shard_spec.minor_version for s in visible()} == {0}

    def test_where_the_spec_has_no_intervals(self, run, visible):
        run(appending(lines(100, 4)))
        assert run(csv_spec(lines(0, 4), granularitySpec=granularity())).is_success
        assert shards(visible()) == [(0, 0, 1, 0, 1)]

    def test_where_numbers_are_missing_between_the_partitions(self, run, bench, metadata, locks_of):
        spec = {"type": "local", "path": "nowhere"}
        made = [
            DataSegment("ds", DAY, "2020-01-01T00:00:00.000Z", spec, shard_spec=NumberedShardSpec(n, 0)) for n in (0, 2)
        ]
        metadata.commit_segments(made)
        task = bench(replacing(lines(0, 4)))
        assert task.task.is_ready(task.overlord)
        assert {kind for kind, _ in locks_of(task)} == {LockGranularity.TIME_CHUNK}


def test_an_append_locks_its_own_partitions_alone(bench, locks_of, visible, lockbox):
    made = bench(appending(lines(0, 8)), kind="index")
    assert made.task.is_ready(made.overlord)
    assert locks_of(made) == set()
    assert made.run().is_success
    assert locks_of(made) == {(LockGranularity.SEGMENT, str(Interval.parse(day))) for day in DAYS}
    other = bench(appending(lines(100, 4)))
    assert other.run().is_success
    assert shards(visible()) == [(n, n, n + 1, 0, 1) for n in range(3)]


def test_a_time_chunk_of_another_task_is_in_the_way(run, bench, storage, lockbox, client_of):
    run(appending(lines(0, 4)))
    other = NoopTask(id="other", data_source="ds")
    storage.insert(other, TaskStatus.running("other"))
    lockbox.add(other)
    assert client_of(other).submit(LockTryAcquireAction(interval=DAY))
    made = bench(replacing(lines(100, 4)))
    assert not made.task.is_ready(made.overlord)
