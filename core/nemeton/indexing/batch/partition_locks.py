"""Locks on single partitions, for tasks that replace those that are there now: ``forceTimeChunkLock: false``.

Others may append to the time chunk meanwhile. What is written has the version of what it replaces, and a higher minor
version.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.errors import DruidException, runtime_failure
from nemeton.indexing.actions import LockListAction, RetrieveUsedSegmentsAction, SegmentLockTryAcquireAction
from nemeton.indexing.batch.locks import is_true
from nemeton.indexing.root_partitions import by_interval_and_root, check_root_partitions
from nemeton.model import (
    DataSegment,
    LockGranularity,
    NumberedOverwritePartialShardSpec,
    NumberedPartialShardSpec,
    PartialShardSpec,
    SegmentTimeline,
    TaskLockType,
)
from nemeton.time import ETERNITY, Granularity, Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.spi.indexing import Task, TaskActionClient

log = logging.getLogger(__name__)


def forces_time_chunks(context: Mapping[str, Any]) -> bool:
    """What ``forceTimeChunkLock`` of the context says; true unless it is given."""
    given = context.get("forceTimeChunkLock")
    return given is None or is_true(given)


def may_lock_partitions(context: Mapping[str, Any], spec: IndexIngestionSpec) -> bool:
    """Whether the task may lock partitions, as far as its spec and its context go.

    Not where it drops what is there, rolls up perfectly, or replaces without saying in which intervals.
    """
    io = spec.io_config
    if forces_time_chunks(context) or io.drop_existing:
        return False
    if io.append_to_existing:
        return True
    return not spec.tuning_config.force_guaranteed_rollup and bool(spec.data_schema.granularity_spec.intervals)


def partitions_to_lock(
    client: TaskActionClient, context: Mapping[str, Any], spec: IndexIngestionSpec
) -> list[DataSegment] | None:
    """The segments that a task locks before it runs: none when it appends. None when it locks time chunks instead."""
    if not may_lock_partitions(context, spec):
        return None
    if spec.io_config.append_to_existing:
        return []
    granularity = spec.data_schema.granularity_spec
    if granularity.is_arbitrary:
        return None
    used = used_segments(client, spec.data_schema.data_source, granularity.intervals)
    return replaceable(client, used, granularity.segment_granularity)


def used_segments(client: TaskActionClient, data_source: str, intervals: Iterable[Interval]) -> list[DataSegment]:
    """The used segments of the intervals."""
    return client.submit(RetrieveUsedSegmentsAction(data_source=data_source, intervals=list(intervals)))


def replaceable(
    client: TaskActionClient, used: Sequence[DataSegment], granularity: Granularity
) -> list[DataSegment] | None:
    """The visible ones of the segments, if partitions of this granularity can replace them and no others; else None.

    None, too, where the task has a time-chunk lock already: it was decided before.
    """
    if any(lock.granularity is LockGranularity.TIME_CHUNK for lock in client.submit(LockListAction())):
        return None
    visible = SegmentTimeline.of(used).find_visible(ETERNITY)
    try:
        for interval, members in by_interval_and_root(visible).items():
            if granularity.bucket(interval.start) != interval:
                log.info("[%s] is no time chunk of granularity [%s]: locking time chunks", interval, granularity)
                return None
            check_root_partitions(members)
    except DruidException as e:
        log.info("The segments cannot be replaced one by one, locking time chunks: %s", e.message)
        return None
    return visible


def try_lock_partitions(client: TaskActionClient, segments: Iterable[DataSegment]) -> bool:
    """Lock the partitions of all these segments; False when one is taken."""
    for interval, members in by_interval_and_root(segments).items():
        action = SegmentLockTryAcquireAction(
            lock_type=TaskLockType.EXCLUSIVE,
            interval=interval,
            version=members[0].version,
            partition_ids=[segment.partition_num for segment in members],
        )
        if not all(result.is_ok for result in client.submit(action)):
            return False
    return True


@define
class PartitionLocks:
    """The locked partitions of a task that runs (Druid: ``TaskLockHelper``). Empty for one that appends."""

    segments: list[DataSegment]
    _specs: dict[Interval, PartialShardSpec] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._specs = {
            interval: NumberedOverwritePartialShardSpec(
                members[0].shard_spec.start_root_partition_id,
                members[-1].shard_spec.end_root_partition_id,
                max(segment.shard_spec.minor_version for segment in members) + 1,
            )
            for interval, members in by_interval_and_root(self.segments).items()
        }

    @classmethod
    def take(cls, client: TaskActionClient, task: Task, spec: IndexIngestionSpec) -> PartitionLocks | None:
        """Lock what the task replaces, before it reads anything; None where it is to lock time chunks."""
        segments = partitions_to_lock(client, task.context, spec)
        if segments is None:
            return None
        if not try_lock_partitions(client, segments):
            raise runtime_failure("Failed to lock the partitions to replace: another task has one of them")
        return cls(segments)

    def request(self, interval: Interval) -> dict[str, Any]:
        """What a request for a segment id of the interval says of locks and numbers."""
        return {
            "lock_granularity": LockGranularity.SEGMENT,
            "task_lock_type": TaskLockType.EXCLUSIVE,
            "shard_spec_factory": self._specs.get(interval, NumberedPartialShardSpec()),
        }

    def replaced_by(self, new: Iterable[DataSegment], read: Iterable[DataSegment]) -> list[DataSegment]:
        """Those of the segments whose intervals have new ones.

        ``read``: the segments of the data source that the new ones were made of. Raises when one of them came in after
        the locks: its rows would count twice.
        """
        intervals, locked = {segment.interval for segment in new}, {segment.id for segment in self.segments}
        late = [s.id for s in read if s.id not in locked and any(s.interval.overlaps(i) for i in intervals)]
        if late:
            raise runtime_failure(
                f"Segments were appended when this task had locked what it replaces: [{', '.join(map(str, late))}]"
            )
        return [segment for segment in self.segments if segment.interval in intervals]
