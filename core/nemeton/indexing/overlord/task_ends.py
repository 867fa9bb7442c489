"""How the end of a task is recorded."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from attrs import frozen

from nemeton.common.listed import Listed
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.indexing.overlord.task_entries import EndedTasks, TaskEntries
from nemeton.indexing.task_dims import task_dims
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task, TaskRunner

log = logging.getLogger(__name__)

#: How many ends one transaction may hold.
_TOGETHER = 500
#: Unless so many ends wait, transactions begin this many times as far apart as the last one took, but not further apart
#: than this: one end after a pause is recorded at once, and many together cost a share of the time that is bounded.
_APART, _MAX_APART_S = 5, 0.1


@frozen
class TaskEnd:
    """A task, its final status, and what the runner is told of it."""

    task: Task
    status: TaskStatus
    reason: str


class TaskEnds:
    """Records ends: first in the store, then with the runner, then in memory and the lockbox. Thread-safe.

    Those that the runner tells of (`runner_is_done`) are recorded on a few threads; what comes while these are busy is
    written in one transaction. ``lock`` guards ``entries``, which the queue shares. ``on_groups_end`` hears of the last
    tasks of groups, ``on_recorded`` when anything has been recorded.
    """

    def __init__(
        self,
        *,
        lock: threading.RLock,
        entries: TaskEntries,
        storage: TaskStorage,
        runner: TaskRunner,
        lockbox: TaskLockbox,
        on_groups_end: Callable[[Sequence[Task]], object],
        on_recorded: Callable[[], object],
        num_threads: int,
        emitter: Any = None,
    ) -> None:
        self._lock = lock
        self._entries = entries
        self._storage = storage
        self._runner = runner
        self._lockbox = lockbox
        self._on_groups_end = on_groups_end
        self._on_recorded = on_recorded
        self._emitter = emitter
        self._counts: Counter[EndedTasks] = Counter()
        self._done: deque[tuple[Task, Future[TaskStatus]]] = deque()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="task-complete")
        self._called = False
        """Whether a thread has been called that has not looked yet."""
        self._took_s = self._next_at = 0.0
        self._closed = threading.Event()

    def close(self) -> None:
        """Begin to record no more of what the runner tells; the next start reads the store."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def counts(self) -> dict[EndedTasks, int]:
        """How many tasks have ended."""
        with self._lock:
            return dict(self._counts)

    # ---- what the runner tells

    def runner_is_done(self, task: Task, future: Future[TaskStatus]) -> None:
        """The runner has done with the task: record that soon, on another thread."""
        self._done.append((task, future))
        if not self._called:
            self._call()

    def _call(self) -> None:
        self._called = True
        try:
            self._pool.submit(self._record_done)
        except RuntimeError:  # closed in the meantime
            log.debug("Tasks ended after the queue had stopped")

    def _record_done(self) -> None:
        if len(self._done) < _TOGETHER:
            self._closed.wait(max(0.0, self._next_at - time.monotonic()))
        self._called = False  # before the look: what comes after it is seen by whoever is called for that
        ends: list[TaskEnd] = []
        while self._done and len(ends) < _TOGETHER:
            try:
                task, future = self._done.popleft()
            except IndexError:  # another thread was faster
                break
            ends.append(TaskEnd(task, _final_status(task, future), "notified status change from task"))
        if self._done and not self._called:
            self._call()
        if not ends or self._closed.is_set():
            return
        began = time.monotonic()
        self._next_at = began + min(_APART * self._took_s, _MAX_APART_S)
        try:
            self.record(ends)
            self._took_s = time.monotonic() - began
        except Exception:
            # these tasks stay in the queue and in the store; the queue's sync tries again
            log.exception("Recording the end of tasks %s failed", [end.task.id for end in ends])

    # ---- recording

    def record(self, ends: Iterable[TaskEnd]) -> None:
        """Record final statuses. An end that is known already is left as it is.

        When one cannot be recorded the others are; then the first failure is raised.
        """
        with self._lock:
            begun = [end for end in ends if self._entries.begin_to_end(end.task.id)]
        if not begun:
            return
        try:
            self._record(begun)
        finally:
            with self._lock:
                for end in begun:
                    self._entries.stop_ending(end.task.id)

    def _record(self, ends: Sequence[TaskEnd]) -> None:
        try:
            effective = self._storage.set_statuses([self._located(end) for end in ends])
        except (TypeError, ValueError):  # one that cannot be written as JSON must not keep the others
            if len(ends) == 1:
                raise
            _for_each(ends, lambda end: self._record([end]), "Recording the end of")
            return
        groups: list[Task] = []
        log.info("Completed %s", Listed([effective[end.task.id] for end in ends], _said))

        def clean_up(end: TaskEnd) -> None:
            if self._clean_up(end, effective[end.task.id]):
                groups.append(end.task)

        try:
            _for_each(ends, clean_up, "Cleaning up after")
        finally:
            if groups:
                self.groups_end(groups)
            self._on_recorded()

    def _located(self, end: TaskEnd) -> TaskStatus:
        status = end.status
        return status if status.location.is_known else status.with_location(self._runner.get_task_location(status.id))

    def _clean_up(self, end: TaskEnd, effective: TaskStatus) -> bool:
        """Have everybody forget the task, whose end is stored; whether it was the last of its group."""
        task = end.task
        try:
            self._runner.shutdown(task.id, end.reason)
        except Exception:
            log.exception("The runner failed to clean up task [%s]; going on", task.id)
        self._lockbox.remove(task)
        with self._lock:
            self._entries.pop(task.id)
            self._counts[EndedTasks(effective.is_success, task.data_source, task.type)] += 1
            is_last = not self._entries.is_group_active(task.group_id)
        self._emit_run_time(task, effective)
        return is_last

    def _emit_run_time(self, task: Task, status: TaskStatus) -> None:
        if self._emitter is not None:
            self._emitter.emit_metric(
                "task/run/time",
                status.duration,
                taskStatus=status.status.value,
                **task_dims(task),
            )

    def groups_end(self, last: Sequence[Task]) -> None:
        """These were the last tasks of their groups. Failures are logged."""
        try:
            self._on_groups_end(last)
        except Exception:
            log.exception("Cleaning up after task groups %s failed; going on", [task.group_id for task in last])


def _for_each(ends: Iterable[TaskEnd], step: Callable[[TaskEnd], object], what: str) -> None:
    """Take the step for all of them; then raise the first failure, if there was any."""
    failures: list[Exception] = []
    for end in ends:
        try:
            step(end)
        except Exception as failure:
            log.exception("%s task [%s] failed; going on with the others", what, end.task.id)
            failures.append(failure)
    if failures:
        raise failures[0]


def _final_status(task: Task, future: Future[TaskStatus]) -> TaskStatus:
    """What a future that is done says of its task."""
    if future.cancelled():
        return TaskStatus.failure(task.id, "Task was cancelled by its runner")
    error = future.exception()
    if error is not None:
        log.error("Running task [%s] failed", task.id, exc_info=error)
        return TaskStatus.failure(task.id, f"Failed to run task. {shortened(error)}")
    status = future.result()
    if status.is_running:
        return TaskStatus.failure(task.id, "The runner gave the task back without a final status")
    return status


def shortened(error: BaseException, limit: int = 200) -> str:
    """What the error says, for a status that somebody reads."""
    text = str(error) or type(error).__name__
    return text if len(text) <= limit else f"{text[:limit]}..."


def _said(status: TaskStatus) -> str:
    return f"task [{status.id}] with status [{status.status}] in {status.duration} ms"
