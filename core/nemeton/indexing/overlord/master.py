"""``TaskMaster``: what an Overlord does while it leads."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.discovery.leader_services import AnnouncedService
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.action_clients import LocalTaskActionClient, OverlordActionToolbox
from nemeton.indexing.overlord.queue import TaskQueue
from nemeton.indexing.overlord.queue_factory import TaskQueueFactory
from nemeton.indexing.overlord.runner_start import RunnerStart
from nemeton.inject import Named, Provider
from nemeton.lifecycle import Handler, Lifecycle, lifecycle_start, lifecycle_stop
from nemeton.lifecycle.handlers import patience_of
from nemeton.spi.discovery import DruidLeaderSelector, LeaderListener
from nemeton.spi.indexing import Task, TaskRunner

log = logging.getLogger(__name__)


class NotLeaderError(DruidException):
    """Asked for something that only a leading Overlord has; HTTP answers 503."""

    def __init__(self) -> None:
        super().__init__(
            "Overlord is not the leader, or not ready yet", category="CAPACITY_EXCEEDED", persona="OPERATOR"
        )

    @property
    def http_status(self) -> int:
        """Service unavailable."""
        return 503


class TaskMasterMember(ABC):
    """A part that works only while this Overlord leads; bound with ``binder.bind_set(TaskMasterMember)``.

    It is started after the queue, in the order of binding, before anybody is told that this Overlord leads; and it is
    stopped in reverse. It may be started again in a later term.
    """

    @abstractmethod
    def start(self) -> None:
        """Begin. Quick: what takes long belongs on a thread of the member's own. A failure gives the leadership up."""

    @abstractmethod
    def stop(self) -> None:
        """End, within a bound: nothing acts for a term that is over."""


class TaskMaster(LeaderListener):
    """Starts the "task-master" lifecycle when this Overlord becomes leader, and stops it when it no longer is.

    Order: runner → queue (which first rebuilds lockbox and queue from the store) → members (segment allocation,
    duties) → shown to the resources and announced; the reverse at the end. A failure to start propagates to the
    selector, which gives the leadership up. So does a start that goes on while the leadership ends, or the Overlord
    stops: neither waits for the runner's workers. Thread-safe.
    """

    def __init__(
        self,
        selector: Annotated[DruidLeaderSelector, Named("overlord")],
        runner: Provider[TaskRunner],
        queues: TaskQueueFactory,
        toolbox: OverlordActionToolbox,
        members: list[TaskMasterMember],
        emitter: ServiceEmitter,
        clock: Clock,
        service: Annotated[AnnouncedService | None, Named("overlord")] = None,
    ) -> None:
        self._service = service
        self._selector = selector
        self._make_runner = runner
        self._queues = queues
        self._toolbox = toolbox
        self._members = members
        self._emitter = emitter
        self._clock = clock
        self._giant = threading.RLock()
        self._lifecycle: Lifecycle | None = None
        self._runner: TaskRunner | None = None
        self._queue: TaskQueue | None = None
        self._initialized = False
        self._started = False

    @lifecycle_start
    def start(self) -> None:
        """Enter the election."""
        self._started = True
        self._selector.register_listener(self)

    @property
    def stop_patience_s(self) -> float:
        """As the runner says: tasks that can be restored have time to save their work."""
        return patience_of(self._runner)

    @lifecycle_stop
    def stop(self) -> None:
        """Leave the election; a leader stops leading first, since the selector does not call who leaves."""
        self._started = False
        self.stop_being_leader()
        self._selector.unregister_listener()

    # ---- leadership

    def become_leader(self) -> None:
        """See :class:`LeaderListener`."""
        with self._giant:
            if not self._started:
                return
            log.info("This Overlord becomes leader")
            if self._lifecycle is not None:
                self._emitter.alert("A task-master lifecycle of an earlier term is still there", severity="anomaly")
            runner = self._make_runner()
            queue = self._queues.make(runner, self.action_client, self._delete_pending_segments)
            lifecycle = Lifecycle("task-master")
            start = RunnerStart(runner, self._still_leads, self._clock)
            parts: tuple[Handler, ...] = (start, queue, *self._members, _LeaderState(self, runner, queue))
            for part in parts:
                lifecycle.add_handler(part)
            self._lifecycle = lifecycle
            try:
                lifecycle.start()
            except BaseException:
                self._lifecycle = None
                if not self._started:
                    log.info("This Overlord stops before it has begun to lead")
                    return
                raise
            log.info("This Overlord leads in term %d", self._selector.local_term())

    def stop_being_leader(self) -> None:
        """See :class:`LeaderListener`."""
        with self._giant:
            self._initialized = False
            if self._service is not None:
                self._service.unannounce()
            lifecycle, self._lifecycle = self._lifecycle, None
            if lifecycle is not None:
                lifecycle.stop()
                log.info("This Overlord no longer leads")

    def _still_leads(self) -> bool:
        """Whether the leadership that it prepares for goes on; no lock is needed, nor held by whoever asks."""
        return self._started and self._selector.is_leader()

    def _set_leading(self, runner: TaskRunner | None, queue: TaskQueue | None) -> None:
        self._runner = runner
        self._queue = queue
        self._toolbox.task_runner = runner
        self._initialized = queue is not None
        if self._service is not None and self._initialized:
            self._service.announce()

    # ---- what the resources ask

    @property
    def is_leader(self) -> bool:
        """True when this Overlord leads and everything has started."""
        return self._selector.is_leader() and self._initialized

    @property
    def current_leader(self) -> str | None:
        """Base URL of the leading Overlord."""
        return self._selector.get_current_leader()

    @property
    def task_queue(self) -> TaskQueue:
        """The leader's queue. Raises :class:`NotLeaderError`."""
        queue = self._queue
        if queue is None or not self.is_leader:
            raise NotLeaderError
        return queue

    @property
    def task_runner(self) -> TaskRunner:
        """The leader's runner. Raises :class:`NotLeaderError`."""
        runner = self._runner
        if runner is None or not self.is_leader:
            raise NotLeaderError
        return runner

    def action_client(self, task: Task) -> LocalTaskActionClient:
        """Return a client that performs actions here, in the name of the task."""
        return LocalTaskActionClient(task, self._toolbox)

    def _delete_pending_segments(self, last: Sequence[Task]) -> None:
        """Nobody will ask again for the segments that the groups of these tasks, which have ended, were allocated."""
        groups: dict[str, list[str]] = {}
        for task in last:
            groups.setdefault(task.data_source, []).append(task.group_id)
        for data_source, group_ids in groups.items():
            self._toolbox.metadata.delete_pending_segments_for_task_allocators(data_source, group_ids)

    def stats(self) -> dict[str, int]:
        """Counts of tasks, for metrics and ``/druid/indexer/v1/…``; empty when this Overlord does not lead."""
        if not self.is_leader:
            return {}
        ended = self.task_queue.ended_tasks()
        return {
            "successful": sum(count for kind, count in ended.items() if kind.is_success),
            "failed": sum(count for kind, count in ended.items() if not kind.is_success),
            "running": len(self.task_runner.get_running_tasks()),
            "pending": len(self.task_runner.get_pending_tasks()),
            "waiting": len(self.task_queue.waiting_task_ids()),
        }


class _LeaderState:
    """The last member of the lifecycle: shows the runner and the queue once they work, hides them first."""

    def __init__(self, master: TaskMaster, runner: TaskRunner, queue: TaskQueue) -> None:
        self._master = master
        self._runner = runner
        self._queue = queue

    def start(self) -> None:
        self._master._set_leading(self._runner, self._queue)

    def stop(self) -> None:
        self._master._set_leading(None, None)
