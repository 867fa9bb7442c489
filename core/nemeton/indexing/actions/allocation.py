"""``segmentAllocate``: a segment id for rows that are appended."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from nemeton.json import wire
from nemeton.model import LockGranularity, NumberedPartialShardSpec, PartialShardSpec, TaskLockType
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.spi.metadata import SegmentIdWithShardSpec
from nemeton.time import Granularity


@json_type("segmentAllocate")
@frozen(kw_only=True)
class SegmentAllocateAction(TaskAction[SegmentIdWithShardSpec | None]):
    """A segment id for rows at ``timestamp``, with its lock; None when the interval is taken.

    The same ``sequence_name`` (and, unless ``skip_segment_lineage_check``, ``previous_segment_id``) gets the same id.
    The lock is on the time chunk, or (``lock_granularity`` SEGMENT) on the new partition alone.
    """

    result_type: ClassVar[object] = SegmentIdWithShardSpec | None

    data_source: str
    timestamp: int = field(metadata=wire("timestamp", as_datetime=True))
    query_granularity: Granularity
    preferred_segment_granularity: Granularity
    sequence_name: str
    previous_segment_id: str | None = None
    skip_segment_lineage_check: bool = False
    shard_spec_factory: PartialShardSpec = field(factory=NumberedPartialShardSpec)
    lock_granularity: LockGranularity = LockGranularity.TIME_CHUNK
    task_lock_type: TaskLockType = TaskLockType.EXCLUSIVE

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentIdWithShardSpec | None:
        """See :class:`TaskAction`."""
        allocated: SegmentIdWithShardSpec | None = toolbox.segment_allocation.allocate(task, self)
        return allocated
