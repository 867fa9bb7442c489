"""``ThreadingTaskRunner``: all tasks in this process, each on a thread (Druid's; that of Indexers)."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
from concurrent.futures import Future

from attrs import define, field

from nemeton.common.clock import Clock
from nemeton.indexing.worker.action_client import RemoteTaskActionClient
from nemeton.indexing.worker.chat import IndexerChatHandlers
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.restorable import BaseRestorableTaskRunner
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.task_logging import route_task_logs, task_log
from nemeton.indexing.worker.task_run import run_task, write_status
from nemeton.indexing.worker.task_slots import StorageSlot
from nemeton.indexing.worker.toolboxes import TaskToolboxFactory
from nemeton.indexing.worker.work_item import WorkItem
from nemeton.json import Json
from nemeton.model import DruidNode, TaskLocation, TaskStatus
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import Task, TaskConfig
from nemeton.spi.storage import TaskLogs

log = logging.getLogger(__name__)


class TaskInterrupted(BaseException):
    """Raised within a task that was asked to stop and did not."""


@define(eq=False)
class ThreadedItem(WorkItem):
    """A task with its thread. ``thread_id`` is there while its code runs, and only then it may be interrupted."""

    actions: RemoteTaskActionClient | None = None
    thread_id: int | None = None
    ended: Future[int] = field(factory=Future)
    stopping: bool = False
    guard: threading.Lock = field(factory=threading.Lock)

    def interrupt(self) -> None:
        """Raise `TaskInterrupted` in the task, as soon as it runs Python code."""
        with self.guard:
            if self.thread_id is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.thread_id), ctypes.py_object(TaskInterrupted)
                )


class ThreadingTaskRunner(BaseRestorableTaskRunner[ThreadedItem]):
    """Runs tasks on threads of this process, which saves memory and isolates nothing: a crash costs all of them.

    A task that is told to stop and does not is interrupted; one that hangs outside of Python cannot be ended, and its
    thread is left behind. What tasks log goes to the process's log, and to a file for each.
    """

    failed_to_start = "Failed to start the task"

    def __init__(
        self,
        config: ForkingTaskRunnerConfig,
        worker_config: WorkerConfig,
        task_config: TaskConfig,
        node: DruidNode,
        toolboxes: TaskToolboxFactory,
        chat: IndexerChatHandlers,
        overlord: OverlordClient,
        task_logs: TaskLogs,
        json: Json,
        clock: Clock,
    ) -> None:
        super().__init__(worker_config, task_config, task_logs, json, clock)
        self._node = node
        self._kill_timeout_s = config.kill_timeout_seconds
        self._location = TaskLocation(node.host, node.plaintext_port, node.tls_port)
        self._toolboxes = toolboxes
        self._chat = chat
        self._overlord = overlord
        self._memory_share = worker_config.ingestion_memory_share()

    def start(self) -> None:
        """See :class:`BaseRestorableTaskRunner`."""
        route_task_logs()
        super().start()

    def _has_begun(self, task_dir: TaskDir) -> bool:
        return task_dir.last_attempt() > 0

    def _grace_of(self, item: ThreadedItem) -> float:
        return super()._grace_of(item) if item.task.can_restore else self._kill_timeout_s

    # ---- running

    def _make_item(self, task: Task, task_dir: TaskDir | None, now: int) -> ThreadedItem:
        return ThreadedItem(task, created_time=now, queue_insertion_time=now, task_dir=task_dir)

    def _run_in(self, item: ThreadedItem, task_dir: TaskDir, slot: StorageSlot) -> TaskStatus | None:
        attempt = self._prepare(item, task_dir)
        with task_log(task_dir.log_file):
            status = self._run_task(item, task_dir, attempt)
            if item.abandoned:
                return None
            if item.stop_reason is not None:
                status = TaskStatus.failure(item.task_id, item.stop_reason)
            write_status(status, task_dir.attempt_dir(attempt) / "status.json", self._json)
        self._outcomes.push_files(item.task_id, task_dir, attempt)
        return status

    def _run_task(self, item: ThreadedItem, task_dir: TaskDir, attempt: int) -> TaskStatus:
        item.actions = RemoteTaskActionClient(item.task, self._overlord)
        toolbox = self._toolboxes.make(
            item.task,
            task_dir,
            attempt,
            item.actions,
            self._chat,
            executor=self._node,
            ingestion_memory_bytes=self._memory_share,
        )
        with self._lock:
            item.running = True
            item.started_at = self._clock.monotonic()
            item.location = self._location
            stop = item.stop_reason
        if stop is not None:
            self._ask_to_stop(item, stop)
        self._announce(item)
        try:
            with item.guard:
                item.thread_id = threading.get_ident()
            try:
                return run_task(item.task, toolbox)
            finally:
                with item.guard:
                    item.thread_id = None
                for _ in range(100):  # an interruption that was under way comes here
                    pass
        except TaskInterrupted:
            log.warning("Task [%s] was interrupted", item.task_id)
            return TaskStatus.failure(item.task_id, item.stop_reason or "Task stopped")
        finally:
            self._chat.unregister(item.task_id)
            item.ended.set_result(0)

    def _clear_away(self, item: ThreadedItem) -> None:
        with contextlib.suppress(Exception):
            item.ended.set_result(1)

    # ---- stopping one

    def _ask_to_stop(self, item: ThreadedItem, reason: str) -> None:
        with self._lock:
            item.stop_reason = item.stop_reason or reason
            if item.stopping or not item.running or item.ended.done():
                return
            item.stopping = True
        if item.actions is not None and not item.task.can_restore:
            item.actions.close()  # nothing may be published from here on
        threading.Thread(target=self._stop_task, args=[item], name=f"stop-{item.task_id}", daemon=True).start()

    def _stop_task(self, item: ThreadedItem) -> None:
        try:
            item.task.stop_gracefully()
        except Exception:
            log.exception("Task [%s] cannot be stopped gracefully", item.task_id)
        with contextlib.suppress(TimeoutError):
            item.ended.result(self._grace_of(item))
        item.interrupt()

    def _exit_of(self, item: ThreadedItem) -> Future[int] | None:
        return item.ended if item.running else None

    def _kill(self, item: ThreadedItem) -> None:
        item.interrupt()
