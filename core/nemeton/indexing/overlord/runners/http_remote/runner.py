"""``HttpRemoteTaskRunner``: workers found by discovery and followed by long poll (runner type ``httpRemote``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.indexing.overlord.runners.assigner import Assignment, Delivery
from nemeton.indexing.overlord.runners.base import RunnerParts
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.http_remote.discovery import WorkerDiscovery
from nemeton.indexing.overlord.runners.http_remote.reports import HttpWorkerReports
from nemeton.indexing.overlord.runners.http_remote.status_nodes import StatusNodeCleaner
from nemeton.indexing.overlord.runners.http_remote.traffic import TaskRequest, WorkerTraffic
from nemeton.indexing.overlord.runners.http_remote.worker import HttpWorkerHolder
from nemeton.indexing.overlord.runners.life import Life
from nemeton.indexing.overlord.runners.remote.nodes import IndexerNodes
from nemeton.indexing.overlord.runners.work_item import ItemState
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.json import Json
from nemeton.model import TaskStatus, Worker
from nemeton.plugins import json_type
from nemeton.spi.auth import Escalator
from nemeton.spi.discovery import DruidNodeDiscoveryProvider

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
#: When status nodes in ZooKeeper are cleared away, as in Druid.
_CLEAN_AFTER_S, _CLEAN_EVERY_S = 60.0, 300.0
#: A worker that could not be reached is tried again after this, also when its sync has brought no news.
_SET_ASIDE_S = 10.0
#: A syncer that has not worked for so many times the longest poll is replaced, as in Druid.
_POLLS_UNTIL_RESET = 3
_LOST = (
    "The worker that this task was assigned disappeared and did not report cleanup within timeout[{}]. "
    "See overlord and middleManager/indexer logs for more details."
)


@json_type("httpRemote")
class HttpRemoteTaskRunner(HttpWorkerReports):
    """Gives tasks to workers by POST and hears of them by one long poll for each worker.

    It has no state of its own that must outlive it: a new leader hears from the workers what they run. See
    :class:`FleetTaskRunner` for what it shares with ``remote``, and docs/protocols/worker-http.md for the protocol.
    """

    name = "httpRemote"
    overdue_message = (
        "The worker that this task is assigned did not start it in timeout[{}]. "
        "See overlord and middleManager/indexer logs for more details."
    )

    def __init__(
        self,
        parts: RunnerParts,
        http_config: HttpRemoteTaskRunnerConfig,
        discovery: DruidNodeDiscoveryProvider,
        storage: TaskStorage,
        zookeeper: ZooKeeper,
        escalator: Escalator,
        json: Json,
    ) -> None:
        super().__init__(parts, storage)
        self._http_config = http_config
        indexer_nodes = IndexerNodes(zookeeper, parts.clock, parts.config.max_znode_bytes)
        self._status_nodes = StatusNodeCleaner(zookeeper, indexer_nodes, storage)
        self._escalator = escalator
        self._json = json
        self._traffic: WorkerTraffic | None = None
        self._nodes = discovery
        self._discovery: WorkerDiscovery | None = None
        self._heard = threading.Event()

    # ---- workers that come and go

    def _find_workers(self, life: Life) -> None:
        self._traffic = WorkerTraffic(
            self._http_config, self._escalator, self._json, self._clock, self._emitter, lambda: len(self._state.fleet)
        )
        discovery = self._discovery = WorkerDiscovery(self._nodes, self._add_worker, self._remove_worker)
        discovery.start(self._clock, life.ended)
        life.timers.schedule_with_fixed_delay(self._look_after_workers, _LOOK_EVERY_S, _LOOK_EVERY_S)
        life.timers.schedule_with_fixed_delay(
            lambda: life.in_background("status nodes", lambda: self._status_nodes.clean(life.ended)),
            _CLEAN_AFTER_S,
            _CLEAN_EVERY_S,
        )
        self._wait_for_first_syncs(life)

    def _wait_for_first_syncs(self, life: Life) -> None:
        """Tasks that workers run must not be assigned again. A worker that goes meanwhile is not waited for."""
        deadline = self._clock.monotonic() + self._http_config.server_unstability_timeout.to_seconds()
        while True:
            self._heard.clear()
            if life.ended.is_set():
                return
            silent = [holder.host for holder in self._holders() if not holder.is_initialized]
            left = deadline - self._clock.monotonic()
            if not silent:
                log.info("[%d] workers have told of their tasks", len(self._state.fleet))
                return
            if left <= 0:
                self._emitter.alert(
                    "Workers have not told of their tasks, which may be started again elsewhere",
                    data={"workers": silent},
                )
                return
            log.info("Waiting for [%d] workers to tell of their tasks", len(silent))
            self._clock.wait(self._heard, left)

    def _leave_workers(self) -> None:
        discovery, self._discovery = self._discovery, None
        if discovery is not None:
            discovery.stop()
        self._heard.set()
        for holder in self._holders():
            holder.stop()
        traffic, self._traffic = self._traffic, None
        if traffic is not None:
            traffic.close()
        self._write_what_was_said()

    def _follow(self, holder: HttpWorkerHolder) -> None:
        """Follow the worker, unless it went, or the runner stopped, just before: nobody would end that then."""
        traffic = self._traffic
        if traffic is not None:
            traffic.follow(holder)
        with self._state.lock:
            wanted = self._life is not None and self._state.fleet.get(holder.host) is holder
        if not wanted:
            holder.stop()

    def _holders(self) -> list[HttpWorkerHolder]:
        with self._state.lock:
            return [holder for holder in self._state.fleet.holders() if isinstance(holder, HttpWorkerHolder)]

    def _add_worker(self, worker: Worker) -> None:
        log.info("Worker [%s] reportin' for duty!", worker.host)
        self._worker_came(worker.host)
        holder = HttpWorkerHolder(worker, self._clock.now(), self._on_sync)
        with self._state.lock:
            added = self._state.fleet.add(holder)
        if added:
            self._follow(holder)
        else:
            log.info("Worker [%s] already exists", worker.host)

    def _remove_worker(self, worker: Worker) -> None:
        log.info("Kaboom! Worker [%s] removed!", worker.host)
        with self._state.lock:
            holder = self._state.fleet.remove(worker.host)
        if isinstance(holder, HttpWorkerHolder):
            self._worker_lost(worker.host)
            holder.stop()
        self._heard.set()

    def _on_sync(self, holder: HttpWorkerHolder, changes: Any, full: bool) -> None:
        self._synced(holder, changes, full)
        if full:  # what the start waits for
            self._heard.set()

    def _clean_up_lost_worker(self, host: str) -> None:
        with self._state.lock:
            items = self._state.items.running_on(host)
        message = _LOST.format(self._config.task_cleanup_timeout)
        for item in items:
            log.warning("Failing task [%s]: its worker [%s] has disappeared", item.task_id, host)
            self._complete(item, TaskStatus.failure(item.task_id, message))

    # ---- workers that do not answer

    def _look_after_workers(self) -> None:
        """Set aside whose sync fails, bring back whose does not, replace syncers that fail for long."""
        now = self._clock.monotonic()
        longest = _POLLS_UNTIL_RESET * self._http_config.sync_request_timeout.to_seconds()
        back = False
        for holder in self._holders():
            syncer = holder.syncer
            if syncer is None:
                continue
            with self._state.lock:
                if syncer.unstable_s > 0:
                    holder.set_aside_at = now
                    self._state.fleet.set_aside(holder)
                elif now - holder.set_aside_at >= _SET_ASIDE_S:
                    back = self._state.fleet.bring_back(holder) or back
            if syncer.unstable_s > longest:
                self._reset(holder)
        if back:
            self._wake_assigner()

    def _reset(self, holder: HttpWorkerHolder) -> None:
        """Begin anew with a worker; it counts as disabled until it answers. Its tasks go on."""
        info = None if holder.syncer is None else holder.syncer.debug_info()
        self._emitter.alert(f"Worker[{holder.host}] is not syncing properly. Resetting it.", data={"state": info})
        fresh = HttpWorkerHolder(holder.worker, self._clock.now(), self._on_sync)
        with self._state.lock:
            if self._state.fleet.get(holder.host) is not holder:
                return
            self._state.fleet.remove(holder.host)
            self._state.fleet.add(fresh)
        holder.stop()
        self._follow(fresh)

    # ---- tasks to workers

    def send(self, assignments: Sequence[Assignment]) -> None:
        """See :class:`Deliverer`."""
        traffic = self._traffic
        if traffic is not None:
            traffic.assign([self._request(each, each.holder) for each in assignments if each.holder is not None])

    def _request(self, assignment: Assignment, holder: WorkerHolder) -> TaskRequest:
        item = assignment.item

        def is_wanted() -> bool:
            with self._state.lock:
                fleet = self._state.fleet
                there = fleet.get(holder.host) is holder and holder.is_ready
                barred = fleet.is_lazy(holder.host) or holder.host in fleet.blacklist
                waits = item.state is ItemState.PENDING_WORKER_ASSIGN and item.stop_reason is None
                return there and waits and not barred

        def done(outcome: Delivery | Exception) -> None:
            if isinstance(holder, HttpWorkerHolder):
                if outcome is Delivery.UNREACHABLE:
                    holder.set_aside_at = self._clock.monotonic()
                elif outcome is Delivery.GIVEN:
                    holder.ask_soon()
            self.delivered(assignment, outcome)

        return TaskRequest(holder.worker, item.task_id, self._json.dumps(item.task), is_wanted, done)

    def _shut_down_on_worker(self, worker: Worker, task_id: str) -> None:
        self._client.shut_down(
            worker,
            task_id,
            tries=self._http_config.shutdown_request_max_retries,
            timeout_s=self._http_config.shutdown_request_http_timeout.to_seconds(),
        )

    # ---- for the debugging endpoints

    def pending_tasks_queue(self) -> list[str]:
        """Ids of the tasks that wait, in the order they came."""
        return [item.task_id for item in sorted(self.get_pending_tasks(), key=lambda item: item.arrival)]

    def worker_syncer_debug_info(self) -> dict[str, Any]:
        """The state of each worker's syncer."""
        return {holder.host: holder.syncer.debug_info() for holder in self._holders() if holder.syncer is not None}

    def workers_with_unacknowledged_tasks(self) -> dict[str, str]:
        """Workers, and the tasks that they have not acknowledged."""
        with self._state.lock:
            return self._state.fleet.unacknowledged

    def workers_eligible_to_run_tasks(self) -> dict[str, Any]:
        """Workers that may be given tasks now."""
        with self._state.lock:
            return dict(self._state.fleet.eligible)
