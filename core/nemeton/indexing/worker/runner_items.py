"""The tasks in the hands of a worker's runner, and what can be asked about them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor
from typing import Generic, TypeVar

from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.listeners import RunnerListeners
from nemeton.indexing.worker.work_item import WorkItem
from nemeton.model import TaskLocation
from nemeton.spi.indexing import RunnerTaskState, TaskRunner, TaskRunnerListener
from nemeton.storage.task_logs import stream_file

Item = TypeVar("Item", bound=WorkItem)


class RunnerItems(TaskRunner, Generic[Item]):
    """The half of a runner that only looks: items by task id, listeners, slots, logs. Thread-safe."""

    def __init__(self, worker_config: WorkerConfig) -> None:
        self._worker_config = worker_config
        self._listeners = RunnerListeners()
        self._lock = threading.RLock()
        self._items: dict[str, Item] = {}
        self._ends = {True: 0, False: 0}

    def _item(self, task_id: str) -> Item | None:
        with self._lock:
            return self._items.get(task_id)

    def get_known_tasks(self) -> Collection[Item]:
        """See :class:`TaskRunner`."""
        with self._lock:
            return list(self._items.values())

    def get_running_tasks(self) -> Collection[Item]:
        """See :class:`TaskRunner`."""
        return [item for item in self.get_known_tasks() if item.running]

    def get_pending_tasks(self) -> Collection[Item]:
        """See :class:`TaskRunner`."""
        return [item for item in self.get_known_tasks() if not item.running]

    def get_runner_task_state(self, task_id: str) -> RunnerTaskState | None:
        """See :class:`TaskRunner`."""
        item = self._item(task_id)
        if item is None:
            return None
        return RunnerTaskState.RUNNING if item.running else RunnerTaskState.PENDING

    def get_task_location(self, task_id: str) -> TaskLocation:
        """See :class:`TaskRunner`."""
        item = self._item(task_id)
        return TaskLocation() if item is None else item.location

    def register_listener(self, listener: TaskRunnerListener, executor: Executor | None = None) -> None:
        """See :class:`TaskRunner`."""
        self._listeners.register(listener, executor)
        for item in self.get_running_tasks():
            self._listeners.location_changed(item.task_id, item.location, only=listener.listener_id)

    def unregister_listener(self, listener_id: str) -> None:
        """See :class:`TaskRunner`."""
        self._listeners.unregister(listener_id)

    def stream_task_log(self, task_id: str, offset: int) -> Iterator[bytes] | None:
        """See :class:`TaskRunner`."""
        item = self._item(task_id)
        return None if item is None or item.task_dir is None else stream_file(item.task_dir.log_file, offset)

    def ended_tasks(self, success: bool) -> int:
        """How many tasks have succeeded, or failed, since the runner was made."""
        return self._ends[success]

    def total_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: self.total_capacity()}

    def used_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: self.used_capacity()}

    def idle_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: max(0, self.total_capacity() - self.used_capacity())}

    def total_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return self._worker_config.capacity

    def used_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return len(self.get_running_tasks())
