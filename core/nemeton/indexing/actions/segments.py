"""Segment actions that list, and those that mark as unused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment, SegmentId, SegmentTimeline
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.spi.metadata import ReplaceTaskLock, Visibility
from nemeton.time import ETERNITY, Interval, condense


def check_segment_ids(data_source: str, ids: Iterable[str]) -> None:
    """Raise when one of these is no segment id of the data source."""
    bad = [id_ for id_ in ids if SegmentId.try_parse(data_source, id_) is None]
    if bad:
        raise invalid_input(f"Could not parse segment IDs[[{', '.join(bad)}]] for datasource[{data_source}]")


@json_type("segmentListUsed")
@frozen(kw_only=True)
class RetrieveUsedSegmentsAction(TaskAction[list[DataSegment]]):
    """Used segments that overlap any of the intervals, of which there must be one.

    A task with REPLACE locks sees in its own data source what was there when it took them, and nothing that others
    have appended since: it replaces only what it has read.
    """

    result_type: ClassVar[object] = list[DataSegment]

    data_source: str
    intervals: list[Interval] = field(factory=list, converter=condense)
    visibility: Visibility = "ONLY_VISIBLE"

    def __attrs_post_init__(self) -> None:
        if not self.intervals:
            raise invalid_input("No interval specified for retrieving used segments")

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[DataSegment]:
        """See :class:`TaskAction`."""
        locks = self._replace_locks(task, toolbox)
        if not locks:
            return toolbox.metadata.retrieve_used_segments(self.data_source, self.intervals, self.visibility)
        found = toolbox.metadata.retrieve_used_segments_and_created_dates(self.data_source, self.intervals)
        segments = [segment for segment, created in found if _was_there(segment, created, locks)]
        if self.visibility == "INCLUDING_OVERSHADOWED":
            return segments
        return SegmentTimeline.of(segments).find_visible(ETERNITY)

    def _replace_locks(self, task: Task, toolbox: TaskActionToolbox) -> list[ReplaceTaskLock]:
        if task.data_source != self.data_source:
            return []
        replacing = getattr(task, "supervisor_task_id", None) or task.id
        locks: list[ReplaceTaskLock] = toolbox.lockbox.find_replace_locks(self.data_source)
        return [lock for lock in locks if lock.supervisor_task_id == replacing]


def _was_there(segment: DataSegment, created: str, locks: Iterable[ReplaceTaskLock]) -> bool:
    lock = next((lock for lock in locks if lock.interval.contains(segment.interval)), None)
    return lock is None or lock.version > created


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
        check_segment_ids(self.data_source, self.segment_ids)
        return toolbox.metadata.retrieve_segments_by_id(self.data_source, self.segment_ids)


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
        check_segment_ids(self.data_source, self.segment_ids)
        found = toolbox.metadata.retrieve_upgraded_from_segment_ids(self.data_source, self.segment_ids)
        return UpgradedFromSegmentIds(upgraded_from_segment_ids=found)


@json_type("retrieveUpgradedToSegmentIds")
@frozen(kw_only=True)
class RetrieveUpgradedToSegmentIdsAction(TaskAction[UpgradedToSegmentIds]):
    """For each of the segments that exists: itself and the ids of those that were upgraded from it."""

    result_type: ClassVar[object] = UpgradedToSegmentIds

    data_source: str
    segment_ids: list[str]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> UpgradedToSegmentIds:
        """See :class:`TaskAction`."""
        check_segment_ids(self.data_source, self.segment_ids)
        found = toolbox.metadata.retrieve_upgraded_to_segment_ids(self.data_source, self.segment_ids)
        return UpgradedToSegmentIds(upgraded_to_segment_ids=found)
