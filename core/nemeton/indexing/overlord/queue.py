"""``TaskQueue``: from a submitted task to its final status."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, capacity_exceeded, invalid_input
from nemeton.common.listed import Listed
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.indexing.overlord.config import DefaultTaskConfig, TaskLockConfig, TaskQueueConfig
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.recovery import recover
from nemeton.indexing.overlord.storage import TaskInfo, TaskStorage
from nemeton.indexing.overlord.task_ends import TaskEnd, TaskEnds, shortened
from nemeton.indexing.overlord.task_entries import EndedTasks, TaskEntries, TaskEntry
from nemeton.indexing.task_dims import task_dims
from nemeton.json import Json
from nemeton.metadata.segment_rows import batches
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task, TaskActionClient, TaskContextEnricher, TaskRunner

log = logging.getLogger(__name__)

_MAX_WAIT_S = 60.0
_MAX_PAUSE_S = 0.1
_STOP_TIMEOUT_S = 30.0
#: So many tasks that are given to the runner share a line of the log.
_LOGGED_TOGETHER = 100


class TaskQueue:
    """Keeps the active tasks, starts those that are ready, and records how they end. Thread-safe.

    One thread manages: it looks at tasks that are not with the runner yet, whenever one is added, one ends (its locks
    may have been waited for), or a minute has passed. The store is written before memory, so that a crash at any point
    leaves a queue that :meth:`start` can rebuild.
    """

    def __init__(
        self,
        *,
        config: TaskQueueConfig,
        default_task_config: DefaultTaskConfig,
        lock_config: TaskLockConfig,
        storage: TaskStorage,
        runner: TaskRunner,
        lockbox: TaskLockbox,
        action_clients: Callable[[Task], TaskActionClient],
        json: Json,
        clock: Clock,
        enrichers: Iterable[TaskContextEnricher] = (),
        emitter: Any = None,
        on_groups_end: Callable[[Sequence[Task]], object] = lambda tasks: None,
    ) -> None:
        self._config = config
        self._default_task_config = default_task_config
        self._lock_config = lock_config
        self._storage = storage
        self._runner = runner
        self._lockbox = lockbox
        self._action_clients = action_clients
        self._json = json
        self._clock = clock
        self._enrichers = list(enrichers)
        self._emitter = emitter
        self._lock = threading.RLock()
        self._entries = TaskEntries()
        self._ends = TaskEnds(
            lock=self._lock,
            entries=self._entries,
            storage=storage,
            runner=runner,
            lockbox=lockbox,
            on_groups_end=on_groups_end,
            on_recorded=self._some_have_ended,
            num_threads=config.task_complete_handler_num_threads,
            emitter=emitter,
        )
        self._wake = threading.Event()
        self._active = False
        self._stopped = threading.Event()
        self._restored = threading.Event()
        self._thread: threading.Thread | None = None
        self._sync: ScheduledExecutor | None = None

    # ---- lifecycle

    def start(self) -> None:
        """Rebuild the queue and the locks from the store, then begin to manage."""
        with self._lock:
            if self._active:
                raise RuntimeError("TaskQueue is already started")
            self._active = True
            self._stopped.clear()
            self._restored.clear()
            self._recover()
            self._thread = threading.Thread(target=self._manage_loop, name="task-queue-manager", daemon=True)
            self._thread.start()
            self._sync = ScheduledExecutor("task-queue-sync", self._clock)
            rate = self._config.storage_sync_rate.to_seconds()
            self._sync.schedule_with_fixed_delay(self.sync_with_storage, rate, rate)

    def stop(self) -> None:
        """Stop managing, within a bound. Tasks stay with the runner and in the store."""
        with self._lock:
            self._active = False
            thread, self._thread = self._thread, None
            sync, self._sync = self._sync, None
            self._entries.clear()
        self._stopped.set()
        self._wake.set()
        if sync is not None:
            sync.shutdown()
        self._ends.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_TIMEOUT_S)
            if thread.is_alive():
                log.warning("The task queue's manager is still busy %.0f s after stop", _STOP_TIMEOUT_S)

    def _recover(self) -> None:
        recovered = recover(self._storage, self._lockbox)
        for info, task in recovered.active:
            self._entries.put(TaskEntry(task, info))
        last = [task for task in recovered.published if not self._entries.is_group_active(task.group_id)]
        if last:
            self._ends.groups_end(last)
        for task in recovered.to_fail:
            self.notify_status(
                task, TaskStatus.failure(task.id, "Failed to reacquire lock."), "Failed to reacquire lock"
            )
        log.info("Task queue starts with %d tasks and %d locks", len(self._entries), recovered.lock_count)

    # ---- submission

    def add(self, task: Task) -> Task:
        """Take a new task; return it as stored (with its context filled up).

        Raises ``entryAlreadyExists`` for an id that was ever used, ``capacityExceeded`` when the queue is full.
        """
        task = task.with_context(self._context_defaults(task))
        size = len(self._json.dumps(task))
        if size > self._config.max_task_payload_size:
            raise invalid_input(
                f"Task[{task.id}] has payload of size[{size}] but max allowed size is"
                f"[{self._config.max_task_payload_size}]."
            )
        with self._lock:
            self._require_active()
            if len(self._entries) >= self._config.max_size:
                raise capacity_exceeded(
                    f"Task queue already contains [{len(self._entries)}] tasks. Retry later or increase "
                    "'druid.indexer.queue.maxSize'"
                )
        info = self._storage.insert(task, TaskStatus.running(task.id))
        with self._lock:
            if not self._active:
                return task  # stored; the next leader runs it
            self._lockbox.add(task)
            self._entries.put(TaskEntry(task, info))
        self._request_management()
        return task

    def _require_active(self) -> None:
        if not self._active:
            raise DruidException("Task queue is not active", category="CAPACITY_EXCEEDED", persona="OPERATOR")

    def _context_defaults(self, task: Task) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "forceTimeChunkLock": self._lock_config.force_time_chunk_lock,
            "useLineageBasedSegmentAllocation": True,
            **self._default_task_config.context,
        }
        for enricher in self._enrichers:
            defaults.update(enricher.enrich(task))
        return defaults

    # ---- management

    def _request_management(self) -> None:
        self._wake.set()

    def _some_have_ended(self) -> None:
        """Whoever waits may have waited for their locks; when nobody does, there is nothing to do."""
        if self._entries.has_waiting:
            self._request_management()

    def _manage_loop(self) -> None:
        self._clock.wait(self._stopped, self._config.start_delay.to_seconds())
        while self._active:
            try:
                self._restore()
                self._restored.set()
                while self._active:
                    self._wake.clear()
                    began = self._clock.monotonic()
                    self.manage()
                    took = self._clock.monotonic() - began
                    self._clock.wait(self._stopped, min(took, _MAX_PAUSE_S))  # leave others half of the time at least
                    if self._active:  # a call that stop made before the clearing is lost
                        self._clock.wait(self._wake, _MAX_WAIT_S)
            except Exception:
                log.exception("Managing the task queue failed; again in %s", self._config.restart_delay)
                if self._emitter is not None:
                    self._emitter.alert("Failed to manage")
                self._clock.wait(self._stopped, self._config.restart_delay.to_seconds())

    def _restore(self) -> None:
        if self._restored.is_set():
            return
        for task, future in self._runner.restore():
            with self._lock:
                entry = self._entries.get(task.id)
                if entry is not None:
                    self._attach(entry, future)

    def manage(self) -> None:
        """One round: run what is ready, and shut down what the runner has and the queue does not."""
        futures = {item.task_id: item.result for item in self._runner.get_known_tasks()}
        with self._lock:
            waiting = self._entries.waiting
        for some in batches(waiting, _LOGGED_TOGETHER):
            started = [entry.task.id for entry in some if self._active and self._start_if_ready(entry, futures)]
            if started:
                log.info("The runner was asked to run %s", Listed(started, "task [{}]".format))
        self._shut_down_unknown(futures)

    def _start_if_ready(self, entry: TaskEntry, futures: Mapping[str, Future[TaskStatus]]) -> bool:
        """Give the task to the runner, unless that has it already: workers go on while another Overlord takes over.

        Whether it was given to the runner.
        """
        task = entry.task
        with self._lock:
            if not self._entries.is_waiting(task.id):
                return False
            if task.id in futures:
                self._attach(entry, futures[task.id])
                return False
        ready = self._is_ready(task)
        if ready is False:
            self._lockbox.unlock_all(task)
        with self._lock:
            if not ready or not self._entries.is_waiting(task.id):  # it ended while it was asked
                return False
            self._attach(entry, self._runner.run(task))
            self._emit("task/waiting/time", self._clock.now() - entry.info.created_time, task)
            return True

    def _is_ready(self, task: Task) -> bool | None:
        """Ask the task; None when it failed at the question, and has been ended for that."""
        try:
            return task.is_ready(self._action_clients(task))
        except Exception as error:
            log.exception("Exception thrown during isReady for task [%s]", task.id)
            message = f"Encountered error[{shortened(error)}] while checking if task is ready."
            self.notify_status(
                task, TaskStatus.failure(task.id, f"{message} See Overlord logs for more details."), message
            )
            return None

    def _attach(self, entry: TaskEntry, future: Future[TaskStatus]) -> None:
        self._entries.end_waiting(entry.task.id)
        entry.future = future
        future.add_done_callback(lambda done: self._ends.runner_is_done(entry.task, done))

    def _shut_down_unknown(self, known: Iterable[str]) -> None:
        with self._lock:
            if not self._active:
                return  # a queue that was stopped meanwhile knows no task at all
            unknown = [id_ for id_ in known if id_ not in self._entries and not self._entries.is_ending(id_)]
        for task_id in unknown:
            if not self._active:
                return
            try:
                self._runner.shutdown(task_id, "Task is not in knownTaskIds")
            except Exception:
                log.exception("Shutting down the unknown task [%s] failed; going on with the others", task_id)

    # ---- the end of a task

    def shutdown(self, task_id: str, reason: str) -> None:
        """End the task as FAILED with ``reason``. For a task that has ended nothing happens."""
        with self._lock:
            entry = self._entries.get(task_id)
        if entry is not None:
            self.notify_status(entry.task, TaskStatus.failure(task_id, reason), reason)

    def notify_status(self, task: Task, status: TaskStatus, reason: str) -> None:
        """Record a final status: first in the store, then with the runner, then in memory and the lockbox."""
        if not status.is_complete:
            raise ValueError(f"Status of task [{task.id}] is not final: {status}")
        self._ends.record([TaskEnd(task, status, reason)])

    def _emit(self, metric: str, value: float, task: Task, **more: str) -> None:
        if self._emitter is not None:
            self._emitter.emit_metric(metric, value, **task_dims(task), **more)

    # ---- storage sync

    def sync_with_storage(self) -> None:
        """Make memory follow the store: tasks that another hand has added or ended there."""
        if not self._active:
            return
        before = {entry.task.id for entry in self._snapshot()}
        stored = {info.id: info for info in self._storage.get_active_infos()}
        with self._lock:
            gone = [e.task for e in self._entries if e.task.id in before and e.task.id not in stored]
            gone = [task for task in gone if not self._entries.is_ending(task.id)]
            added = [i for i in stored.values() if i.id not in self._entries and not self._entries.is_ending(i.id)]
        for task in gone:
            if not self._is_active_in_store(task.id):
                log.info("Task [%s] is no longer active in the store", task.id)
                self._forget(task)
        for info in added:
            self._take_up(info)
        self._retry_unrecorded_ends()
        self._request_management()

    def _take_up(self, info: TaskInfo) -> None:
        if info.published:
            return
        try:
            task = self._storage.get_task(info.id)
        except DruidException:
            log.exception("Task [%s], which was added to the store, cannot be read; it is left there", info.id)
            return
        if task is None or not self._is_active_in_store(info.id):
            return
        with self._lock:
            if not self._entries.is_ending(info.id):
                self._lockbox.add(task)
                self._entries.put(TaskEntry(task, info))

    def _retry_unrecorded_ends(self) -> None:
        """Tasks whose end could not be written when it happened (the store was away for long)."""
        for entry in self._snapshot():
            if entry.future is not None and entry.future.done() and not self._entries.is_ending(entry.task.id):
                self._ends.runner_is_done(entry.task, entry.future)

    def _is_active_in_store(self, task_id: str) -> bool:
        status = self._storage.get_status(task_id)
        return status is not None and status.is_running

    def _forget(self, task: Task) -> None:
        with self._lock:
            self._entries.pop(task.id)
        self._lockbox.remove(task)

    # ---- looking

    def _snapshot(self) -> list[TaskEntry]:
        with self._lock:
            return list(self._entries)

    def get_active_task(self, task_id: str) -> Task | None:
        """Return the task of this id while it is in the queue."""
        with self._lock:
            entry = self._entries.get(task_id)
            return None if entry is None else entry.task

    def get_tasks(self) -> list[Task]:
        """Return all tasks in the queue, in the order they came."""
        return [entry.task for entry in self._snapshot()]

    def get_active_tasks_for_datasource(self, data_source: str) -> dict[str, Task]:
        """Return the queue's tasks of a data source by id."""
        return {e.task.id: e.task for e in self._snapshot() if e.task.data_source == data_source}

    def get_active_infos(self, data_source: str | None = None) -> list[TaskInfo]:
        """Return what the store knows of the tasks in the queue, oldest first, without asking it."""
        infos = [e.info for e in self._snapshot() if data_source is None or e.info.data_source == data_source]
        return sorted(infos, key=lambda info: (info.created_time, info.id))

    def waiting_task_ids(self) -> set[str]:
        """Ids of tasks that the runner does not have yet."""
        with self._lock:
            return {entry.task.id for entry in self._entries.waiting}

    def handed_over_task_ids(self) -> set[str]:
        """Ids of tasks that the runner was given, until their end is recorded."""
        return {entry.task.id for entry in self._snapshot() if entry.future is not None}

    def is_handed_over(self, task_id: str) -> bool:
        """Whether the runner was given the task, and its end is not recorded."""
        with self._lock:
            entry = self._entries.get(task_id)
            return entry is not None and entry.future is not None

    def ended_tasks(self) -> dict[EndedTasks, int]:
        """How many tasks have ended since the start."""
        return self._ends.counts()

    @property
    def is_active(self) -> bool:
        """True between :meth:`start` and :meth:`stop`."""
        return self._active
