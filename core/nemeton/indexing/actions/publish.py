"""Actions that publish, change or delete segments: all of them need locks that still hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from attrs import frozen

from nemeton.common.errors import defensive, illegal_argument, invalid_input
from nemeton.indexing.overlord.lock_rules import check_locks_cover_segments
from nemeton.indexing.root_partitions import check_overwrite
from nemeton.indexing.task_dims import task_dims
from nemeton.model import DataSegment, LockGranularity, TaskLock, TaskLockType
from nemeton.plugins import json_type, type_names
from nemeton.spi.data_source_metadata import DataSourceMetadata
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.spi.metadata import PendingSegment, ReplaceTaskLock, SegmentPublishResult
from nemeton.time import Interval

log = logging.getLogger(__name__)


@json_type("segmentTransactionalInsert")
@frozen(kw_only=True)
class SegmentTransactionalInsertAction(TaskAction[SegmentPublishResult]):
    """Publish segments (and stream offsets, by compare-and-swap), if the task's locks on their intervals still hold.

    ``segments_to_be_overwritten`` are those that segments of a higher minor version replace, under segment locks.
    Without segments only the offsets of ``data_source`` move on.
    """

    result_type: ClassVar[object] = SegmentPublishResult

    segments: list[DataSegment] | None = None
    segments_to_be_overwritten: list[DataSegment] | None = None
    start_metadata: DataSourceMetadata | None = None
    end_metadata: DataSourceMetadata | None = None
    data_source: str | None = None
    segment_schema_mapping: Any | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentPublishResult:
        """See :class:`TaskAction`."""
        segments = self.segments or []
        if not segments:
            return self._commit_metadata_only(toolbox)
        overwritten = self.segments_to_be_overwritten or []
        locks: list[TaskLock] = toolbox.lockbox.find_locks_for_task(task)
        check_locks_cover_segments(task, locks, [*segments, *overwritten])
        if overwritten and locks[0].granularity is LockGranularity.SEGMENT:
            check_overwrite(overwritten, segments)

        def publish() -> SegmentPublishResult:
            return toolbox.metadata.commit_segments_and_metadata(
                segments, self.start_metadata, self.end_metadata, completes_task=_completed_by(task)
            )

        return _publish(task, toolbox, [*segments, *overwritten], publish)

    def _commit_metadata_only(self, toolbox: TaskActionToolbox) -> SegmentPublishResult:
        if not self.data_source:
            raise illegal_argument("datasource name cannot be null")
        return toolbox.metadata.commit_metadata_only(self.data_source, self.start_metadata, self.end_metadata)


@json_type("segmentTransactionalAppend")
@frozen(kw_only=True)
class SegmentTransactionalAppendAction(TaskAction[SegmentPublishResult]):
    """Publish segments of a task with APPEND locks, beside which others may replace what is there."""

    result_type: ClassVar[object] = SegmentPublishResult

    segments: list[DataSegment]
    start_metadata: DataSourceMetadata | None = None
    end_metadata: DataSourceMetadata | None = None
    segment_schema_mapping: Any | None = None

    def __attrs_post_init__(self) -> None:
        if (self.start_metadata is None) != (self.end_metadata is None):
            raise invalid_input("startMetadata and endMetadata must either be both null or both non-null.")

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentPublishResult:
        """See :class:`TaskAction`."""
        locks: list[TaskLock] = toolbox.lockbox.find_locks_for_task(task)
        for lock in locks:
            if lock.type is not TaskLockType.APPEND:
                raise invalid_input(
                    f"Cannot use action[SegmentTransactionalAppendAction] for task[{task.id}] as it is holding a lock "
                    f"of type[{lock.type}] instead of [APPEND]."
                )
        check_locks_cover_segments(task, locks, self.segments)

        def publish() -> SegmentPublishResult:
            return toolbox.metadata.commit_append_segments(
                self.segments,
                _replace_locks_around(task, toolbox, self.segments),
                task.group_id,
                self.start_metadata,
                self.end_metadata,
                completes_task=_completed_by(task),
            )

        return _publish(task, toolbox, self.segments, publish, alone=True)


def _replace_locks_around(
    task: Task, toolbox: TaskActionToolbox, segments: Iterable[DataSegment]
) -> Mapping[DataSegment, ReplaceTaskLock]:
    """For each segment that lies within a REPLACE lock, that lock. Only looked at while nobody else publishes."""
    locks: list[ReplaceTaskLock] = toolbox.lockbox.find_replace_locks(task.data_source)
    found: dict[DataSegment, ReplaceTaskLock] = {}
    for segment in segments:
        enclosing = next((lock for lock in locks if lock.interval.contains(segment.interval)), None)
        if enclosing is not None:
            found[segment] = enclosing
    return found


@json_type("segmentTransactionalReplace")
@frozen(kw_only=True)
class SegmentTransactionalReplaceAction(TaskAction[SegmentPublishResult]):
    """Publish segments of a task with REPLACE locks, together with what was appended beside them in the meantime."""

    result_type: ClassVar[object] = SegmentPublishResult

    segments: list[DataSegment]
    segment_schema_mapping: Any | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> SegmentPublishResult:
        """See :class:`TaskAction`."""
        _check_covered(task, toolbox, self.segments)
        replace_locks = toolbox.lockbox.find_replace_locks_for_task(task)

        def publish() -> SegmentPublishResult:
            return toolbox.metadata.commit_replace_segments(
                self.segments, replace_locks, completes_task=_completed_by(task)
            )

        result = _publish(task, toolbox, self.segments, publish, alone=True)
        if result.success:
            _tell_running_tasks(task, toolbox, result.upgraded_pending_segments)
        return result


def _tell_running_tasks(task: Task, toolbox: TaskActionToolbox, pending: Iterable[PendingSegment]) -> None:
    """Let tasks of streams serve queries on the new version. What fails here is a matter of queries, not of data."""
    supervisors = toolbox.supervisor_manager
    if supervisors is None:
        return
    try:
        supervisor_id = supervisors.get_active_supervisor_id_for_datasource_with_append_lock(task.data_source)
        if supervisor_id is None:
            return
        for upgraded in pending:
            supervisors.register_upgraded_pending_segment_on_supervisor(supervisor_id, upgraded)
    except Exception:
        log.exception("Telling the tasks of [%s] of segments in a new version failed", task.data_source)


@json_type("segmentNuke")
@frozen(kw_only=True)
class SegmentNukeAction(TaskAction[None]):
    """Delete the rows of segments, if the task's locks on their intervals still hold (else an error)."""

    result_type: ClassVar[object] = None

    segments: list[DataSegment]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        _change(task, toolbox, self.segments, lambda: toolbox.metadata.delete_segments(self.segments))
        _emit_bytes(task, toolbox, "segment/nuked/bytes", self.segments)


@json_type("segmentMetadataUpdate")
@frozen(kw_only=True)
class SegmentMetadataUpdateAction(TaskAction[None]):
    """Write segments over those of the same ids: they have been moved within deep storage."""

    result_type: ClassVar[object] = None

    segments: list[DataSegment]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        _change(task, toolbox, self.segments, lambda: toolbox.metadata.update_segment_metadata(self.segments))
        _emit_bytes(task, toolbox, "segment/moved/bytes", self.segments)


# ---- what they have in common


def _completed_by(task: Task) -> str | None:
    """The task whose success is recorded with the publish, see ``docs/design/crash-safety.md``."""
    return task.id if task.publish_completes_task else None


def _intervals(segments: Iterable[DataSegment]) -> list[Interval]:
    return sorted({segment.interval for segment in segments})


def _publish(
    task: Task,
    toolbox: TaskActionToolbox,
    segments: Sequence[DataSegment],
    publish: Callable[[], SegmentPublishResult],
    *,
    alone: bool = False,
) -> SegmentPublishResult:
    def refuse() -> SegmentPublishResult:
        return SegmentPublishResult.fail(
            "Invalid task locks. Maybe they are revoked by a higher priority task. "
            "Please check the overlord log for details."
        )

    def publish_if_covered() -> SegmentPublishResult:
        _check_covered(task, toolbox, segments)
        return publish()

    result: SegmentPublishResult = toolbox.lockbox.do_in_critical_section(
        task, _intervals(segments), on_valid_locks=publish_if_covered, on_invalid_locks=refuse, alone=alone
    )
    if toolbox.emitter is not None:
        outcome = "success" if result.success else "failure"
        toolbox.emitter.emit_metric(f"segment/txn/{outcome}", 1, **task_dims(task))
        for segment in result.segments:
            toolbox.emitter.segment_published(segment)
    _emit_bytes(task, toolbox, "segment/added/bytes", result.segments)
    return result


def _change(
    task: Task, toolbox: TaskActionToolbox, segments: Sequence[DataSegment], change: Callable[[], object]
) -> None:
    def refuse() -> None:
        raise defensive(f"Some locks for task[{task.id}] are already revoked")

    def change_if_covered() -> None:
        _check_covered(task, toolbox, segments)
        change()

    _check_covered(task, toolbox, segments)
    toolbox.lockbox.do_in_critical_section(
        task, _intervals(segments), on_valid_locks=change_if_covered, on_invalid_locks=refuse
    )


def _check_covered(task: Task, toolbox: TaskActionToolbox, segments: Iterable[DataSegment]) -> None:
    """Raise unless the task's locks cover the segments.

    This is asked within the critical section once more: of several locks on partitions some may have been lost.
    """
    check_locks_cover_segments(task, toolbox.lockbox.find_locks_for_task(task), segments)


def _emit_bytes(task: Task, toolbox: TaskActionToolbox, name: str, segments: Iterable[DataSegment]) -> None:
    if toolbox.emitter is None:
        return
    for segment in segments:
        kind = next(iter(type_names(type(segment.shard_spec))), None)
        dims = {"interval": str(segment.interval), "partitioningType": kind}
        toolbox.emitter.emit_metric(name, segment.size, **dims, **task_dims(task))
