"""The run of a batch task: what it does, and what it can be asked meanwhile."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import define

from nemeton.indexing.batch.failures import failure_message
from nemeton.indexing.batch.reports import COMPLETED, TaskProgress
from nemeton.indexing.task_dims import task_dims
from nemeton.model import TaskStatus

if TYPE_CHECKING:
    from nemeton.indexing.batch.task import BatchIndexTask
    from nemeton.spi.indexing import ChatHandler, Task, TaskToolbox

log = logging.getLogger(__name__)


@define
class BatchJob(ABC):
    """One run of a batch task, by itself or over sub tasks."""

    @property
    @abstractmethod
    def progress(self) -> TaskProgress:
        """How far it is."""

    @abstractmethod
    def chat_handler(self) -> ChatHandler:
        """What answers HTTP requests meanwhile."""

    @abstractmethod
    def run(self) -> None:
        """Do the work, publish; raises when something fails."""


def run_job(job: BatchJob, task: BatchIndexTask, toolbox: TaskToolbox) -> tuple[TaskStatus, dict[str, Any]]:
    """Run it; the final status, and the reports, in both of which a failure is."""
    progress = job.progress
    mode = task.spec.io_config.ingestion_mode
    emit_ingestion(task, toolbox, "ingest/count", 1, mode)
    toolbox.chat_handlers.register(task.id, job.chat_handler())
    try:
        job.run()
        progress.state = COMPLETED
        emit_ingestion(task, toolbox, "ingest/tombstones/count", progress.tombstones_published, mode)
        emit_ingestion(task, toolbox, "ingest/segments/count", progress.segments_published or 0, mode)
        status = TaskStatus.success(task.id)
    except Exception as e:
        progress.error_msg = failure_message(e)
        log.error("Ingestion failed in state %s: %s", progress.state, progress.error_msg, exc_info=e)
        status = TaskStatus.failure(task.id, progress.error_msg)
    finally:
        toolbox.chat_handlers.unregister(task.id)
    return status, progress.reports(task.id, task.context)


def emit_ingestion(task: Task, toolbox: TaskToolbox, metric: str, value: int, mode: str) -> None:
    """Emit a metric of an ingestion; ``mode`` is what becomes of the segments that are there."""
    if toolbox.emitter is not None:
        toolbox.emitter.emit_metric(metric, value, taskIngestionMode=mode, **task_dims(task))


def write_reports(toolbox: TaskToolbox, task_id: str, reports: dict[str, Any]) -> None:
    """Write the task's reports; that it cannot be done is logged."""
    try:
        toolbox.report_writer.write(task_id, reports)
    except OSError as e:
        log.error("The task's report cannot be written: %s", e)
