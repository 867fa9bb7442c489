"""What the Overlord knows of one worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from attrs import evolve

from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.model import Worker
from nemeton.spi.indexing import ImmutableWorkerInfo

T = TypeVar("T")


class _Shown(Generic[T]):
    """An attribute that is part of the picture: to set it is to have a new one made."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, holder: WorkerHolder, owner: type) -> T:
        value: T = holder.__dict__[self._name]
        return value

    def __set__(self, holder: WorkerHolder, value: T) -> None:
        holder.__dict__[self._name] = value
        holder._info = None


class WorkerHolder:
    """A worker and the tasks that it announces. Not thread-safe: the runner's lock guards it.

    ``host`` is its name in the cluster, ``host:port``, for good. ``is_ready``: its tasks have been heard of, and it
    takes new ones. The picture that strategies see (`info`) is made when it is asked for and kept until something
    changes; it costs what the worker's running tasks cost, however many ended ones it still announces.
    """

    def __init__(self, worker: Worker, now: int, *, is_ready: bool) -> None:
        self._info: ImmutableWorkerInfo | None = None
        self.worker = worker
        self.host = worker.host
        self.is_ready = is_ready
        self.failures_in_a_row = 0
        self.last_completed_task_time = now
        self.blacklisted_until = None
        self._announcements: dict[str, TaskAnnouncement] = {}
        self._running: dict[str, TaskAnnouncement] = {}

    worker = _Shown[Worker]()
    is_ready = _Shown[bool]()
    last_completed_task_time = _Shown[int]()
    blacklisted_until = _Shown[int | None]()

    # ---- its tasks

    def announces(self, task_id: str) -> TaskAnnouncement | None:
        """What it says of a task, running or ended."""
        return self._announcements.get(task_id)

    def put(self, announcement: TaskAnnouncement) -> None:
        """Note what it says of a task."""
        task_id = announcement.id
        self._announcements[task_id] = announcement
        if announcement.status.is_complete:
            if self._running.pop(task_id, None) is not None:
                self._info = None
            return
        before = self._running.get(task_id)
        self._running[task_id] = announcement
        if before is None or _load(before) != _load(announcement):
            self._info = None

    def remove(self, task_id: str) -> TaskAnnouncement | None:
        """It says nothing of the task any more; return what it said last."""
        self._info = None
        self._running.pop(task_id, None)
        return self._announcements.pop(task_id, None)

    def replace_all(self, announcements: Iterable[TaskAnnouncement]) -> None:
        """It says this, and nothing else."""
        self._announcements.clear()
        self._running.clear()
        self._info = None
        for announcement in announcements:
            self.put(announcement)

    # ---- as others see it

    @property
    def info(self) -> ImmutableWorkerInfo:
        """The worker and its load now. One that is not ready has an empty version, Druid's sign for a disabled one."""
        if self._info is None:
            self._info = self._make_info()
        return self._info

    def _make_info(self) -> ImmutableWorkerInfo:
        used = of_parallel_index = 0
        by_type: dict[str, int] = {}
        for announcement in self._running.values():
            wanted = announcement.task_resource.required_capacity
            used += wanted
            if announcement.type == "index_parallel":
                of_parallel_index += wanted
            if announcement.type is not None:
                by_type[announcement.type] = by_type.get(announcement.type, 0) + 1
        return ImmutableWorkerInfo(
            worker=self.worker if self.is_ready else evolve(self.worker, version=""),
            curr_capacity_used=used,
            curr_parallel_index_capacity_used=of_parallel_index,
            curr_capacity_used_by_task_type=by_type,
            availability_groups=frozenset(a.task_resource.availability_group for a in self._running.values()),
            running_tasks=frozenset(self._running),
            last_completed_task_time=self.last_completed_task_time,
            blacklisted_until=self.blacklisted_until,
        )


def _load(announcement: TaskAnnouncement) -> tuple[object, ...]:
    """What the picture of a worker shows of a running task."""
    return announcement.type, announcement.task_resource
