"""What a peon leaves behind: a status, a log, reports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.work_item import WorkItem
from nemeton.json import Json
from nemeton.model import TaskStatus
from nemeton.spi.storage import TaskLogs

log = logging.getLogger(__name__)

CANCELED_AS_UNKNOWN = "Canceled as unknown task. See middleManager or indexer logs for more details."


@frozen
class TaskOutcomes:
    """Reads the status of a peon that has ended, and keeps its log and reports. Thread-safe."""

    json: Json
    task_logs: TaskLogs

    def status(self, item: WorkItem, attempt_dir: Path, exit_code: int) -> TaskStatus:
        """What the peon wrote if it ended well; else a failure, for the reason that it was stopped or its exit code."""
        if exit_code == 0:
            return self._read(item.task_id, attempt_dir / "status.json")
        if item.stop_reason is not None:
            return TaskStatus.failure(item.task_id, item.stop_reason)
        code = exit_code if exit_code > 0 else 128 - exit_code
        return TaskStatus.failure(
            item.task_id,
            f"Task execution process exited unsuccessfully with code[{code}]. See middleManager logs for more details.",
        )

    def left_in(self, task_dir: TaskDir) -> TaskStatus | None:
        """The status that the last run has left; None when it did not come so far."""
        status_file = task_dir.attempt_dir(task_dir.last_attempt()) / "status.json"
        if not status_file.exists():
            return None
        status = self._read(task_dir.path.name, status_file)
        return status if status.is_complete else None

    def _read(self, task_id: str, status_file: Path) -> TaskStatus:
        try:
            status: TaskStatus = self.json.loads(status_file.read_bytes(), TaskStatus)
        except Exception:
            log.exception("Task [%s] ended well, but its status cannot be read", task_id)
            return TaskStatus.failure(task_id, "The task's process left no status")
        return status

    def push_files(self, task_id: str, task_dir: TaskDir, attempt: int) -> None:
        """Push the log and the reports of that attempt, where there are any; failing to is logged, no more."""
        self._push(self.task_logs.push_task_log, task_id, task_dir.log_file)
        self._push(self.task_logs.push_task_reports, task_id, task_dir.attempt_dir(attempt) / "report.json")

    @staticmethod
    def _push(push: Callable[[str, Path], None], task_id: str, file: Path) -> None:
        if not file.exists():
            return
        try:
            push(task_id, file)
        except Exception:
            log.exception("Pushing [%s] of task [%s] failed; the task's outcome stands", file.name, task_id)
