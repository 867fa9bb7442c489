"""What a runner knows of its tasks."""

from __future__ import annotations

import enum
from concurrent.futures import Future

from attrs import define, field

from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.model import TaskLocation, TaskStatus, Worker
from nemeton.spi.indexing import RunnerTaskState, Task, TaskResource


class ItemState(enum.Enum):
    """Where a task is on its way; it only goes forward, but for an assignment that did not come about."""

    PENDING = "PENDING"
    """Waits for a worker."""
    PENDING_WORKER_ASSIGN = "PENDING_WORKER_ASSIGN"
    """Has a worker, which has not said yet that it runs it."""
    RUNNING = "RUNNING"
    """Given to a worker: it runs, or soon will."""
    COMPLETE = "COMPLETE"
    """Has ended; known until the queue has recorded that."""

    @property
    def is_pending(self) -> bool:
        """Whether no worker is known to run it."""
        return self is ItemState.PENDING or self is ItemState.PENDING_WORKER_ASSIGN

    @property
    def runner_state(self) -> RunnerTaskState:
        """The state as the task API shows it."""
        if self.is_pending:
            return RunnerTaskState.PENDING
        return RunnerTaskState.RUNNING if self is ItemState.RUNNING else RunnerTaskState.NONE


@define(eq=False)
class RemoteWorkItem:
    """A task in the hands of the runner; satisfies ``TaskRunnerWorkItem``. Changed under the runner's lock only.

    ``task`` is None for a task that was found on a worker; ``task_type`` and ``data_source`` are then what the worker
    says of them, which old workers do not. ``stop_reason``: the queue has done with it, and why. ``acknowledged``: its
    worker has said that it has it.
    ``arrival`` is its number in the order of those that wait.
    """

    task_id: str
    task_type: str
    data_source: str
    created_time: int
    queue_insertion_time: int
    task: Task | None = None
    state: ItemState = ItemState.PENDING
    worker: Worker | None = None
    location: TaskLocation = field(factory=TaskLocation)
    result: Future[TaskStatus] = field(factory=Future)
    stop_reason: str | None = None
    acknowledged: bool = False
    arrival: int = 0

    @classmethod
    def of(cls, task: Task, now: int) -> RemoteWorkItem:
        """A task that begins to wait."""
        return cls(task.id, task.type, task.data_source, now, now, task)

    @classmethod
    def found(cls, announcement: TaskAnnouncement, worker: Worker, now: int) -> RemoteWorkItem:
        """A task that a worker was found to have."""
        return cls(
            announcement.id,
            announcement.type or "",
            announcement.task_data_source or "",
            now,
            now,
            state=ItemState.RUNNING,
            worker=worker,
            acknowledged=True,
        )

    @property
    def host(self) -> str | None:
        """The worker's host and port, once there is one."""
        return None if self.worker is None else self.worker.host

    @property
    def resource(self) -> TaskResource:
        """What the task takes of a worker."""
        given = None if self.task is None else self.task.resource
        return given or TaskResource(availability_group=self.task_id)


class WorkItems:
    """The runner's items by id, by state, and by worker. Not thread-safe: the runner's lock guards it."""

    def __init__(self) -> None:
        self._all: dict[str, RemoteWorkItem] = {}
        self._by_state: dict[ItemState, dict[str, RemoteWorkItem]] = {state: {} for state in ItemState}
        self._running_by_host: dict[str, dict[str, RemoteWorkItem]] = {}

    def get(self, task_id: str) -> RemoteWorkItem | None:
        """The item of a task."""
        return self._all.get(task_id)

    def all(self) -> list[RemoteWorkItem]:
        """All items, in the order they came."""
        return list(self._all.values())

    def in_state(self, *states: ItemState) -> list[RemoteWorkItem]:
        """The items in one of these states."""
        return [item for state in states for item in self._by_state[state].values()]

    def running_on(self, host: str) -> list[RemoteWorkItem]:
        """The running items of a worker, whose name is compared without case, as in Druid."""
        return list(self._running_by_host.get(host.lower(), {}).values())

    def add(self, item: RemoteWorkItem) -> None:
        """Take a new item."""
        self._all[item.task_id] = item
        self._enter(item)

    def move(self, item: RemoteWorkItem, state: ItemState, worker: Worker | None = None) -> None:
        """Change an item's state, and its worker where one is given."""
        self._leave(item)
        item.state = state
        item.worker = worker or item.worker
        self._enter(item)

    def remove(self, item: RemoteWorkItem) -> None:
        """Forget an item."""
        if self._all.get(item.task_id) is item:
            del self._all[item.task_id]
            self._leave(item)

    def remove_all(self) -> list[RemoteWorkItem]:
        """Forget all items and return them."""
        removed = self.all()
        self.__init__()  # type: ignore[misc]
        return removed

    def _enter(self, item: RemoteWorkItem) -> None:
        self._by_state[item.state][item.task_id] = item
        if item.state is ItemState.RUNNING and item.host is not None:
            self._running_by_host.setdefault(item.host.lower(), {})[item.task_id] = item

    def _leave(self, item: RemoteWorkItem) -> None:
        self._by_state[item.state].pop(item.task_id, None)
        if item.state is ItemState.RUNNING and item.host is not None:
            of_host = self._running_by_host.get(item.host.lower(), {})
            of_host.pop(item.task_id, None)
            if not of_host:
                self._running_by_host.pop(item.host.lower(), None)
