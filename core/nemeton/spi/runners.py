"""Task runners and worker select strategies: who runs a task, and where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol

from attrs import field, frozen

from nemeton.json import json_options, wire
from nemeton.model import TaskLocation, TaskStatus, Worker
from nemeton.plugins import extension_point, stable

if TYPE_CHECKING:
    from nemeton.spi.indexing import Task
    from nemeton.spi.provisioning import ScalingStats

#: The category of a worker whose configuration names none.
DEFAULT_WORKER_CATEGORY = "_default_worker_category"


class RunnerTaskState(Enum):
    """What a runner knows of a task: ``runnerStatusCode`` in the task API."""

    WAITING = "WAITING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    NONE = "NONE"


class TaskRunnerWorkItem(Protocol):
    """A task in the hands of a runner. Times are epoch milliseconds."""

    @property
    def task_id(self) -> str:
        """The task's id."""
        ...

    @property
    def task_type(self) -> str:
        """The task's type name."""
        ...

    @property
    def data_source(self) -> str:
        """The task's data source."""
        ...

    @property
    def result(self) -> Future[TaskStatus]:
        """The future of the task's end."""
        ...

    @property
    def created_time(self) -> int:
        """When the runner got the task."""
        ...

    @property
    def queue_insertion_time(self) -> int:
        """When the task last began to wait for a worker."""
        ...

    @property
    def location(self) -> TaskLocation:
        """Where it runs; unknown while it waits."""
        ...


class TaskRunnerListener(ABC):
    """Told by a runner where its tasks are and what becomes of them; must not block."""

    @property
    @abstractmethod
    def listener_id(self) -> str:
        """Unique among the listeners of one runner."""

    def location_changed(self, task_id: str, location: TaskLocation) -> None:  # noqa: B027 - optional
        """Report that the task now runs at ``location``."""

    def status_changed(self, task_id: str, status: TaskStatus) -> None:  # noqa: B027 - optional
        """Report that the task's status is now ``status``."""


@extension_point(hook="task_runners", name="task runner", default="local")
class TaskRunner(ABC):
    """Runs tasks for the Overlord's queue; chosen by ``druid.indexer.runner.type``. All methods are thread-safe.

    A leading Overlord calls :meth:`start`, then :meth:`restore`, before anything else, and :meth:`stop` at the end; it
    may start the same runner again when it leads again.
    """

    @abstractmethod
    def start(self) -> None:
        """Get ready. After it no process of an earlier life of this runner can act for a task any more."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, within a bound. Tasks that can be restored are left to be; others end with the runner.

        May be called while :meth:`start` waits for something: that raises then. A second call does nothing.
        """

    @abstractmethod
    def restore(self) -> list[tuple[Task, Future[TaskStatus]]]:
        """Take up what an earlier life left: tasks that run already, each with the future of its end."""

    def tell_of_earlier_ends(self, tell: Callable[[Task, TaskStatus], object]) -> None:  # noqa: B027 - optional
        """Before :meth:`restore`: have it tell of tasks of an earlier life that will not run again, and how they ended.

        Called on the thread of the restore, each before the runner forgets the task. For runners on workers: there
        nobody else knows.
        """

    @abstractmethod
    def run(self, task: Task) -> Future[TaskStatus]:
        """Run the task and return the future of its end. For a task that it has already, the same future."""

    @abstractmethod
    def shutdown(self, task_id: str, reason: str) -> None:
        """End the task, wherever it is; unknown ids are fine. Returns without waiting for the end of the process."""

    @abstractmethod
    def get_known_tasks(self) -> Collection[TaskRunnerWorkItem]:
        """Pending, running and complete-but-not-yet-cleaned-up tasks."""

    @abstractmethod
    def get_running_tasks(self) -> Collection[TaskRunnerWorkItem]:
        """Tasks that are running on a worker."""

    @abstractmethod
    def get_pending_tasks(self) -> Collection[TaskRunnerWorkItem]:
        """Tasks that wait for a worker."""

    @abstractmethod
    def get_runner_task_state(self, task_id: str) -> RunnerTaskState | None:
        """What the runner knows of the task; None for an unknown id."""

    @abstractmethod
    def get_task_location(self, task_id: str) -> TaskLocation:
        """Where the task runs; the unknown location for an unknown id."""

    @abstractmethod
    def register_listener(self, listener: TaskRunnerListener, executor: Executor | None = None) -> None:
        """Tell ``listener`` of all that is now and changes later, on ``executor`` (None: the runner's own threads)."""

    @abstractmethod
    def unregister_listener(self, listener_id: str) -> None:
        """Forget the listener; unknown ids are fine."""

    def update_status(self, task: Task, status: TaskStatus) -> None:  # noqa: B027 - optional
        """Take a status that the task itself reported (action ``updateStatus``)."""

    def update_location(self, task: Task, location: TaskLocation) -> None:  # noqa: B027 - optional
        """Take a location that the task itself reported (action ``updateLocation``)."""

    def stream_task_log(self, task_id: str, offset: int) -> Iterator[bytes] | None:
        """Return the log of a running task from ``offset`` (negative: from the end), or None when there is none."""
        return None

    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """Return the live reports of a running task, or None when it has none."""
        return None

    @property
    def is_running_restore_supported(self) -> bool:
        """True when running tasks outlive the Overlord and are found again by :meth:`restore`."""
        return False

    # slot counts by worker category, for metrics and ``totalWorkerCapacity``
    def total_task_slot_count(self) -> Mapping[str, int]:
        """All slots by worker category; empty when the runner does not know."""
        return {}

    def idle_task_slot_count(self) -> Mapping[str, int]:
        """Free slots by worker category; empty when the runner does not know."""
        return {}

    def used_task_slot_count(self) -> Mapping[str, int]:
        """Slots in use by worker category; empty when the runner does not know."""
        return {}

    def total_capacity(self) -> int:
        """The number of slots now, or -1 when the runner does not know."""
        return -1

    def used_capacity(self) -> int:
        """The number of slots in use, or -1 when the runner does not know."""
        return -1

    def maximum_capacity_with_autoscale(self) -> int:
        """The number of slots at the autoscaler's largest, or -1 when there is none."""
        return -1

    def scaling_stats(self) -> ScalingStats | None:
        """What the runner's provisioning service has done lately; None when it has none."""
        return None


@json_options(omit_none=True)
@frozen(kw_only=True)
class ImmutableWorkerInfo:
    """A worker and its load at one moment, as ``GET /druid/indexer/v1/workers`` shows it and strategies see it."""

    worker: Worker
    curr_capacity_used: int = 0
    curr_parallel_index_capacity_used: int = 0
    curr_capacity_used_by_task_type: dict[str, int] = field(factory=dict, metadata=wire(omit_default=True))
    availability_groups: frozenset[str] = frozenset()
    running_tasks: frozenset[str] = frozenset()
    last_completed_task_time: int = field(default=0, metadata=wire("lastCompletedTaskTime", as_datetime=True))
    blacklisted_until: int | None = field(default=None, metadata=wire("blacklistedUntil", as_datetime=True))

    @property
    def available_capacity(self) -> int:
        """Slots that are free."""
        return self.worker.capacity - self.curr_capacity_used

    def is_valid_version(self, min_version: str) -> bool:
        """True when the worker's version is at least ``min_version`` (compared as text, as Druid does)."""
        return self.worker.version >= min_version

    def can_run_task(self, task: Task, parallel_index_task_slot_ratio: float = 1.0) -> bool:
        """True when the worker has room for the task and none of its availability group."""
        resource = task.resource
        if resource is None or self.available_capacity < resource.required_capacity:
            return False
        if resource.availability_group in self.availability_groups:
            return False
        if parallel_index_task_slot_ratio < 1 and task.type == "index_parallel":
            most = max(1, int(self.worker.capacity * parallel_index_task_slot_ratio))
            return most - self.curr_parallel_index_capacity_used >= resource.required_capacity
        return True


@frozen(kw_only=True)
class WorkerTaskRunnerConfig:
    """``druid.indexer.runner.*`` as far as strategies need it."""

    min_worker_version: str = "0"
    parallel_index_task_slot_ratio: float = 1.0


class WorkerTaskRunner(TaskRunner):
    """A runner whose tasks run on workers that the Overlord can see and mark."""

    @abstractmethod
    def get_workers(self) -> Collection[ImmutableWorkerInfo]:
        """All workers that are known now."""

    def get_lazy_workers(self) -> Collection[Worker]:
        """Workers that are marked to be terminated."""
        return ()

    def mark_workers_lazy(
        self, is_lazy_worker: Callable[[ImmutableWorkerInfo], bool], max_lazy_workers: int
    ) -> Collection[Worker]:
        """Mark idle workers that ``is_lazy_worker`` picks, until there are ``max_lazy_workers``; they get no tasks.

        Return all lazy workers. Called by provisioning strategies, before they terminate workers.
        """
        return ()

    def get_pending_task_payloads(self) -> Collection[Task]:
        """The tasks that wait for a worker, in no order: what provisioning strategies reckon with."""
        return ()

    def get_blacklisted_workers(self) -> Collection[ImmutableWorkerInfo]:
        """Workers that get no tasks for a while because tasks failed on them."""
        return ()


@stable
@extension_point(hook="worker_select_strategies", name="worker select strategy", default="equalDistribution")
class WorkerSelectStrategy(ABC):
    """Picks the worker that a task goes to. Must not keep state and not block: it is called under the runner's lock.

    It is asked only while some worker has a free slot. ``decides_by_shape``: True promises that the choice hangs on
    nothing of the task but its type, its data source and its resource, so that the runner need not ask for each of
    thousands of waiting tasks alike.
    """

    decides_by_shape: ClassVar[bool] = False

    @abstractmethod
    def find_worker(
        self, config: WorkerTaskRunnerConfig, workers: Mapping[str, ImmutableWorkerInfo], task: Task
    ) -> ImmutableWorkerInfo | None:
        """Return one of ``workers`` (by host) for the task, or None to leave it pending.

        ``workers`` is the runner's own and changes later: do not keep it. An exception fails the task.
        """
