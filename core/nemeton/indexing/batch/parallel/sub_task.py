"""What the sub tasks of all phases have in common."""

from __future__ import annotations

import logging
import random
import shutil
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from nemeton.common.errors import DruidException
from nemeton.http.client import EscalatedHttpClient
from nemeton.indexing.batch.failures import failure_message
from nemeton.indexing.batch.job import write_reports
from nemeton.indexing.batch.locks import lock_type_of, try_lock_all
from nemeton.indexing.batch.parallel.supervisor_client import SupervisorTaskClient
from nemeton.indexing.batch.parallel.surrogate import SurrogateTaskActionClient
from nemeton.indexing.batch.partition_locks import may_lock_partitions
from nemeton.indexing.batch.reports import COMPLETED, IngestionChatHandler, SubTaskProgress
from nemeton.indexing.batch.spec import BatchTuningConfig, IndexIngestionSpec
from nemeton.indexing.batch.stoppable import StoppableTask
from nemeton.model import TaskStatus
from nemeton.rpc.client import RetryPolicy
from nemeton.spi.indexing import BATCH_PRIORITY, TaskActionClient, TaskToolbox

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.messages import SubTaskReport

log = logging.getLogger(__name__)

_WATCH_PERIOD_S = 10.0
_WATCH = RetryPolicy(deadline_s=10.0, request_timeout_s=5.0)


@frozen(kw_only=True, slots=False)
class SubTask(StoppableTask):
    """Does one piece of the supervisor task's work and reports to it; locks and ids are the supervisor task's.

    It ends when its supervisor task has ended, however that came about: nobody waits for its report then.
    """

    default_priority: ClassVar[int] = BATCH_PRIORITY

    supervisor_task_id: str
    subtask_spec_id: str | None = None
    num_attempts: int = 0

    @property
    @abstractmethod
    def tuning(self) -> BatchTuningConfig:
        """How to work, in the words of the supervisor task."""

    @abstractmethod
    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> SubTaskReport:
        """Do it; what to report. `folder_of` gives a place for files."""

    @property
    def sequence_name(self) -> str:
        """Under which ids are allocated: alike for all attempts, so that they get the same ids."""
        return self.subtask_spec_id or self.id

    def surrogate(self, client: TaskActionClient) -> SurrogateTaskActionClient:
        """Acts in the name of the supervisor task."""
        return SurrogateTaskActionClient(self.supervisor_task_id, client)

    def supervisor(self, toolbox: TaskToolbox) -> SupervisorTaskClient:
        """How to reach the supervisor task."""
        return SupervisorTaskClient.of(
            self.supervisor_task_id,
            toolbox,
            toolbox.get(EscalatedHttpClient),
            timeout_s=self.tuning.chat_handler_timeout.to_seconds(),
            retries=self.tuning.chat_handler_num_retries,
        )

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Work, then report to the supervisor task. A failure is in the status and in the report file."""
        progress = SubTaskProgress.start(self.tuning, toolbox.clock)
        toolbox.chat_handlers.register(self.id, IngestionChatHandler(self.id, progress))
        try:
            with self._watching(toolbox):
                report = self.work(toolbox, progress)
                self.check_stopped()
                self.supervisor(toolbox).report(report)
            status = TaskStatus.success(self.id)
        except Exception as e:
            progress.error_msg = failure_message(e)
            log.error("Sub task failed in state %s: %s", progress.state, progress.error_msg, exc_info=e)
            status = TaskStatus.failure(self.id, progress.error_msg)
        finally:
            toolbox.chat_handlers.unregister(self.id)
            shutil.rmtree(self.folder_of(toolbox), ignore_errors=True)
        progress.state = COMPLETED
        write_reports(toolbox, self.id, progress.stats_report(self.id, progress.totals()))
        return status

    def folder_of(self, toolbox: TaskToolbox) -> Path:
        """Where the task's own files lie while it runs."""
        return Path(toolbox.work_dir) / "indexing-tmp"

    def final_report(self, progress: SubTaskProgress) -> dict[str, Any]:
        """The row counts that go with the report."""
        progress.state = COMPLETED
        return progress.stats_report(self.id, progress.totals())

    @contextmanager
    def _watching(self, toolbox: TaskToolbox) -> Iterator[None]:
        done = threading.Event()
        args = (toolbox.overlord_client.with_policy(_WATCH), done)
        threading.Thread(target=self._watch, args=args, name="supervisor-watch", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _watch(self, overlord: Any, done: threading.Event) -> None:
        """Stop this task when its supervisor task has ended. An Overlord that cannot be asked changes nothing."""
        while not done.wait(_WATCH_PERIOD_S * random.uniform(0.5, 1.5)):
            try:
                status = overlord.task_statuses([self.supervisor_task_id]).get(self.supervisor_task_id)
            except DruidException as e:
                log.warning("The state of the supervisor task cannot be had: %s", e)
                continue
            if status is None or status.is_complete:
                log.warning("Supervisor task [%s] has ended: stopping", self.supervisor_task_id)
                self.stop_gracefully()
                return

    def json_fields(self, json: Any) -> dict[str, Any]:
        """What goes between ``resource`` and ``dataSource`` in the task's JSON."""
        return {}

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "id": self.id,
            "groupId": self.group_id,
            "resource": json.unstructure(self.resource),
            "supervisorTaskId": self.supervisor_task_id,
            "subtaskSpecId": self.subtask_spec_id,
            "numAttempts": self.num_attempts,
            **self.json_fields(json),
            "dataSource": self.data_source,
        }


@frozen(kw_only=True, slots=False)
class ReadingSubTask(SubTask):
    """A sub task that has an ingestion spec with a split of the input."""

    spec: IndexIngestionSpec

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "spec", self.spec.for_task("index_parallel"))
        super().__attrs_post_init__()

    @property
    def data_source(self) -> str:
        """The data source that is written."""
        return self.spec.data_schema.data_source

    @property
    def tuning(self) -> BatchTuningConfig:
        """See :class:`SubTask`."""
        return self.spec.tuning_config

    def is_ready(self, client: TaskActionClient) -> bool:
        """Lock the intervals of the spec, in the name of the supervisor task, which holds them as a rule.

        Where that may have locked partitions instead, it has locked all that its sub tasks need.
        """
        if may_lock_partitions(self.context, self.spec):
            return True
        granularity = self.spec.data_schema.granularity_spec
        kind = lock_type_of(self.context, appends=self.spec.io_config.append_to_existing)
        return try_lock_all(self.surrogate(client), granularity, kind, -1, list(granularity.intervals))

    def json_fields(self, json: Any) -> dict[str, Any]:
        """See :class:`SubTask`."""
        return {"spec": json.unstructure(self.spec), "context": json.unstructure(self.context)}
