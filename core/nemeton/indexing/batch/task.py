"""The batch ingestion tasks."""

from __future__ import annotations

import errno
import logging
import threading
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import DruidException, canceled, invalid_input
from nemeton.indexing.actions import LockTryAcquireAction
from nemeton.indexing.batch.reports import COMPLETED, IngestionChatHandler, IngestionProgress
from nemeton.indexing.batch.segments import lock_type_of
from nemeton.indexing.batch.spec import IndexIngestionSpec
from nemeton.json import wire
from nemeton.model import TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import BATCH_PRIORITY, Task, TaskActionClient, TaskToolbox

log = logging.getLogger(__name__)


@frozen(kw_only=True, slots=False)
class BatchIndexTask(Task):
    """Reads an input source into segments of a data source, in this process (Druid: ``AbstractBatchIndexTask``).

    Where the spec gives intervals they are locked before the task runs; otherwise when the input has been read.
    """

    default_priority: ClassVar[int] = BATCH_PRIORITY
    publish_completes_task: ClassVar[bool] = True

    spec: IndexIngestionSpec
    _canceled: threading.Event = field(
        factory=threading.Event, init=False, eq=False, repr=False, metadata=wire(skip=True)
    )

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "spec", self.spec.for_task(self.type))
        super().__attrs_post_init__()

    @property
    def data_source(self) -> str:
        """The data source that is written."""
        return self.spec.data_schema.data_source

    def is_ready(self, client: TaskActionClient) -> bool:
        """Lock the intervals of the spec, one lock for each stretch without a gap."""
        granularity = self.spec.data_schema.granularity_spec
        intervals = granularity.segment_intervals(list(granularity.intervals))
        limit = self.spec.tuning_config.max_allowed_lock_count
        if 0 <= limit < len(intervals):
            raise invalid_input(f"Number of locks exceeded maxAllowedLockCount [{limit}].")
        for interval in intervals:
            lock = client.submit(LockTryAcquireAction(lock_type=lock_type_of(self), interval=interval))
            if lock is None or lock.revoked:
                return False
        return True

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Ingest. A failure is in the status and in the report."""
        from nemeton.indexing.batch.run import IngestionRun

        determines = not self.spec.data_schema.granularity_spec.intervals
        progress = IngestionProgress.start(self.spec.tuning_config, determines, toolbox.clock)
        toolbox.chat_handlers.register(self.id, IngestionChatHandler(self.id, self.context, progress))
        try:
            IngestionRun(self, self.spec, toolbox, progress, self._check).run()
            progress.state = COMPLETED
            return TaskStatus.success(self.id)
        except Exception as e:
            progress.error_msg = failure_message(e)
            log.error("Ingestion failed in state %s: %s", progress.state, progress.error_msg, exc_info=e)
            return TaskStatus.failure(self.id, progress.error_msg)
        finally:
            self._write_reports(toolbox, progress)
            toolbox.chat_handlers.unregister(self.id)

    def _write_reports(self, toolbox: TaskToolbox, progress: IngestionProgress) -> None:
        try:
            toolbox.report_writer.write(self.id, progress.reports(self.id, self.context, progress.totals()))
        except OSError as e:
            log.error("The task's report cannot be written: %s", e)

    def stop_gracefully(self) -> None:
        """End before the next batch or segment; nothing is published then."""
        self._canceled.set()

    def _check(self) -> None:
        if self._canceled.is_set():
            raise canceled(f"Task [{self.id}] was stopped")

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "id": self.id,
            "groupId": self.group_id,
            "resource": json.unstructure(self.resource),
            "spec": json.unstructure(self.spec),
            "context": json.unstructure(self.context),
            "dataSource": self.data_source,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_canceled"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _canceled=threading.Event())


@json_type("index")
@frozen(kw_only=True, slots=False)
class IndexTask(BatchIndexTask):
    """Druid's ``index``. Tasks that append to one data source share a group, and with that their locks."""

    def __attrs_post_init__(self) -> None:
        if self.spec.io_config.append_to_existing:
            object.__setattr__(self, "group_id", f"index_append_{self.spec.data_schema.data_source}")
        super().__attrs_post_init__()


@json_type("index_parallel")
@frozen(kw_only=True, slots=False)
class ParallelIndexSupervisorTask(BatchIndexTask):
    """Druid's ``index_parallel``, with all work done by the task itself, whatever ``maxNumConcurrentSubTasks`` says."""


def failure_message(error: Exception) -> str:
    """What went wrong, for the one who submitted the task."""
    if isinstance(error, DruidException):
        return error.message
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing [{error.filename}]" if error.filename else ""
        return f"No space left on device{where}: the disk of the task's work folder or of the deep storage is full"
    if isinstance(error, MemoryError):
        return f"Out of memory: {error}"
    return f"{type(error).__name__}: {error}"
