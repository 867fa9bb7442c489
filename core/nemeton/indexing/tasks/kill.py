"""The task that deletes unused segments for good."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.actions import (
    LockListAction,
    LockTryAcquireAction,
    RetrieveUnusedSegmentsAction,
    RetrieveUpgradedFromSegmentIdsAction,
    RetrieveUpgradedToSegmentIdsAction,
    RetrieveUsedSegmentsAction,
    SegmentNukeAction,
)
from nemeton.indexing.overlord.lock_rules import check_locks_cover_segments
from nemeton.model import DataSegment, TaskLockType, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskActionClient, TaskToolbox
from nemeton.spi.task_ids import new_task_id
from nemeton.time import Interval, format_datetime

log = logging.getLogger(__name__)


@json_type("kill")
@frozen(kw_only=True, slots=False)
class KillUnusedSegmentsTask(Task):
    """Deletes unused segments within ``interval``: rows first, then files, in batches (Druid: the class of this name).

    Rows go first so that a crash leaves files that nothing names, and never names without files. Files that a used
    segment, or one upgraded from the same one, still loads are kept.
    """

    default_priority: ClassVar[int] = 0

    data_source: str
    interval: Interval
    versions: list[str] | None = None
    batch_size: int = 100
    limit: int | None = None
    max_used_status_last_updated_time: str | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.batch_size <= 0:
            raise invalid_input(f"batchSize[{self.batch_size}] must be a positive integer.")
        if self.limit is not None and self.limit <= 0:
            raise invalid_input(f"limit[{self.limit}] must be a positive integer.")

    def default_id(self) -> str:
        """Return ``kill_<dataSource>_<suffix>_<start>_<end>_<time>``, as Druid does."""
        ends = (format_datetime(self.interval.start), format_datetime(self.interval.end))
        return new_task_id(self.type, self.data_source, *ends)

    def is_ready(self, client: TaskActionClient) -> bool:
        """True when the interval is locked; exclusively unless ``taskLockType`` says otherwise."""
        lock_type = TaskLockType(self.context.get("taskLockType") or TaskLockType.EXCLUSIVE)
        lock = client.submit(LockTryAcquireAction(lock_type=lock_type, interval=self.interval))
        return lock is not None and not lock.revoked

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Delete batch by batch until nothing is left, or ``limit`` is reached."""
        killed, batches = 0, 0
        while True:
            unused = self._next_batch(toolbox, killed)
            batches += 1  # the last look, which finds nothing, counts too
            if not unused:
                break
            kept = self._delete_batch(toolbox, unused)
            killed += len(unused)
            log.info("Killed %d segments of [%s] so far, files of %d kept", killed, self.data_source, kept)
        toolbox.report_writer.write(self.id, self._report(killed, batches))
        return TaskStatus.success(self.id)

    def _next_batch(self, toolbox: TaskToolbox, killed: int) -> list[DataSegment]:
        size = self.batch_size if self.limit is None else min(self.batch_size, self.limit - killed)
        if size <= 0:
            return []
        return toolbox.action_client.submit(
            RetrieveUnusedSegmentsAction(
                data_source=self.data_source,
                interval=self.interval,
                versions=self.versions,
                limit=size,
                max_used_status_last_updated_time=self.max_used_status_last_updated_time,
            )
        )

    def _delete_batch(self, toolbox: TaskToolbox, unused: list[DataSegment]) -> int:
        """Return how many keep their files."""
        client = toolbox.action_client
        check_locks_cover_segments(self, client.submit(LockListAction()), unused)
        used = client.submit(
            RetrieveUsedSegmentsAction(
                data_source=self.data_source,
                intervals=sorted({s.interval for s in unused}, key=lambda i: (i.start, i.end)),
                visibility="INCLUDING_OVERSHADOWED",
            )
        )
        shared = self._still_referenced(toolbox, unused)
        client.submit(SegmentNukeAction(segments=unused))
        in_use = [segment.load_spec for segment in used]
        to_delete = [s for s in unused if str(s.id) not in shared and s.load_spec not in in_use and not s.is_tombstone]
        toolbox.data_segment_killer.kill(to_delete)
        return len(unused) - len(to_delete)

    def _still_referenced(self, toolbox: TaskToolbox, unused: list[DataSegment]) -> set[str]:
        """Ids of segments whose files another segment, not in this batch, loads too after an upgrade."""
        client, ids = toolbox.action_client, [str(segment.id) for segment in unused]
        parents = client.submit(
            RetrieveUpgradedFromSegmentIdsAction(data_source=self.data_source, segment_ids=ids)
        ).upgraded_from_segment_ids
        roots = {parents.get(id_, id_) for id_ in ids}
        children = client.submit(
            RetrieveUpgradedToSegmentIdsAction(data_source=self.data_source, segment_ids=sorted(roots))
        ).upgraded_to_segment_ids
        batch = set(ids)
        busy = {root for root in roots if not set(children.get(root, ())) <= batch}
        return {id_ for id_ in ids if parents.get(id_, id_) in busy}

    def _report(self, killed: int, batches: int) -> dict[str, Any]:
        return {
            "killUnusedSegments": {
                "type": "killUnusedSegments",
                "taskId": self.id,
                "payload": {"numSegmentsKilled": killed, "numBatchesProcessed": batches},
            }
        }
