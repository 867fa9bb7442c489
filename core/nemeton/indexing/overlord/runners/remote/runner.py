"""``RemoteTaskRunner``: workers and tasks through ZooKeeper (runner type ``remote``)."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Sequence
from functools import partial

from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.http.pool import HandlerPool, PoolFullError
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.indexing.overlord.runners.assigner import Assignment, Delivery
from nemeton.indexing.overlord.runners.base import RunnerParts
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.life import Life
from nemeton.indexing.overlord.runners.remote.nodes import IndexerNodes
from nemeton.indexing.overlord.runners.remote.statuses import StatusNodes
from nemeton.indexing.overlord.runners.remote.worker import ZkWorkerHolder
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.json import Json
from nemeton.model import TaskStatus, Worker
from nemeton.plugins import json_type

log = logging.getLogger(__name__)

#: So many tasks may be on their way at a time, whatever the configuration says; each waits for ZooKeeper alone.
_MIN_THREADS = 8
#: Threads that read status nodes; a worker has always the same one, which keeps its news in order.
_READERS = 16
_LOOK_EVERY_S = 30.0
_STOP_TIMEOUT_S = 1.0
_GIVE_UP_AFTER_S = 300.0
_LOST = "Canceled for worker cleanup. See overlord logs for more details."


@json_type("remote")
class RemoteTaskRunner(StatusNodes, ChildrenListener):
    """Gives tasks to workers as ephemeral nodes and hears of them by status nodes, as ZooKeeper tells of both.

    A task counts as running from the moment that its node is there. See :class:`FleetTaskRunner` for what it shares
    with ``httpRemote``, and docs/protocols/worker-zookeeper.md for the protocol.
    """

    name = "remote"
    overdue_message = (
        "The worker that this task is assigned did not start it in timeout[{}]. See overlord logs for more details."
    )

    def __init__(self, parts: RunnerParts, zookeeper: ZooKeeper, json: Json) -> None:
        super().__init__(parts, json)
        self._zookeeper = zookeeper
        self._nodes = IndexerNodes(zookeeper, parts.clock, parts.config.max_znode_bytes)
        self._cache: ChildrenCache | None = None
        self._followed: dict[str, ZkWorkerHolder] = {}
        self._unread: set[str] = set()
        self._list_is_read = False
        self._heard = threading.Event()
        self._senders = HandlerPool(f"{self.name}-assign", 1, queue_size=0)
        self._readers: list[ScheduledExecutor] = []

    # ---- workers that come and go

    def _find_workers(self, life: Life) -> None:
        _ = self._zookeeper.client  # raises when there is no ZooKeeper
        self._readers = [ScheduledExecutor(f"{self.name}-status-{number}", self._clock) for number in range(_READERS)]
        threads = max(self._config.pending_tasks_runner_num_threads, _MIN_THREADS)
        self._senders = HandlerPool(f"{self.name}-assign", threads, queue_size=0)
        self._list_is_read = False
        self._unread.clear()
        self._followed.clear()
        self._cache = ChildrenCache(self._zookeeper, self._nodes.announcements_path, self, self._clock)
        self._cache.start()
        deadline = self._clock.monotonic() + _GIVE_UP_AFTER_S
        while True:
            self._heard.clear()
            with self._state.lock:
                if life.ended.is_set() or (self._list_is_read and not self._unread):
                    return
                waiting_for = "the list of workers" if not self._list_is_read else f"workers {sorted(self._unread)}"
            if self._clock.monotonic() >= deadline:
                raise RuntimeError(f"ZooKeeper has not told of {waiting_for} in {_GIVE_UP_AFTER_S:.0f} s")
            log.info("Waiting for ZooKeeper to tell of %s", waiting_for)
            self._clock.wait(self._heard, _LOOK_EVERY_S)

    def _leave_workers(self) -> None:
        self._heard.set()
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()
        with self._state.lock:
            holders = list(self._followed.values())
            for holder in holders:
                holder.is_followed = False
        for holder in holders:
            holder.stop()
        self._senders.close()
        for reader in self._readers:
            reader.shutdown(_STOP_TIMEOUT_S)

    def initialized(self) -> None:
        """See :class:`ChildrenListener`: the list of workers is complete."""
        for host in self._workers_that_went():
            self._worker_lost(host)
        with self._state.lock:
            self._list_is_read = True
        self._heard.set()

    def _workers_that_went(self) -> list[str]:
        """Workers that have left status nodes and did not come back, while no Overlord looked."""
        try:
            return sorted(set(self._nodes.workers_with_status()) - set(self._nodes.announced_workers()))
        except Exception:
            log.warning("Could not look for workers that went away before the start. Skipping.", exc_info=True)
            return []

    def child_added(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`: a worker has come. It counts when its status nodes have been read."""
        worker = self._worker_in(name, data)
        if worker is None:
            return
        log.info("Worker [%s] reportin' for duty!", worker.host)
        self._worker_came(worker.host)
        now = self._clock.now()
        holder = ZkWorkerHolder(worker, now, self._status_written, self._status_removed, self._initialized)
        with self._state.lock:
            self._unread.add(worker.host)
            self._followed[name] = holder
        reader = self._readers[zlib.crc32(worker.host.encode()) % _READERS]
        holder.follow(self._zookeeper, self._nodes.status_path(worker.host), self._clock, reader)

    def _worker_read(self, holder: ZkWorkerHolder) -> None:
        with self._state.lock:
            added = holder.is_followed and self._state.fleet.add(holder)
            self._unread.discard(holder.host)
        if not added and holder.is_followed:
            message = f"This should not happen...tried to add already-existing worker[{holder.host}]"
            self._emitter.alert(message, data={"workerHost": holder.host, "workerIp": holder.worker.ip})
        self._heard.set()
        self._wake_assigner()

    def child_updated(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`: a worker has another capacity or version; the version "" disables it."""
        worker = self._worker_in(name, data)
        if worker is None:
            return
        with self._state.lock:
            holder = self._followed.get(name)
            if holder is None or (holder.worker.host, holder.worker.ip) != (worker.host, worker.ip):
                log.warning("Worker [%s] is not known by this name; its update is ignored", worker.host)
                return
            log.info("Worker [%s] updated its announcement from [%s] to [%s]", worker.host, holder.worker, worker)
            holder.worker = worker
            self._state.fleet.refresh(holder)
        self._wake_assigner()

    def child_removed(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`: a worker has gone."""
        with self._state.lock:
            holder = self._followed.pop(name, None)
            if holder is None:
                return
            log.info("Kaboom! Worker [%s] removed!", holder.host)
            holder.is_followed = False
            self._unread.discard(holder.host)
            if self._state.fleet.get(holder.host) is holder:
                self._state.fleet.remove(holder.host)
        self._worker_lost(holder.host)
        holder.stop()
        self._heard.set()

    def _worker_in(self, name: str, data: bytes) -> Worker | None:
        try:
            return self._json.loads(data, Worker)
        except Exception as error:  # noqa: BLE001 - told to the operators; the other workers are read as well
            self._emitter.alert("Failed to read a worker's announcement", data={"worker": name}, exception=error)
            return None

    # ---- workers that stay away

    def _clean_up_lost_worker(self, host: str) -> None:
        life = self._life
        if life is not None:
            self._nodes.insist(lambda: self._clean_up(host), lambda: self._state.fleet.get(host) is None, life.ended)

    def _clean_up(self, host: str) -> None:
        """End what the worker had, and delete its nodes. Done again when ZooKeeper fails in between."""
        with self._state.lock:
            running = {item.task_id: item for item in self._state.items.running_on(host)}
        log.info("Cleaning up after worker [%s], which has [%d] running tasks", host, len(running))
        for task_id in sorted({*running, *self._nodes.given(host), *self._nodes.statuses(host)}):
            item = running.get(task_id)
            status = self._last_word(host, task_id) or TaskStatus.failure(task_id, _LOST)
            self._nodes.take_back(host, task_id)
            self._nodes.delete_status(host, task_id)
            if item is not None:
                log.info("Ending task [%s] as %s", task_id, status.status)
                self._complete(item, status)
            else:
                log.warning("Nothing is known here of task [%s] of worker [%s]", task_id, host)
        self._nodes.delete_status_folder(host)

    def _last_word(self, host: str, task_id: str) -> TaskStatus | None:
        """The end of the task, if the worker wrote it before it went."""
        data = self._nodes.read_status(host, task_id)
        try:
            status = self._json.loads(data, TaskAnnouncement).task_status if data else None
        except Exception:
            log.warning("The status node of task [%s] of worker [%s] cannot be read", task_id, host, exc_info=True)
            return None
        return status if status is not None and status.is_complete else None

    # ---- tasks to workers

    def send(self, assignments: Sequence[Assignment]) -> None:
        """See :class:`Deliverer`."""
        for assignment in assignments:
            try:
                self._senders.submit(partial(self._send, assignment), always=True)
            except PoolFullError:
                log.debug("Task [%s] is not assigned: the runner stops", assignment.item.task_id)

    def _send(self, assignment: Assignment) -> None:
        try:
            outcome: Delivery | Exception = self._deliver(assignment.item, assignment.holder)
        except Exception as failure:  # noqa: BLE001 - it belongs to the task
            outcome = failure
        self.delivered(assignment, outcome)

    def _deliver(self, item: RemoteWorkItem, holder: WorkerHolder | None) -> Delivery:
        """Make the task's node; from then on it counts as running."""

        def is_wanted() -> bool:
            with self._state.lock:
                there = self._state.fleet.get(host) is holder and not self._state.fleet.is_lazy(host)
                return there and item.state is ItemState.PENDING_WORKER_ASSIGN and item.stop_reason is None

        life = self._life
        host = "" if holder is None else holder.host
        if life is None or not is_wanted():
            log.info("Not assigning task [%s] to worker [%s] any more", item.task_id, host)
            return Delivery.NOT_GIVEN
        payload = self._json.dumps(item.task)
        self._nodes.insist(lambda: self._nodes.give(host, item.task_id, payload), is_wanted, life.ended)
        with self._state.lock:
            mine = self._state.items.get(item.task_id) is item  # else the runner was started anew meanwhile
            if mine and item.state is ItemState.PENDING_WORKER_ASSIGN and isinstance(holder, ZkWorkerHolder):
                self._is_given(item, holder)
        return Delivery.GIVEN

    def _asked_again(self, item: RemoteWorkItem) -> None:
        with self._state.lock:
            holder = None if item.host is None else self._state.fleet.get(item.host)
            announcement = None if holder is None else holder.announces(item.task_id)
        if announcement is None:
            log.warning("Told to run task [%s], but no worker has started running it yet.", item.task_id)
        elif announcement.task_status.is_complete:
            self._complete(item, announcement.task_status, holder)

    def _shut_down_on_worker(self, worker: Worker, task_id: str) -> None:
        timeout_s = self._config.task_shutdown_link_timeout.to_seconds()
        self._client.shut_down(worker, task_id, tries=1, timeout_s=timeout_s)

    def _forget_ended(self, item: RemoteWorkItem) -> None:
        life, host = self._life, item.host
        if life is None or host is None:
            return

        def delete() -> None:
            if not item.acknowledged:
                self._nodes.take_back(host, item.task_id)
            self._nodes.delete_status(host, item.task_id)

        insist = self._nodes.insist
        life.in_background(("nodes", host, item.task_id), lambda: insist(delete, lambda: True, life.ended))
