"""Ids, versions and locks of the segments that a batch task makes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.common.errors import invalid_input, runtime_failure, timeout
from nemeton.indexing.actions import (
    LockAcquireAction,
    LockListAction,
    RetrieveUsedSegmentsAction,
    SegmentAllocateAction,
)
from nemeton.model import DataSegment, NumberedShardSpec, TaskLock, TaskLockType, TombstoneShardSpec
from nemeton.time import Interval, condense

if TYPE_CHECKING:
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.spi.indexing import Task, TaskActionClient

_LOCK_TRY_MS = 10_000
_DEFAULT_LOCK_TIMEOUT_MS = 300_000


@define
class SegmentAllocator:
    """Gives each segment its id. Not thread-safe.

    Segments that replace others take the version of the task's lock; the ids of appended ones come from the Overlord.
    """

    task: Task
    spec: IndexIngestionSpec
    client: TaskActionClient
    check: Callable[[], None] = lambda: None
    _locks: list[TaskLock] = field(init=False, factory=list)
    _partitions: Counter[Interval] = field(init=False, factory=Counter)
    _last_id: str | None = field(init=False, default=None)

    def lock(self, intervals: Iterable[Interval]) -> None:
        """Make sure that the task holds locks on all these intervals; waits for them within ``taskLockTimeout``."""
        wanted = self.spec.data_schema.granularity_spec.segment_intervals(condense(intervals))
        self._locks = self._held()
        missing = [interval for interval in wanted if not any(lock.interval.contains(interval) for lock in self._locks)]
        for interval in missing:
            self._acquire(interval)
        if missing:
            self._locks = self._held()

    def _held(self) -> list[TaskLock]:
        locks: list[TaskLock] = self.client.submit(LockListAction())
        for lock in locks:
            if lock.revoked:
                raise runtime_failure(f"The lock on [{lock.interval}] was revoked by a task of higher priority")
        return locks

    def _acquire(self, interval: Interval) -> None:
        lock_type = lock_type_of(self.task)
        timeout_ms = int(self.task.context.get("taskLockTimeout") or _DEFAULT_LOCK_TIMEOUT_MS)
        end = time.monotonic() + timeout_ms / 1000
        while True:
            self.check()
            action = LockAcquireAction(lock_type=lock_type, interval=interval, timeout_ms=min(_LOCK_TRY_MS, timeout_ms))
            if self.client.submit(action) is not None:
                return
            if time.monotonic() >= end:
                raise timeout(
                    f"Failed to get a lock for interval [{interval}] within {timeout_ms} ms (taskLockTimeout)"
                )

    def allocate(self, interval: Interval) -> DataSegment:
        """The next segment of the interval, without columns, size and load spec."""
        if self.spec.io_config.append_to_existing:
            return self._append(interval)
        number = self._partitions[interval]
        self._partitions[interval] += 1
        return DataSegment(
            self._data_source, interval, self._version(interval), shard_spec=NumberedShardSpec(number, 0)
        )

    @property
    def _data_source(self) -> str:
        return self.spec.data_schema.data_source

    def _version(self, interval: Interval) -> str:
        for lock in self._locks:
            if lock.interval.contains(interval) and lock.version is not None:
                return lock.version
        raise runtime_failure(f"The task holds no lock that covers the interval [{interval}]")

    def _append(self, interval: Interval) -> DataSegment:
        granularity = self.spec.data_schema.granularity_spec
        action = SegmentAllocateAction(
            data_source=self._data_source,
            timestamp=interval.start,
            query_granularity=granularity.query_granularity,
            preferred_segment_granularity=granularity.segment_granularity,
            sequence_name=self.task.id,
            previous_segment_id=self._last_id,
            skip_segment_lineage_check=False,
            task_lock_type=lock_type_of(self.task),
        )
        allocated = self.client.submit(action)
        if allocated is None:
            raise runtime_failure(f"Could not allocate a segment for the interval [{interval}]")
        if not allocated.interval.contains(interval):
            raise invalid_input(
                f"The interval [{interval}] has segments of a finer granularity, such as [{allocated.interval}]; "
                f"append with that segmentGranularity instead of [{granularity.segment_granularity}]"
            )
        self._last_id = str(allocated.segment_id)
        return DataSegment(self._data_source, allocated.interval, allocated.version, shard_spec=allocated.shard_spec)

    def complete(self, segments: list[DataSegment]) -> list[DataSegment]:
        """Now that all are there, say how many partitions each interval has. Appended segments stay as allocated."""
        if self.spec.io_config.append_to_existing:
            return segments
        return [
            segment.with_(shard_spec=NumberedShardSpec(segment.partition_num, self._partitions[segment.interval]))
            for segment in segments
        ]

    def tombstones(self, segments: list[DataSegment]) -> list[DataSegment]:
        """With ``dropExisting``: empty segments over what the new ones leave of the old in the intervals to replace."""
        if not self.spec.io_config.drop_existing:
            return []
        granularity = self.spec.data_schema.granularity_spec
        given = granularity.segment_intervals(list(granularity.intervals))
        used = self.client.submit(RetrieveUsedSegmentsAction(data_source=self._data_source, intervals=given))
        old = [segment.interval for segment in used]
        new = {segment.interval for segment in segments}
        if granularity.is_arbitrary:
            buckets: Iterable[Interval] = sorted(granularity.intervals)
        else:
            buckets = (bucket for whole in given for bucket in granularity.segment_granularity.buckets(whole))
        return [
            DataSegment(
                self._data_source,
                bucket,
                self._version(bucket),
                load_spec={"type": "tombstone", "path": None},
                shard_spec=TombstoneShardSpec(),
                size=1,
            )
            for bucket in buckets
            if bucket not in new and any(bucket.overlaps(interval) for interval in old)
        ]


def lock_type_of(task: Task) -> TaskLockType:
    """What the context asks for, exclusive as a rule."""
    return TaskLockType(task.context.get("taskLockType") or TaskLockType.EXCLUSIVE)
