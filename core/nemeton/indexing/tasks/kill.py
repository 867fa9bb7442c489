"""The task that deletes unused segments for good."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.actions import LockListAction, RetrieveUnusedSegmentsAction, SegmentNukeAction
from nemeton.indexing.overlord.lock_rules import check_locks_cover_segments
from nemeton.indexing.tasks.files import of_no_other_segment
from nemeton.indexing.tasks.fixed_interval import FixedIntervalTask
from nemeton.model import DataSegment, TaskLockType, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.spi.lookup_loading import LOAD_NONE, LookupLoadingSpec

log = logging.getLogger(__name__)


@json_type("kill")
@frozen(kw_only=True, slots=False)
class KillUnusedSegmentsTask(FixedIntervalTask):
    """Deletes unused segments within ``interval``: rows first, then files, in batches (Druid: the class of this name).

    Rows go first so that a crash leaves files that nothing names, and never names without files. Files that a used
    segment, or one upgraded from the same one, still loads are kept.
    """

    default_priority: ClassVar[int] = 0

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

    @property
    def lookup_loading_spec(self) -> LookupLoadingSpec:
        """None: it reads no rows."""
        return LOAD_NONE

    @property
    def lock_type(self) -> TaskLockType:
        """Exclusive unless ``taskLockType`` says otherwise."""
        return TaskLockType(self.context.get("taskLockType") or TaskLockType.EXCLUSIVE)

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
        to_delete = of_no_other_segment(client, self.data_source, unused)
        client.submit(SegmentNukeAction(segments=unused))
        toolbox.data_segment_killer.kill(to_delete)
        return len(unused) - len(to_delete)

    def _report(self, killed: int, batches: int) -> dict[str, Any]:
        return {
            "killUnusedSegments": {
                "type": "killUnusedSegments",
                "taskId": self.id,
                "payload": {"numSegmentsKilled": killed, "numBatchesProcessed": batches},
            }
        }
