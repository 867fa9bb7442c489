"""``WorkerTaskMonitor``: the worker's protocol with Overlords whose runner is ``remote``, beside that over HTTP.

Tasks come as nodes below ``tasks/<worker>``; what becomes of them stands below ``status/<worker>``. In Druid the order
of the writes counts: status RUNNING, then the removal of the task's node, then its location, then its end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from attrs import define

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.indexing.worker.curator_coordinator import WorkerCuratorCoordinator
from nemeton.indexing.worker.outcomes import CANCELED_AS_UNKNOWN
from nemeton.indexing.worker.task_listener import WorkerTaskListener
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import TaskStatus
from nemeton.spi.discovery import DiscoveryKind
from nemeton.spi.indexing import Task, TaskResource

log = logging.getLogger(__name__)

_STOP_S = 2.0


@define(eq=False)
class _Write:
    """One thing to be brought into ZooKeeper. Two of one ``key`` that both wait are one: the later."""

    key: tuple[str, str]
    call: Callable[[], None]


class WorkerTaskMonitor(ChildrenListener, SessionListener, WorkerTaskListener):
    """Takes tasks from ZooKeeper and tells there what becomes of all tasks, wherever they came from. Thread-safe.

    Does nothing unless nodes find each other through ZooKeeper. Writes go out in order on a thread of their own and are
    tried again until they succeed, so that a ZooKeeper that is away holds up nobody.
    """

    def __init__(
        self,
        manager: WorkerTaskManager,
        coordinator: WorkerCuratorCoordinator,
        zookeeper: ZooKeeper,
        discovery: DiscoveryKind,
        json: Json,
        clock: Clock,
        emitter: ServiceEmitter,
    ) -> None:
        self.is_active = zookeeper.config.enabled and discovery.uses_zookeeper
        self._manager = manager
        self._coordinator = coordinator
        self._zookeeper = zookeeper
        self._json = json
        self._clock = clock
        self._emitter = emitter
        self._tasks = ChildrenCache(zookeeper, coordinator.tasks_path, self, clock)
        self._lost = False
        self._writes: deque[_Write] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write_all, name="task-monitor-writer", daemon=True)
        if self.is_active:
            manager.add_listener(self)

    @lifecycle_start
    def start(self) -> None:
        """Put the worker's nodes in order, announce the worker, and look for tasks. Raises when ZooKeeper is away."""
        if not self.is_active:
            return
        try:
            self._coordinator.make_folders()
            self._conclude_stale()
            self._coordinator.announce(enabled=self._manager.is_enabled)
            self._zookeeper.add_session_listener(self)
            self._writer.start()
            self._tasks.start()
        except Exception as failure:
            self._emitter.alert("Exception starting WorkerTaskMonitor", exception=failure)
            raise

    def _conclude_stale(self) -> None:
        """Status nodes of an earlier life that say RUNNING, of tasks that do not run: say how they ended."""
        completed = self._manager.completed_tasks
        alive = {*self._manager.assigned_tasks, *self._manager.running_tasks}
        for announced in self._coordinator.announcements():
            if announced.status.is_complete or announced.id in alive:
                continue
            ended = completed.get(announced.id) or announced.with_status(
                TaskStatus.failure(announced.id, CANCELED_AS_UNKNOWN)
            )
            log.info("Task [%s] does not run here; its status is now %s", announced.id, ended.status)
            self._coordinator.write_status(ended)

    @lifecycle_stop
    def stop(self) -> None:
        """Announce the worker no more; the status nodes stay as they are, for the next life."""
        if not self.is_active:
            return
        self._zookeeper.remove_session_listener(self)
        self._tasks.close()
        self._coordinator.unannounce()
        self._stopping.set()
        self._wake.set()
        if self._writer.is_alive():
            self._writer.join(_STOP_S)

    # ---- what ZooKeeper says

    def child_added(self, name: str, data: bytes) -> None:
        """A task for this worker. One that cannot be taken is announced as failed: nobody else would tell why."""
        try:
            task: Task = self._json.loads(data, Task)
            if not self._manager.assign_task(task):
                self._answer_known(task)
        except Exception as failure:  # noqa: BLE001 - the Overlord must hear of it
            self._emitter.alert("Cannot take a task", data={"task": name}, exception=failure)
            self._refuse(name, data, failure)

    def child_updated(self, name: str, data: bytes) -> None:
        """The node was taken away and made again, unseen: the Overlord waits for an answer to the new one."""
        self.child_added(name, data)

    def _answer_known(self, task: Task) -> None:
        """The Overlord has not seen, or has forgotten, that the worker has the task."""
        announced = {**self._manager.completed_tasks, **self._manager.running_tasks}.get(task.id)
        if announced is not None:  # else it is assigned, and will be started
            self.task_changed(announced)
            self.task_started(task.id)

    def _refuse(self, task_id: str, data: bytes, failure: Exception) -> None:
        try:
            given = dict(self._json.loads(data))
        except Exception:  # noqa: BLE001 - then its id is all there is
            given = {}
        status = TaskStatus.failure(task_id, f"The worker cannot take the task: {failure}")
        refused = TaskAnnouncement(
            id=task_id,
            type=given.get("type"),
            status=status.status,
            task_status=status.with_duration(0),
            task_resource=TaskResource(availability_group=task_id),
            task_data_source=given.get("dataSource"),
        )
        self.task_changed(refused)
        self.task_started(task_id)

    def lost(self) -> None:
        """The session is over: Overlords may take this worker for dead, and clean up after it."""
        self._lost = True

    def reconnected(self) -> None:
        """After a lost session say again how all tasks are: their nodes may have been cleared away."""
        if not self._lost:
            return
        self._lost = False
        self._write(("", "folders"), self._coordinator.make_folders)
        for announced in [*self._manager.running_tasks.values(), *self._manager.completed_tasks.values()]:
            self.task_changed(announced)

    # ---- what the manager says

    def task_changed(self, announcement: TaskAnnouncement) -> None:
        """See `WorkerTaskListener`."""
        self._write((announcement.id, "status"), partial(self._coordinator.write_status, announcement))

    def task_started(self, task_id: str) -> None:
        """See `WorkerTaskListener`."""
        self._write((task_id, "task"), partial(self._coordinator.remove_task, task_id))

    def task_forgotten(self, task_id: str) -> None:
        """See `WorkerTaskListener`. With ``httpRemote`` nobody else would remove the node."""
        self._write((task_id, "status"), partial(self._coordinator.remove_status, task_id))

    def enabled_changed(self, enabled: bool) -> None:
        """See `WorkerTaskListener`."""
        self._coordinator.announce(enabled=enabled)

    # ---- writing

    def _write(self, key: tuple[str, str], call: Callable[[], None]) -> None:
        with self._lock:
            # what waits behind a failing write is replaced by its newest state: one entry for each node, not more
            waiting = next((write for write in list(self._writes)[1:] if write.key == key), None)
            if waiting is not None:
                waiting.call = call
            else:
                self._writes.append(_Write(key, call))
        self._wake.set()

    def _write_all(self) -> None:
        backoff = Backoff(initial_s=0.2, max_s=5.0)
        while not self._stopping.is_set():
            self._wake.clear()
            with self._lock:
                first = self._writes[0] if self._writes else None
            if first is None:
                self._wake.wait(60)
                continue
            try:
                first.call()
            except Exception as failure:  # noqa: BLE001 - whatever it is, the next try may do better
                delay_s = backoff.next_delay()
                log.warning("Cannot write %s; trying again in %.1f s: %r", first.key, delay_s, failure)
                if backoff.tries == 1:
                    self._emitter.alert("Failed to update task announcement", data={"task": first.key[0]})
                self._clock.wait(self._stopping, delay_s)
            else:
                backoff.reset()
                with self._lock:
                    self._writes.popleft()
