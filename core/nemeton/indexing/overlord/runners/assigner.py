"""Gives waiting tasks to workers."""

from __future__ import annotations

import enum
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.common.listed import Listed
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.state import RunnerState
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.indexing.overlord.worker_behavior import WorkerBehaviorConfigProvider
from nemeton.spi.indexing import WorkerSelectStrategy

log = logging.getLogger(__name__)

#: The longest time between two rounds, as in Druid.
_MAX_WAIT_S = 60.0
_AFTER_FAILURE_S = 1.0
#: After a round, what comes within so many seconds of real time is looked at together: a large fleet has news for the
#: assigner thousands of times a second, and each round has to get hold of the lock and of the interpreter.
_TOGETHER_S = 0.003
#: How many choices are made while the lock is held.
_BATCH = 50
_STOP_TIMEOUT_S = 5.0


@frozen
class Assignment:
    """A task and the worker that was chosen for it; no worker where choosing one has failed."""

    item: RemoteWorkItem
    holder: WorkerHolder | None


class Delivery(enum.Enum):
    """What came of giving a task to a worker."""

    GIVEN = "given"
    """The worker has it, or may have it: its own word is waited for."""
    NOT_GIVEN = "not given"
    """The worker does not have it, for sure: the task waits again."""
    UNREACHABLE = "unreachable"
    """The same, because nobody answers there: the worker is set aside."""


class Deliverer(ABC):
    """The part of a runner that speaks with workers; its methods are called without the runner's lock."""

    @abstractmethod
    def send(self, assignments: Sequence[Assignment]) -> None:
        """Begin to give tasks to workers, and return at once. What comes of each is told to `delivered`."""

    @abstractmethod
    def delivered(self, assignment: Assignment, outcome: Delivery | Exception) -> None:
        """Take up what came of an assignment; an exception, also one of the strategy, ends the task."""

    @abstractmethod
    def assignment_overdue(self, item: RemoteWorkItem, host: str) -> None:
        """The worker has not acknowledged the task in time: end the task."""


class Assigner:
    """One thread that chooses; delivering is for others.

    Choosing a worker and marking it as unacknowledged is one step under the runner's lock. The mark keeps the worker
    from being given more than it has room for; it ends with the worker's acknowledgement, and no thread waits for
    that. So a slow worker holds up its own task, not the tasks of others.
    """

    def __init__(
        self,
        state: RunnerState,
        config: RemoteTaskRunnerConfig,
        behavior: WorkerBehaviorConfigProvider,
        deliverer: Deliverer,
        emitter: ServiceEmitter,
        clock: Clock,
        name: str,
    ) -> None:
        self._state = state
        self._config = config
        self._behavior = behavior
        self._deliverer = deliverer
        self._emitter = emitter
        self._clock = clock
        self._timeout_s = config.task_assignment_timeout.to_seconds()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"{name}-pending-tasks", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """Choose no more, within a bound."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_STOP_TIMEOUT_S)

    @property
    def is_called(self) -> bool:
        """Whether a round is going to begin in any case, which sees all that was done before this was asked."""
        return self._wake.is_set()

    def wake(self) -> None:
        """Something has changed that may let a task get a worker."""
        if not self._wake.is_set():  # which needs no lock, and is so most of the time when there is much to do
            self._wake.set()

    # ---- rounds

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._end_overdue()
                more = self._round()
            except Exception as error:  # noqa: BLE001 - the loop must go on; told to the operators
                self._emitter.alert("Unknown exception while trying to assign tasks", exception=error)
                self._clock.wait(self._stopping, _AFTER_FAILURE_S)
                continue
            if not more and not self._stopping.wait(_TOGETHER_S):
                self._clock.wait(self._wake, self._pause())

    def _pause(self) -> float:
        with self._state.lock:
            due = self._state.fleet.next_deadline()
        return _MAX_WAIT_S if due is None else max(0.0, min(_MAX_WAIT_S, due - self._clock.monotonic()))

    def _end_overdue(self) -> None:
        with self._state.lock:
            overdue = self._state.fleet.overdue(self._clock.monotonic())
        for host, item in overdue:
            self._deliverer.assignment_overdue(item, host)

    def _round(self) -> bool:
        """Choose workers for some tasks; whether there may be more to choose."""
        strategy = self._behavior.current().select_strategy
        failed: list[tuple[Assignment, Exception]] = []
        chosen: list[Assignment] = []
        with self._state.lock:
            waiting = self._state.pending.in_order(by_shape=strategy.decides_by_shape)
            # full workers are never chosen, so nobody is asked when there are no others
            while len(chosen) < _BATCH and self._state.fleet.eligible.has_room:
                item = next(waiting, None)
                if item is None:
                    break
                try:
                    holder = self._choose(strategy, item)
                except Exception as error:  # noqa: BLE001 - ends the task that it is about
                    self._state.items.move(item, ItemState.PENDING_WORKER_ASSIGN)
                    failed.append((Assignment(item, None), error))
                    continue
                if holder is not None:
                    self._state.assign(item, holder, self._clock.monotonic() + self._timeout_s)
                    chosen.append(Assignment(item, holder))
            waiting.close()
        for assignment, failure in failed:
            self._deliverer.delivered(assignment, failure)
        if chosen:
            log.info("Assigning %s", Listed(chosen, _said))
            self._deliverer.send(chosen)
        return len(chosen) == _BATCH

    def _choose(self, strategy: WorkerSelectStrategy, item: RemoteWorkItem) -> WorkerHolder | None:
        fleet = self._state.fleet
        if item.task is None:
            raise ValueError(f"No payload found for task [{item.task_id}]")
        info = strategy.find_worker(self._config, fleet.eligible, item.task)
        if info is None:
            return None
        holder = fleet.get(info.worker.host)
        if holder is None or info.worker.host not in fleet.eligible:
            raise ValueError(f"The strategy chose worker [{info.worker.host}], which was not among those offered")
        return holder


def _said(assignment: Assignment) -> str:
    return f"task [{assignment.item.task_id}] to worker [{assignment.item.host}]"
