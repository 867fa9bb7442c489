"""What the runners of a worker share: slots, task folders, restoring after a restart, and the questions of the API."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Collection
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from nemeton.common.clock import Clock
from nemeton.common.files import write_atomically
from nemeton.common.folder_lock import FolderLock
from nemeton.http.pool import HandlerPool
from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.outcomes import CANCELED_AS_UNKNOWN, TaskOutcomes
from nemeton.indexing.worker.runner_items import Item, RunnerItems
from nemeton.indexing.worker.task_dirs import TaskDir, TaskDirs
from nemeton.indexing.worker.task_slots import StorageSlot, TaskSlots
from nemeton.json import Json
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task, TaskConfig
from nemeton.spi.storage import TaskLogs

log = logging.getLogger(__name__)

#: An Overlord gives a worker no more than it has slots for; its own runner gets all that the queue holds.
_MAX_WAITING = 1_000_000
_IN_USE = (
    "two that run tasks need two folders (druid.indexer.task.baseTaskDir, druid.worker.baseTaskDirs), and an Overlord "
    "beside a MiddleManager needs druid.indexer.runner.type=httpRemote"
)


class BaseRestorableTaskRunner(RunnerItems[Item]):
    """Runs each task on a thread, at most ``druid.worker.capacity`` at a time, first come, first served.

    What a task does is a status of it and nothing else. May be started again after :meth:`stop`.
    """

    failed_to_start = "Failed to start the task's process"

    def __init__(
        self, worker_config: WorkerConfig, task_config: TaskConfig, task_logs: TaskLogs, json: Json, clock: Clock
    ) -> None:
        super().__init__(worker_config)
        self._task_config = task_config
        self._outcomes = TaskOutcomes(json, task_logs)
        self._json = json
        self._clock = clock
        bases = [Path(base) for base in worker_config.base_task_dirs or ()]
        self._dirs = TaskDirs(Path(task_config.task_dir_root), bases)
        folders = dict.fromkeys((self._dirs.root, *self._dirs.bases))
        self._claims = [FolderLock(folder, _IN_USE, ".worker.lock") for folder in folders]
        self._slots = self._make_slots()
        self._threads: HandlerPool | None = None
        self._stopping = False
        self._tell_of_earlier_end: Callable[[Task, TaskStatus], object] = lambda task, status: None

    def _make_slots(self) -> TaskSlots:
        return TaskSlots(self._dirs.bases, self._worker_config.capacity, int(self._worker_config.base_task_dir_size))

    # ---- what a kind of runner adds

    @abstractmethod
    def _make_item(self, task: Task, task_dir: TaskDir | None, now: int) -> Item:
        """What the runner will know of the task."""

    @abstractmethod
    def _run_in(self, item: Item, task_dir: TaskDir, slot: StorageSlot) -> TaskStatus | None:
        """Run the task to its end, on its thread; None when it was left for the next life. May raise."""

    @abstractmethod
    def _clear_away(self, item: Item) -> None:
        """After `_run_in` has raised: end what it has left running."""

    @abstractmethod
    def _ask_to_stop(self, item: Item, reason: str) -> None:
        """Make the task end, without waiting for it."""

    @abstractmethod
    def _exit_of(self, item: Item) -> Future[int] | None:
        """Becomes done when nothing of the task runs any more; None when nothing does."""

    @abstractmethod
    def _kill(self, item: Item) -> None:
        """End the task at once, if that can be done."""

    def _detach(self) -> None:
        """When a stop begins, under the lock: take away what would start something new."""

    def _has_begun(self, task_dir: TaskDir) -> bool:
        """Whether an earlier life may have run any of the task's own code."""
        return task_dir.lock_file.exists()

    # ---- lifecycle

    def start(self) -> None:
        """See :class:`TaskRunner`. Kills what an earlier life left running, so that it cannot act any more."""
        with self._lock, ExitStack() as undo:
            self._dirs.prepare()
            for claim in self._claims:
                claim.acquire()
                undo.callback(claim.release)
            for task_dir in self._dirs.existing():
                task_dir.end_orphan()
            undo.pop_all()
            self._stopping = False
            self._slots = self._make_slots()  # the threads of an earlier life give theirs back to the old ones
            self._threads = HandlerPool("task-runner", self._worker_config.capacity, _MAX_WAITING)

    def stop(self) -> None:
        """See :class:`TaskRunner`."""
        with self._lock:
            self._stopping = True
            items = list(self._items.values())
            for item in items:
                item.abandoned = True
            threads, self._threads = self._threads, None
            self._detach()
        for item in items:
            self._ask_to_stop(item, "The runner stops")
        self._end(items)
        if threads is not None:
            threads.close()
        with self._lock:
            self._items.clear()
        for item in items:
            self._cancel(item)  # also those whose threads never got to them
        for claim in self._claims:
            claim.release()

    @property
    def stop_patience_s(self) -> float:
        """How long a stop may take now: tasks that can be restored have time to save their work."""
        running = [item for item in self.get_known_tasks() if self._exit_of(item) is not None]
        return max((self._grace_of(item) for item in running), default=0.0)

    def _end(self, items: Collection[Item]) -> None:
        """Wait for each task as long as it may take, and end those that take longer."""
        exits = {item.task_id: (ended, item) for item in items if (ended := self._exit_of(item)) is not None}
        began = self._clock.monotonic()
        for grace in sorted({self._grace_of(item) for _, item in exits.values()}):
            waited = self._clock.monotonic() - began
            group = {ended: item for ended, item in exits.values() if self._grace_of(item) == grace}
            _, late = wait(group, timeout=max(0.0, grace - waited))
            for ended in late:
                log.warning("Task [%s] did not stop within %.1f s; it is ended", group[ended].task_id, grace)
                self._kill(group[ended])

    def _grace_of(self, item: Item) -> float:
        return self._task_config.graceful_shutdown_timeout.to_seconds()

    # ---- what an earlier life left

    def restore(self) -> list[tuple[Task, Future[TaskStatus]]]:
        """See :class:`TaskRunner`: runs again what can be restored or had not begun, and deletes the other folders."""
        restored: list[tuple[Task, Future[TaskStatus]]] = []
        wanted = set(self._dirs.read_restore()) if self._task_config.restore_tasks_on_restart else set()
        for task_dir in list(self._dirs.existing()):
            task = self._read_task(task_dir)
            status = self._outcomes.left_in(task_dir)
            if task is not None and status is None and self._may_run_again(task, task_dir, wanted):
                log.info("Restoring task [%s]", task.id)
                restored.append((task, self._submit(task, task_dir)))
            else:
                self._conclude_earlier(task_dir, task, status)
        self._save_restore()
        return restored

    def tell_of_earlier_ends(self, tell: Callable[[Task, TaskStatus], object]) -> None:
        """See :class:`TaskRunner`."""
        self._tell_of_earlier_end = tell

    def _read_task(self, task_dir: TaskDir) -> Task | None:
        try:
            task: Task = self._json.loads(task_dir.task_file.read_bytes(), Task)
        except Exception:
            log.exception("Task in [%s] cannot be restored", task_dir.path)
            return None
        return task if task.id == task_dir.path.name else None

    def _may_run_again(self, task: Task, task_dir: TaskDir, wanted: Collection[str]) -> bool:
        return (task.can_restore and task.id in wanted) or not self._has_begun(task_dir)

    def _conclude_earlier(self, task_dir: TaskDir, task: Task | None, status: TaskStatus | None) -> None:
        """Its task will not run again: it may have published."""
        self._outcomes.push_files(task_dir.path.name, task_dir, task_dir.last_attempt())
        if task is not None:
            self._tell_of_earlier_end(task, status or TaskStatus.failure(task.id, CANCELED_AS_UNKNOWN))
        task_dir.delete()

    def _save_restore(self) -> None:
        with self._lock:
            if self._stopping:
                return  # the next life must find what runs now
            running = list(self._items)
        try:
            self._dirs.write_restore(running)
        except OSError:
            log.exception("Cannot write restore.json")

    # ---- running

    def run(self, task: Task) -> Future[TaskStatus]:
        """See :class:`TaskRunner`."""
        return self._submit(task, None)

    def _submit(self, task: Task, task_dir: TaskDir | None) -> Future[TaskStatus]:
        with self._lock:
            known = self._items.get(task.id)
            if known is not None:
                return known.result
            if self._threads is None:
                raise RuntimeError("The task runner is not started")
            item = self._make_item(task, task_dir, self._clock.now())
            self._items[task.id] = item
            self._threads.submit(partial(self._run_item, item))
            return item.result

    def _run_item(self, item: Item) -> None:
        """In a thread of its own, from start to end."""
        status = None
        try:
            with self._slots.taking(item.task_dir.path.parent if item.task_dir else None) as slot:
                status = self._run_in_slot(item, slot)
        except Exception as error:
            if item.abandoned:
                log.info("The runner has stopped; task [%s] is not started: %s", item.task_id, error)
            else:
                log.exception("Running task [%s] failed", item.task_id)
            status = TaskStatus.failure(item.task_id, f"{self.failed_to_start}: {error}")
            self._clear_away(item)
        finally:
            self._finish(item, status)

    def _run_in_slot(self, item: Item, slot: StorageSlot) -> TaskStatus | None:
        if item.stop_reason is not None or item.abandoned:
            return TaskStatus.failure(item.task_id, item.stop_reason or "Task stopped")
        item.task_dir = item.task_dir or TaskDir(slot.directory / item.task_id)
        return self._run_in(item, item.task_dir, slot)

    def _prepare(self, item: Item, task_dir: TaskDir) -> int:
        """Fill the task's folder; return the number of the attempt."""
        task_dir.path.mkdir(parents=True, exist_ok=True)
        if not task_dir.task_file.exists():
            write_atomically(task_dir.task_file, self._json.dumps(item.task))
        attempt = task_dir.last_attempt() + 1
        task_dir.attempt_dir(attempt).mkdir(parents=True)
        return attempt

    def _announce(self, item: Item) -> None:
        """Tell that the task runs, at the item's location; not for the runner's lock."""
        self._save_restore()
        self._listeners.location_changed(item.task_id, item.location)
        self._listeners.status_changed(item.task_id, TaskStatus.running(item.task_id))

    def _finish(self, item: Item, status: TaskStatus | None) -> None:
        if item.abandoned or status is None:
            self._forget(item)
            self._cancel(item)
            return
        if item.started_at:
            status = status.with_duration(int((self._clock.monotonic() - item.started_at) * 1000))
        status = status.with_location(item.location)
        self._listeners.status_changed(item.task_id, status)  # before the folder goes: a listener keeps the status
        if item.task_dir is not None:
            item.task_dir.delete()
        with self._lock:
            self._ends[status.is_success] += 1
        self._forget(item)
        self._save_restore()
        with suppress(InvalidStateError):  # stopped at this very moment
            item.result.set_result(status)

    def _forget(self, item: Item) -> None:
        with self._lock:
            if self._items.get(item.task_id) is item:
                del self._items[item.task_id]

    def _cancel(self, item: Item) -> None:
        """Not an end of the task: the next life takes it up again."""
        with self._lock:
            if not item.result.done() and item.result.cancel():
                item.result.set_running_or_notify_cancel()

    def shutdown(self, task_id: str, reason: str) -> None:
        """See :class:`TaskRunner`."""
        item = self._item(task_id)
        if item is not None:
            log.info("Shutting down task [%s]: %s", task_id, reason)
            self._ask_to_stop(item, reason)
