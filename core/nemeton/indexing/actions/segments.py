"""Segment actions: list, allocate, publish, delete."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import defensive, invalid_input
from nemeton.indexing.overlord.lock_rules import check_locks_cover_segments
from nemeton.json import wire
from nemeton.model import DataSegment, LockGranularity, TaskLockType
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.spi.metadata import SegmentIdWithShardSpec, SegmentPublishResult, Visibility
from nemeton.time import Granularity, Interval


@json_type("segmentListUsed")
@frozen(kw_only=True)
class RetrieveUsedSegmentsAction(TaskAction[list[DataSegment]]):
    """Used segments that overlap any of the intervals."""

    result_type: ClassVar[object] = list[DataSegment]

    data_source: str
    intervals: list[Interval] = field(factory=list)
    visibility: Visibility = "ONLY_VISIBLE"

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[DataSegment]:
        """See :class:`TaskAction`."""
        return toolbox.metadata.retrieve_used_segments(self.data_source, self.intervals, self.visibility)


@json_type("segmentListUnused")
@frozen(kw_only=True)
class RetrieveUnusedSegmentsAction(TaskAction[list[DataSegment]]):
    """Unused segments within the interval, at most ``limit``."""

    result_type: ClassVar[object] = list[DataSegment]

    data_source: str
    interval: Interval
    versions: list[str] | None = None
    limit: int | None = None
    max_used_status_last_updated_time: str | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[DataSegment]:
        """See :class:`TaskAction`."""
        return toolbox.metadata.retrieve_unused_segments(
            self.data_source, self.interval, self.versions, self.limit, self.max_used_status_last_updated_time
        )


@json_type("retrieveSegmentsById")
@frozen(kw_only=True)
class RetrieveSegmentsByIdAction(TaskAction[list[DataSegment]]):
    """Segments by id, used or not."""

    result_type: ClassVar[object] = list[DataSegment]

    data_source: str
    segment_ids: list[str]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[DataSegment]:
        """See :class:`TaskAction`."""
        return toolbox.metadata.retrieve_segments_by_id(self.data_source, self.segment_ids)


@json_type("segmentAllocate")
@frozen(kw_only=True)
class SegmentAllocateAction(TaskAction[SegmentIdWithShardSpec | None]):
    """A segment id for rows at ``timestamp``, with its lock; None when the interval is taken.

    The same ``sequence_name`` (and, unless ``skip_segment_lineage_check``, ``previous_segment_id``) gets the same id.
    """

    result_type: ClassVar[object] = SegmentIdWithShardSpec | None

    data_source: str
    timestamp: int = field(metadata=wire("timestamp", as_datetime=True))
    query_granularity: Granularity
    preferred_segment_granularity: Granularity
    sequence_name: str
    previous_segment_id: str | None = None
    skip_segment_lineage_check: bool = False
    shard_spec_factory: dict[str, Any] = field(factory=lambda: {"type": "numbered"})
    lock_granularity: LockGranularity = LockGranularity.TIME_CHUNK
    task_lock_type: TaskLockType = TaskLockType.EXCLUSIVE

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentIdWithShardSpec | None:
        """See :class:`TaskAction`."""
        from nemeton.indexing.overlord.allocation import allocate_segment

        return allocate_segment(self, task, toolbox)


@json_type("segmentTransactionalInsert")
@frozen(kw_only=True)
class SegmentTransactionalInsertAction(TaskAction[SegmentPublishResult]):
    """Publish segments (and stream offsets, by compare-and-swap), if the task's locks on their intervals still hold."""

    result_type: ClassVar[object] = SegmentPublishResult

    segments: list[DataSegment] | None = None
    segments_to_be_overwritten: list[DataSegment] | None = None
    start_metadata: Any | None = None
    end_metadata: Any | None = None
    data_source: str | None = None
    segment_schema_mapping: Any | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentPublishResult:
        """See :class:`TaskAction`."""
        segments = self.segments or []
        if not segments:
            if self.start_metadata is None or self.end_metadata is None or not self.data_source:
                raise invalid_input(
                    "segmentTransactionalInsert: segments, or dataSource with startMetadata and endMetadata"
                )
            return toolbox.metadata.commit_metadata_only(self.data_source, self.start_metadata, self.end_metadata)
        if len({segment.data_source for segment in segments}) > 1:
            raise invalid_input("segmentTransactionalInsert: all segments must be of one data source")

        check_locks_cover_segments(task, toolbox.lockbox.find_locks_for_task(task), segments)

        def publish() -> SegmentPublishResult:
            return toolbox.metadata.commit_segments_and_metadata(
                segments,
                self.start_metadata,
                self.end_metadata,
                completes_task=task.id if task.publish_completes_task else None,
            )

        def refuse() -> SegmentPublishResult:
            return SegmentPublishResult.fail(
                "Invalid task locks. Maybe they are revoked by a higher priority task. "
                "Please check the overlord log for details."
            )

        intervals = sorted({segment.interval for segment in segments}, key=lambda i: (i.start, i.end))
        result: SegmentPublishResult = toolbox.lockbox.do_in_critical_section(
            task, intervals, on_valid_locks=publish, on_invalid_locks=refuse
        )
        return result


@json_type("segmentNuke")
@frozen(kw_only=True)
class SegmentNukeAction(TaskAction[None]):
    """Delete the rows of segments, if the task's locks on their intervals still hold (else an error)."""

    result_type: ClassVar[object] = None

    segments: list[DataSegment]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""

        def refuse() -> None:
            raise defensive("Some locks for task are already revoked")

        intervals = sorted({segment.interval for segment in self.segments}, key=lambda i: (i.start, i.end))
        toolbox.lockbox.do_in_critical_section(
            task,
            intervals,
            on_valid_locks=lambda: toolbox.metadata.delete_segments(self.segments),
            on_invalid_locks=refuse,
        )


@json_type("markSegmentsAsUnused")
@frozen(kw_only=True)
class MarkSegmentsAsUnusedAction(TaskAction[int]):
    """Mark used segments within the interval as unused; the result is their number."""

    result_type: ClassVar[object] = int

    data_source: str
    interval: Interval

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> int:
        """See :class:`TaskAction`."""
        return toolbox.metadata.mark_segments_as_unused(self.data_source, self.interval)


@frozen(kw_only=True)
class UpgradedFromSegmentIds:
    """Answer of :class:`RetrieveUpgradedFromSegmentIdsAction`."""

    upgraded_from_segment_ids: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class UpgradedToSegmentIds:
    """Answer of :class:`RetrieveUpgradedToSegmentIdsAction`."""

    upgraded_to_segment_ids: dict[str, list[str]] = field(factory=dict)


@json_type("retrieveUpgradedFromSegmentIds")
@frozen(kw_only=True)
class RetrieveUpgradedFromSegmentIdsAction(TaskAction[UpgradedFromSegmentIds]):
    """For those of the segments that were upgraded from another one: that one's id."""

    result_type: ClassVar[object] = UpgradedFromSegmentIds

    data_source: str
    segment_ids: list[str]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> UpgradedFromSegmentIds:
        """See :class:`TaskAction`."""
        found = toolbox.metadata.retrieve_upgraded_from_segment_ids(self.data_source, self.segment_ids)
        return UpgradedFromSegmentIds(upgraded_from_segment_ids=found)


@json_type("retrieveUpgradedToSegmentIds")
@frozen(kw_only=True)
class RetrieveUpgradedToSegmentIdsAction(TaskAction[UpgradedToSegmentIds]):
    """For those of the segments that others were upgraded from: the ids of these."""

    result_type: ClassVar[object] = UpgradedToSegmentIds

    data_source: str
    segment_ids: list[str]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> UpgradedToSegmentIds:
        """See :class:`TaskAction`."""
        found = toolbox.metadata.retrieve_upgraded_to_segment_ids(self.data_source, self.segment_ids)
        return UpgradedToSegmentIds(upgraded_to_segment_ids=found)
