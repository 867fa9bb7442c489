"""What ``segmentAllocate`` does: pick the interval, lock it, get an id for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nemeton.common.errors import defensive, unsupported
from nemeton.model import LockGranularity
from nemeton.spi.indexing import Task, TaskActionToolbox
from nemeton.spi.metadata import SegmentCreateRequest, SegmentIdWithShardSpec
from nemeton.time import Granularity, Interval

if TYPE_CHECKING:
    from nemeton.indexing.actions.segments import SegmentAllocateAction

log = logging.getLogger(__name__)

#: Coarse to fine. A new segment may be finer than asked for where the coarser interval is taken.
_STANDARD = ("ALL", "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "EIGHT_HOUR", "SIX_HOUR", "HOUR", "THIRTY_MINUTE")
_FINER = ("FIFTEEN_MINUTE", "TEN_MINUTE", "FIVE_MINUTE", "MINUTE", "SECOND")
_ATTEMPTS = 3


def allocate_segment(
    action: SegmentAllocateAction, task: Task, toolbox: TaskActionToolbox
) -> SegmentIdWithShardSpec | None:
    """Return the segment for rows at the action's timestamp, or None when its interval is not to be had.

    Rows join the interval of the used segments that are there; else a new one of the preferred granularity, or of a
    finer one, is begun. Somebody may publish there between the look and the allocation, therefore a few attempts.
    """
    if action.lock_granularity is not LockGranularity.TIME_CHUNK:
        raise unsupported("segmentAllocate: lockGranularity SEGMENT is not supported yet; use TIME_CHUNK")
    row_interval = _row_interval(action)
    for _ in range(_ATTEMPTS):
        used = toolbox.metadata.retrieve_used_segments(action.data_source, [row_interval])
        seen = {segment.interval for segment in used}
        if seen:
            interval = min(seen, key=lambda i: (i.start, -i.end))
            return _try_interval(action, task, toolbox, interval) if interval.contains(row_interval) else None
        for interval in _candidates(action.preferred_segment_granularity, action.timestamp, row_interval):
            allocated = _try_interval(action, task, toolbox, interval)
            if allocated is not None:
                return allocated
        now_used = toolbox.metadata.retrieve_used_segments(action.data_source, [row_interval])
        if not now_used:
            return None
    return None


def _row_interval(action: SegmentAllocateAction) -> Interval:
    bucket = action.query_granularity.bucket(action.timestamp)
    if bucket.end <= bucket.start or bucket.end - bucket.start <= 1:
        return Interval(action.timestamp, action.timestamp + 1)
    return bucket


def _candidates(preferred: Granularity, timestamp: int, row_interval: Interval) -> Iterator[Interval]:
    first = preferred.bucket(timestamp)
    if first.contains(row_interval):
        yield first
    for name in (*_STANDARD, *_FINER):
        bucket = Granularity.parse(name).bucket(timestamp)
        finer = bucket.end - bucket.start < first.end - first.start
        if finer and first.contains(bucket) and bucket.contains(row_interval):
            yield bucket


def _try_interval(
    action: SegmentAllocateAction, task: Task, toolbox: TaskActionToolbox, interval: Interval
) -> SegmentIdWithShardSpec | None:
    lock = toolbox.lockbox.try_lock_time_chunk(task, action.task_lock_type, interval)
    if lock is None:
        return None
    if lock.revoked:
        raise defensive(f"The lock for interval[{interval}] of task[{task.id}] is preempted and no longer valid")
    return toolbox.metadata.allocate_pending_segment(
        action.data_source,
        interval,
        SegmentCreateRequest(
            sequence_name=action.sequence_name,
            previous_segment_id=action.previous_segment_id,
            version=lock.version,
            partial_shard_spec=action.shard_spec_factory,
            task_allocator_id=task.group_id,
        ),
        skip_segment_lineage_check=action.skip_segment_lineage_check,
    )
