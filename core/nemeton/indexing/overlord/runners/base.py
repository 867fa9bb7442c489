"""What the runners ``remote`` and ``httpRemote`` share; they differ in how they speak with workers."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.runners.assigner import Assigner, Assignment, Deliverer, Delivery
from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.effects import Effects
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.life import Life
from nemeton.indexing.overlord.runners.state import RunnerState
from nemeton.indexing.overlord.runners.views import FleetView
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.indexing.overlord.worker_behavior import WorkerBehaviorConfigProvider
from nemeton.indexing.task_dims import task_dims
from nemeton.indexing.worker.listeners import RunnerListeners
from nemeton.model import TaskLocation, TaskStatus, Worker
from nemeton.spi.indexing import Task, TaskRunnerListener
from nemeton.spi.provisioning import ProvisioningService, ProvisioningStrategy, ScalingStats

log = logging.getLogger(__name__)

_FAILED_TO_ASSIGN = "Failed to assign this task. See overlord logs for more details."


@frozen(kw_only=True)
class RunnerParts:
    """What every runner of this kind is made of."""

    config: RemoteTaskRunnerConfig
    behavior: WorkerBehaviorConfigProvider
    provisioning: ProvisioningStrategy
    client: WorkerClient
    emitter: ServiceEmitter
    clock: Clock


class FleetTaskRunner(FleetView, Deliverer):
    """A runner whose tasks run on workers that come and go, and go on while Overlords change.

    The lock of `RunnerState` guards all that is known. No network call is made, no future completed and no listener
    called while it is held. Each life (from `start` to `stop`) begins with nothing known; a subclass finds the workers
    and hears from them what they run.
    """

    #: For the names of threads.
    name = "runner"
    #: Druid's words for a task that its worker never acknowledged.
    overdue_message = "The worker that this task is assigned did not start it in timeout[{}]."

    def __init__(self, parts: RunnerParts) -> None:
        self._config = parts.config
        self._behavior = parts.behavior
        self._provisioning = parts.provisioning
        self._provisioning_service: ProvisioningService | None = None
        self._client = parts.client
        self._emitter = parts.emitter
        self._clock = parts.clock
        self._listeners = RunnerListeners()
        self._starting = threading.Lock()
        self._life: Life | None = None
        self._state = RunnerState(parts.config)

    # ---- for subclasses

    @abstractmethod
    def _find_workers(self, life: Life) -> None:
        """Begin to follow workers; return when those that are there, and their tasks, are known.

        Bounded, and given up when the life ends meanwhile.
        """

    @abstractmethod
    def _leave_workers(self) -> None:
        """Follow no workers any more, also after a `_find_workers` that failed half-way. Must not raise."""

    @abstractmethod
    def _shut_down_on_worker(self, worker: Worker, task_id: str) -> None:
        """Ask the worker to end the task; on a thread that may wait. Failures are logged."""

    @abstractmethod
    def _clean_up_lost_worker(self, host: str) -> None:
        """The worker has been gone for the clean-up timeout: end its tasks."""

    def _forget_ended(self, item: RemoteWorkItem) -> None:
        """The queue has done with the item, which has ended: remove what is left elsewhere. May be called twice."""

    def _say(self, text: str) -> None:
        """Under the lock: write it into the log, at once or soon."""
        log.info(text)

    def _asked_again(self, item: RemoteWorkItem) -> None:
        """The queue wants a task run that runs already."""

    # ---- lifecycle

    def start(self) -> None:
        """See :class:`TaskRunner`. Returns when the workers that are there, and what they run, are known."""
        with self._starting:
            if self._life is not None:
                return
            self._state = RunnerState(self._config)
            life = self._life = self._make_life()
        try:
            self._find_workers(life)
            if life.ended.is_set():
                raise RuntimeError("The task runner was stopped while it started")
            period = self._config.worker_black_list_cleanup_period.to_seconds()
            life.timers.schedule_with_fixed_delay(self._check_blacklist, 0, period)
            self._provisioning_service = self._provisioning.make_provisioning_service(self)
            life.assigner.start()
        except BaseException:
            self.stop()
            if self._life is None:  # a stop from elsewhere may have come before there was anything to leave
                self._close_provisioning()
                self._leave_workers()
            raise

    def _make_life(self) -> Life:
        assigner = Assigner(self._state, self._config, self._behavior, self, self._emitter, self._clock, name=self.name)
        return Life(self.name, assigner, self._emitter, self._clock)

    def stop(self) -> None:
        """See :class:`TaskRunner`. Tasks go on on their workers; the next leader finds them there."""
        with self._starting:
            life, self._life = self._life, None
        if life is None:
            return
        self._close_provisioning()
        life.end()
        self._leave_workers()
        life.close()
        self._listeners = RunnerListeners()
        with self._state.lock:
            items = self._state.items.remove_all()
        for item in items:
            if item.result.cancel():
                item.result.set_running_or_notify_cancel()

    def _close_provisioning(self) -> None:
        provisioning, self._provisioning_service = self._provisioning_service, None
        try:
            if provisioning is not None:
                provisioning.close()
        except Exception:
            log.exception("The provisioning of workers could not be ended properly; going on with the stop")

    def restore(self) -> list[tuple[Task, Future[TaskStatus]]]:
        """See :class:`TaskRunner`: nothing; tasks that run are among the known ones when `start` returns."""
        return []

    @property
    def _current_life(self) -> Life:
        if self._life is None:
            raise RuntimeError("The task runner is not started")
        return self._life

    # ---- running and ending

    def run(self, task: Task) -> Future[TaskStatus]:
        """See :class:`TaskRunner`."""
        with self._state.lock:
            life = self._current_life
            item = self._state.items.get(task.id)
            if item is None:
                log.debug("Adding pending task [%s]", task.id)  # the queue has said so
                item = RemoteWorkItem.of(task, self._clock.now())
                self._state.items.add(item)
                self._state.pending.add(item)
            elif item.task is None:
                item.task = task
            known = item.state is ItemState.RUNNING
        if known:
            self._asked_again(item)
        life.assigner.wake()
        return item.result

    def shutdown(self, task_id: str, reason: str) -> None:
        """See :class:`TaskRunner`. The worker is asked in the background."""
        if self._life is None:
            log.info("This task runner is stopped or not yet started. Ignoring shutdown of task [%s]", task_id)
            return
        with self._state.lock:
            item = self._state.items.get(task_id)
            if item is None:
                log.info("Received shutdown of task [%s], but cannot find it. Ignored.", task_id)
                return
            state = item.state
            if state is not ItemState.COMPLETE:  # else it is only forgotten
                log.info("Shutdown [%s] because: [%s]", task_id, reason)
            item.stop_reason = reason  # one on its way is ended by whoever hears of it next
            if state in (ItemState.PENDING, ItemState.COMPLETE):
                self._state.forget(item)
        if state is ItemState.PENDING:
            self._finish(item, TaskStatus.failure(task_id, reason))
        elif state is ItemState.COMPLETE:
            self._forget_ended(item)
        elif state is ItemState.RUNNING:
            self._request_shutdown(item)

    def _request_shutdown(self, item: RemoteWorkItem) -> None:
        """Ask the item's worker to end it."""
        with self._state.lock:
            worker = item.worker
            known = worker is not None and self._state.fleet.get(worker.host) is not None
        if worker is None or not known:
            log.info("Can't shutdown! No worker running task [%s]", item.task_id)
        else:
            self._kill(worker, item.task_id)

    def _kill(self, worker: Worker, task_id: str) -> None:
        life = self._life
        if life is not None:
            life.in_background((worker.host, task_id), lambda: self._shut_down_on_worker(worker, task_id))

    def _complete(self, item: RemoteWorkItem, status: TaskStatus, holder: WorkerHolder | None = None) -> bool:
        """End the item, unless it has ended; called without the lock. Whether this was its end."""
        with self._state.lock:
            first = self._note_end(item, status, holder)
        if first:
            self._finish(item, status)
            self._wake_assigner()
        return first

    def _note_end(self, item: RemoteWorkItem, status: TaskStatus, holder: WorkerHolder | None) -> bool:
        """Under the lock: the first half of `_complete`. Only the first end of a task counts."""
        now = self._clock.now()
        if holder is not None:
            self._say(f"Worker [{holder.host}] completed task [{item.task_id}] with status [{status.status}]")
            holder.last_completed_task_time = now
        else:
            self._say(f"Workerless task [{item.task_id}] completed with status [{status.status}]")
        first = self._state.end(item)
        if first and holder is not None:
            self._state.fleet.blacklist.task_ended(holder, status, len(self._state.fleet), now)
        if holder is not None:
            self._state.fleet.refresh(holder)
        if not first and item.result.done() and not item.result.cancelled():
            known = item.result.result().status
            if known != status.status:
                log.warning("Task [%s] ended again, as [%s]; it had been [%s]", item.task_id, status.status, known)
        return first

    def _finish(self, item: RemoteWorkItem, status: TaskStatus) -> None:
        """Without the lock: tell everybody of the end that `_note_end` has noted."""
        with suppress(InvalidStateError):  # the runner was stopped at this very moment
            item.result.set_result(status)
        self._listeners.status_changed(item.task_id, status)
        if item.stop_reason is not None:  # the queue has done with it, and will not ask again soon
            with self._state.lock:
                self._state.forget(item)
            self._forget_ended(item)

    def _carry_out(self, effects: Effects, holder: WorkerHolder) -> None:
        """Without the lock: what follows from the worker's word."""
        for item, status in effects.ended:
            self._finish(item, status)
        for task_id in effects.unwanted:
            log.warning("Killing task [%s] on worker [%s]", task_id, holder.host)
            self._kill(holder.worker, task_id)
        self._wake_assigner()

    def _wake_assigner(self) -> None:
        """Something has changed for the tasks that wait, if there are any."""
        life = self._life
        if life is None or life.assigner.is_called:
            return
        with self._state.lock:  # within a round the assigner holds waiting tasks in its hands
            waiting = bool(self._state.pending)
        if waiting:
            life.assigner.wake()

    # ---- assignment

    def delivered(self, assignment: Assignment, outcome: Delivery | Exception) -> None:
        """See :class:`Deliverer`."""
        if isinstance(outcome, Exception):
            details = {"taskId": assignment.item.task_id}
            self._emitter.alert("Exception while trying to assign task", data=details, exception=outcome)
            self._complete(assignment.item, TaskStatus.failure(assignment.item.task_id, _FAILED_TO_ASSIGN))
        elif outcome is not Delivery.GIVEN:
            self._take_back(assignment, set_aside=outcome is Delivery.UNREACHABLE)
            self._wake_assigner()

    def _take_back(self, assignment: Assignment, *, set_aside: bool) -> None:
        """The worker does not have the task: let it wait again, unless it is no longer wanted."""
        item = assignment.item
        with self._state.lock:
            if set_aside and assignment.holder is not None:
                self._state.fleet.set_aside(assignment.holder)
            stop_reason = item.stop_reason if self._state.take_back(item) else None
            if stop_reason is not None:
                self._state.forget(item)
        if stop_reason is not None:
            self._finish(item, TaskStatus.failure(item.task_id, stop_reason))

    def assignment_overdue(self, item: RemoteWorkItem, host: str) -> None:
        """See :class:`Deliverer`."""
        timeout = self._config.task_assignment_timeout
        with self._state.lock:
            holder = self._state.fleet.get(host)
        self._emitter.alert(
            "Task assignment timed out on worker, never ran task",
            data={"worker": host, "taskId": item.task_id, "timeout": str(timeout)},
        )
        if not self._complete(item, TaskStatus.failure(item.task_id, self.overdue_message.format(timeout)), holder):
            with self._state.lock:
                self._state.fleet.settle(host, item)

    def _emit_pending_time(self, item: RemoteWorkItem, since: int) -> None:
        known = {"taskId": item.task_id, "taskType": item.task_type, "dataSource": item.data_source}
        dims = known if item.task is None else task_dims(item.task)
        self._emitter.emit_metric("task/pending/time", self._clock.now() - since, **dims)

    # ---- provisioning

    def scaling_stats(self) -> ScalingStats | None:
        """See :class:`TaskRunner`."""
        service = self._provisioning_service
        return None if service is None else service.stats()

    def maximum_capacity_with_autoscale(self) -> int:
        """See :class:`TaskRunner`."""
        scaler = self._behavior.current().auto_scaler
        if scaler is None:
            return -1
        expected = self._provisioning.expected_worker_capacity(self.get_workers())
        return -1 if expected == -1 else scaler.max_num_workers * expected

    # ---- workers

    def _worker_lost(self, host: str) -> None:
        """A worker is not there: unless it comes back in time, its tasks end."""
        life = self._life
        if life is not None:
            timeout_s = self._config.task_cleanup_timeout.to_seconds()
            log.info("Tasks of worker [%s] end in %.0f s unless it comes back", host, timeout_s)
            life.cleanups.schedule(host, timeout_s, lambda: self._clean_up_lost_worker(host))
            self._check_blacklist()

    def _worker_came(self, host: str) -> None:
        """A worker is there (again): its tasks go on."""
        life = self._life
        if life is not None:
            life.cleanups.cancel(host)

    def _check_blacklist(self) -> None:
        with self._state.lock:
            released = self._state.fleet.release_blacklisted(self._clock.now())
        if released:
            self._wake_assigner()

    def register_listener(self, listener: TaskRunnerListener, executor: Executor | None = None) -> None:
        """See :class:`TaskRunner`; until the stop. Those without executor share a thread."""
        with self._state.lock:  # what changes is told in the order in which it changed
            self._listeners.register(listener, executor or self._current_life.listener_thread)
            for item in self._state.items.in_state(ItemState.RUNNING):
                self._listeners.location_changed(item.task_id, item.location, only=listener.listener_id)

    def unregister_listener(self, listener_id: str) -> None:
        """See :class:`TaskRunner`."""
        self._listeners.unregister(listener_id)

    def _note_location(self, item: RemoteWorkItem, location: TaskLocation) -> None:
        """Under the lock: the task runs there now."""
        if location is not item.location and location != item.location:
            item.location = location
            self._listeners.location_changed(item.task_id, location)

    def stream_task_log(self, task_id: str, offset: int) -> Iterator[bytes] | None:
        """See :class:`TaskRunner`: asks the worker."""
        worker = self._worker_of(task_id)
        return None if worker is None else self._client.stream_log(worker, task_id, offset)

    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """See :class:`TaskRunner`: asks the peon, once its location is known."""
        if self._worker_of(task_id) is None:
            return None
        return self._client.stream_reports(self.get_task_location(task_id), task_id)

    def _worker_of(self, task_id: str) -> Worker | None:
        """The worker that runs the task now."""
        with self._state.lock:
            item = self._state.items.get(task_id)
            if item is None or item.worker is None or item.state is not ItemState.RUNNING:
                return None
            return item.worker if self._state.fleet.get(item.worker.host) is not None else None

    @property
    def is_running_restore_supported(self) -> bool:
        """See :class:`TaskRunner`."""
        return True
