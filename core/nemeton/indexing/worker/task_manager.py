"""``WorkerTaskManager``: the tasks that this worker was given, until the Overlord knows their ends.

A task is *assigned* (kept on disk, so that a crash loses nothing), then *running* (with the runner), then *completed*
(kept on disk until the Overlord has confirmed that it knows). Each step is told in order to the change history, which
Overlords read by long poll, and then to the listeners: the ZooKeeper side is one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial

from attrs import define

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter import ServiceEmitter
from nemeton.http.change_history import ChangeRequestHistory, ChangeRequestsSnapshot, Counter
from nemeton.indexing.announcements import (
    TaskAnnouncement,
    TaskRemoval,
    TaskUpdate,
    WorkerHistoryItem,
    WorkerMetadata,
)
from nemeton.indexing.worker.task_files import WorkerTaskFiles
from nemeton.indexing.worker.task_listener import WorkerTaskListener
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.lifecycle.handlers import patience_of
from nemeton.model import TaskLocation, TaskStatus
from nemeton.rpc.client import RetryPolicy
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import Task, TaskRunner, TaskRunnerListener

log = logging.getLogger(__name__)

_LISTENER_ID = "WorkerTaskManager"
_CLEANUP_DELAY_S = 60.0
_CLEANUP_PERIOD_S = 300.0
_CLEANUP_BATCH = 1000
_CLEANUP_POLICY = RetryPolicy(deadline_s=30.0)
_FAILED_TO_RUN = "Failed to run task with an exception. See middleManager or indexer logs for more details."


@define(eq=False)
class _Running:
    """A task that is with the runner."""

    task: Task
    started_at: float
    announcement: TaskAnnouncement
    ended: TaskAnnouncement | None = None


class WorkerTaskManager:
    """Takes tasks, runs them, announces what becomes of them. Thread-safe. Start and stop it once.

    Does not look at its capacity: the Overlord reckons with slots, and the runner lets what is too much wait.
    """

    def __init__(
        self,
        runner: TaskRunner,
        files: WorkerTaskFiles,
        overlord: OverlordClient,
        clock: Clock,
        emitter: ServiceEmitter,
    ) -> None:
        self._runner = runner
        self._files = files
        self._overlord = overlord.with_policy(_CLEANUP_POLICY)
        self._clock = clock
        self._emitter = emitter
        self._lock = threading.RLock()
        self._enabling = threading.Lock()
        self._listeners: list[WorkerTaskListener] = []
        self._assigned: dict[str, Task] = {}
        self._running: dict[str, _Running] = {}
        self._completed: dict[str, TaskAnnouncement] = {}
        self._history: ChangeRequestHistory[WorkerHistoryItem] = ChangeRequestHistory(clock)
        self._disabled = False
        self._notices: ScheduledExecutor | None = None
        self._cleaner = ScheduledExecutor("WorkerTaskManager-CompletedTasksCleaner", clock)

    def add_listener(self, listener: WorkerTaskListener) -> None:
        """Tell the listener of everything from now on."""
        self._listeners.append(listener)

    # ---- lifecycle

    @lifecycle_start
    def start(self) -> None:
        """Take up what an earlier life left on disk. Raises what makes that impossible, after an alert."""
        try:
            with self._lock:
                self._files.prepare()
                self._notices = ScheduledExecutor("WorkerTaskManager-NoticeHandler", self._clock)
                self._runner.start()
                self._runner.register_listener(_RunnerEvents(self))
                self._load_completed()
                self._runner.tell_of_earlier_ends(self._add_ended)
                self._restore()
                self._load_assigned()
                self._cleaner.schedule_with_fixed_delay(self.clean_up_completed, _CLEANUP_DELAY_S, _CLEANUP_PERIOD_S)
        except Exception as failure:
            self._emitter.alert("Exception starting WorkerTaskManager", exception=failure)
            self.stop()
            raise

    def _restore(self) -> None:
        for task, future in self._runner.restore():
            if task.id not in self._completed:
                self._add_running(task, future)
            else:  # the worker died between keeping its end and removing its folder
                self._runner.shutdown(task.id, "It has ended with an earlier life of this worker")

    def _add_ended(self, task: Task, status: TaskStatus) -> None:
        """A task that ended with an earlier life of this worker: nobody else can tell the Overlord how."""
        if task.id in self._completed or task.id in self._running:
            return
        log.info("Task [%s] ended with an earlier life of this worker: %s", task.id, status.status)
        announcement = TaskAnnouncement.of(task, status)
        self._keep_completed(announcement)
        self._completed[task.id] = announcement

    def _load_completed(self) -> None:
        self._completed = {announced.id: announced for announced in self._files.completed()}
        if self._completed:
            ended = ", ".join(f"{each.id} ({each.status})" for each in self._completed.values())
            log.info("Found %d completed tasks of an earlier life: %s", len(self._completed), ended)

    def _load_assigned(self) -> None:
        for task in self._files.assigned():
            if task.id in self._running or task.id in self._completed:
                self._files.remove_assigned(task.id)  # it was started, and the worker died before it noted so
            else:
                log.info("Found assigned task [%s] of an earlier life", task.id)
                self._assigned[task.id] = task
                self._submit(partial(self._run, task), task.id)

    @property
    def stop_patience_s(self) -> float:
        """As the runner says."""
        return patience_of(self._runner)

    @lifecycle_stop
    def stop(self) -> None:
        """Stop the runner; what becomes of its tasks from here on is for the next life to tell."""
        self._runner.unregister_listener(_LISTENER_ID)
        self._cleaner.shutdown()
        with self._lock:
            notices, self._notices = self._notices, None
        if notices is not None:
            notices.shutdown()
        self._runner.stop()
        self._history.close()

    # ---- notices: one at a time, in order

    def _submit(self, notice: Callable[[], None], task_id: str) -> None:
        with self._lock:
            if self._notices is None:
                log.debug("The worker stops; a notice about task [%s] is left to its next life", task_id)
                return
            self._notices.schedule(lambda: self._handle(notice, task_id), 0)

    def _handle(self, notice: Callable[[], None], task_id: str) -> None:
        try:
            notice()
        except Exception as failure:  # noqa: BLE001 - the next notice must be handled
            data = {"noticeClass": getattr(getattr(notice, "func", notice), "__name__", "?"), "noticeTaskId": task_id}
            self._emitter.alert("Failed to handle notice", data=data, exception=failure)

    # ---- from assignment to the end

    def assign_task(self, task: Task) -> bool:
        """Take a task; one that is known already changes nothing, and False says so. Raises OSError: cannot be kept."""
        with self._lock:
            if self._notices is None:
                raise RuntimeError("not started")
            if task.id in self._assigned or task.id in self._running or task.id in self._completed:
                log.warning("Request to assign task [%s] ignored because it exists already", task.id)
                return False
            self._files.put_assigned(task)
            self._assigned[task.id] = task
            self._tell(TaskUpdate(TaskAnnouncement.of(task, TaskStatus.running(task.id))))
        self._submit(partial(self._run, task), task.id)
        return True

    def _run(self, task: Task) -> None:
        with self._lock:
            if task.id in self._running or task.id in self._completed:
                log.warning("Task [%s] is to be run, but runs already or has ended", task.id)
                self._assigned.pop(task.id, None)
                return
            announcement = self._add_running(task, self._runner.run(task))
            self._assigned.pop(task.id, None)  # its file stays until the runner has begun: a crash must not lose it
            self._tell(TaskUpdate(announcement))
            log.info("Task [%s] started", task.id)
        self._tell_listeners(lambda listener: listener.task_changed(announcement), task.id)
        self._tell_listeners(lambda listener: listener.task_started(task.id), task.id)

    def _add_running(self, task: Task, future: Future[TaskStatus]) -> TaskAnnouncement:
        announcement = TaskAnnouncement.of(task, TaskStatus.running(task.id))
        self._running[task.id] = _Running(task, self._clock.monotonic(), announcement)
        future.add_done_callback(lambda done: self._on_done(task, done))
        return announcement

    def _on_done(self, task: Task, future: Future[TaskStatus]) -> None:
        if future.cancelled():
            log.info("Task [%s] was given back by its runner, which stops", task.id)
            return
        error = future.exception()
        if error is None:
            status = future.result()
        else:
            log.error("Running task [%s] failed", task.id, exc_info=error)
            status = TaskStatus.failure(task.id, _FAILED_TO_RUN)
        self._submit(partial(self._complete, task.id, status), task.id)

    def runner_says_ended(self, task_id: str, status: TaskStatus) -> None:
        """Keep the end of a task on disk while the runner still has its folder, so that no crash loses it."""
        with self._lock:
            running = self._running.get(task_id)
        if running is not None and status.is_complete:
            running.ended = self._ended(running, status)
            self._keep_completed(running.ended)

    def _ended(self, running: _Running, status: TaskStatus) -> TaskAnnouncement:
        millis = int((self._clock.monotonic() - running.started_at) * 1000)
        location = status.location if status.location.is_known else None
        return running.announcement.with_status(status.with_duration(millis), location)

    def _keep_completed(self, announcement: TaskAnnouncement) -> None:
        try:
            self._files.put_completed(announcement)
        except Exception as failure:  # noqa: BLE001 - the Overlord is told, if only from memory
            self._emitter.alert(
                "Cannot keep the end of a task on disk", data={"task": announcement.id}, exception=failure
            )

    def _complete(self, task_id: str, status: TaskStatus) -> None:
        with self._lock:
            running = self._running.get(task_id)
            if running is None:
                log.warning("Got status notice for task [%s] that isn't running", task_id)
                return
            if not status.is_complete:
                log.warning("Got status notice for task [%s] that isn't complete: %s", task_id, status.status)
                return
            ended = running.ended
            if ended is None:
                ended = self._ended(running, status)
                self._keep_completed(ended)
            if running.announcement.task_location.is_known:
                ended = ended.with_status(ended.task_status, running.announcement.task_location)
            self._files.remove_assigned(task_id)
            del self._running[task_id]
            self._completed[task_id] = ended
            self._tell(TaskUpdate(ended))
            log.info("Task [%s] completed with status [%s]", task_id, status.status)
        self._tell_listeners(lambda listener: listener.task_changed(ended), task_id)

    def runner_says_located(self, task_id: str, location: TaskLocation) -> None:
        """Announce where the task runs."""
        self._submit(partial(self._locate, task_id, location), task_id)

    def _locate(self, task_id: str, location: TaskLocation) -> None:
        with self._lock:
            running = self._running.get(task_id)
            if running is None:
                log.warning("Got location notice for task [%s] that isn't running", task_id)
                return
            if running.announcement.task_location == location:
                return
            self._files.remove_assigned(task_id)
            announcement = running.announcement.with_status(running.announcement.task_status, location)
            running.announcement = announcement
            self._tell(TaskUpdate(announcement))
        self._tell_listeners(lambda listener: listener.task_changed(announcement), task_id)

    # ---- telling

    def _tell(self, item: WorkerHistoryItem) -> None:
        self._history.add([item])

    def _tell_listeners(self, call: Callable[[WorkerTaskListener], None], task_id: str) -> None:
        for listener in self._listeners:
            try:
                call(listener)
            except Exception as failure:  # noqa: BLE001 - told again at the next change
                self._emitter.alert("Failed to update task announcement", data={"task": task_id}, exception=failure)

    def snapshot(self) -> ChangeRequestsSnapshot[WorkerHistoryItem]:
        """All that an Overlord must know, and the place in the history from which to go on."""
        with self._lock:
            items: list[WorkerHistoryItem] = [WorkerMetadata(self._disabled)]
            items += [
                TaskUpdate(TaskAnnouncement.of(task, TaskStatus.running(task.id))) for task in self._assigned.values()
            ]
            items += [TaskUpdate(running.announcement) for running in self._running.values()]
            items += [TaskUpdate(announcement) for announcement in self._completed.values()]
            return ChangeRequestsSnapshot(self._history.last_counter, items)

    async def changes_since(self, place: Counter, timeout_s: float) -> ChangeRequestsSnapshot[WorkerHistoryItem] | None:
        """What has changed since a place in the history; waits for a change, and gives None when none has come."""
        if place.counter < 0:
            return await asyncio.to_thread(self.snapshot)  # whoever has the lock may be waiting for a disk
        return await self._history.wait_since(place, timeout_s)

    # ---- enabling

    @property
    def is_enabled(self) -> bool:
        """Whether the worker wants new tasks."""
        return not self._disabled

    def set_enabled(self, enabled: bool) -> None:
        """Want new tasks, or none; those that run go on. Raises when a listener cannot announce it."""
        with self._enabling:  # listeners wait for ZooKeeper; tasks must not
            for listener in self._listeners:
                listener.enabled_changed(enabled)
            with self._lock:
                if self._disabled == enabled:
                    self._disabled = not enabled
                    self._tell(WorkerMetadata(self._disabled))

    # ---- what is over

    def clean_up_completed(self) -> None:
        """Ask the Overlord about the completed tasks, and forget those that it knows to have ended or does not know."""
        with self._lock:
            ids = list(self._completed)
        for start in range(0, len(ids), _CLEANUP_BATCH):
            batch = ids[start : start + _CLEANUP_BATCH]
            try:
                known = self._overlord.task_statuses(batch)
            except Exception as failure:  # noqa: BLE001 - whatever it is, the next run asks again
                log.warning("Cannot ask the Overlord about completed tasks; will try again: %s", failure)
                return
            self._forget_completed(task_id for task_id in batch if task_id not in known or known[task_id].is_complete)

    def _forget_completed(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            with self._lock:
                if self._completed.pop(task_id, None) is None:
                    continue
                self._files.remove_completed(task_id)
                self._tell(TaskRemoval(task_id))
            self._tell_listeners(partial(_forgotten, task_id), task_id)

    # ---- numbers

    @property
    def completed_tasks(self) -> Mapping[str, TaskAnnouncement]:
        """The ends that the Overlord may not know yet, by task id; a copy."""
        with self._lock:
            return dict(self._completed)

    @property
    def running_tasks(self) -> Mapping[str, TaskAnnouncement]:
        """The tasks that are with the runner, by id; a copy."""
        with self._lock:
            return {task_id: running.announcement for task_id, running in self._running.items()}

    @property
    def assigned_tasks(self) -> Mapping[str, Task]:
        """The tasks that are to be started, by id; a copy."""
        with self._lock:
            return dict(self._assigned)


def _forgotten(task_id: str, listener: WorkerTaskListener) -> None:
    listener.task_forgotten(task_id)


class _RunnerEvents(TaskRunnerListener):
    """The runner's words, handed on."""

    def __init__(self, manager: WorkerTaskManager) -> None:
        self._manager = manager

    @property
    def listener_id(self) -> str:
        return _LISTENER_ID

    def location_changed(self, task_id: str, location: TaskLocation) -> None:
        self._manager.runner_says_located(task_id, location)

    def status_changed(self, task_id: str, status: TaskStatus) -> None:
        if status.is_complete:
            self._manager.runner_says_ended(task_id, status)
