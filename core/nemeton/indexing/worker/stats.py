"""How many tasks a worker has and had: what its monitor emits."""

from __future__ import annotations

import threading
from collections import Counter

from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.restorable import BaseRestorableTaskRunner
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.spi.indexing import TaskRunner


class WorkerTaskCountStats:
    """Of a MiddleManager (Druid: ``WorkerTaskCountStatsProvider``). Thread-safe.

    The counts of ends are those since they were last asked for: one monitor asks.
    """

    def __init__(self, runner: TaskRunner, config: WorkerConfig) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._told = {True: 0, False: 0}
        self.category = config.category
        self.version = config.version
        self.total_task_slots = config.capacity

    def failed_tasks(self) -> int:
        """``worker/task/failed/count``: tasks that failed since the last call."""
        return self._since(success=False)

    def successful_tasks(self) -> int:
        """``worker/task/success/count``: tasks that succeeded since the last call."""
        return self._since(success=True)

    def _since(self, *, success: bool) -> int:
        now = self._runner.ended_tasks(success) if isinstance(self._runner, BaseRestorableTaskRunner) else 0
        with self._lock:
            before, self._told[success] = self._told[success], now
        return now - before

    @property
    def used_task_slots(self) -> int:
        """``worker/taskSlot/used/count``."""
        return max(0, self._runner.used_capacity())

    @property
    def idle_task_slots(self) -> int:
        """``worker/taskSlot/idle/count``."""
        return max(0, self.total_task_slots - self.used_task_slots)


class IndexerTaskCountStats:
    """Of an Indexer (Druid: ``IndexerTaskCountStatsProvider``): tasks by data source. Thread-safe.

    Ended tasks are those that the Overlord has not confirmed yet.
    """

    def __init__(self, manager: WorkerTaskManager) -> None:
        self._manager = manager

    def running_tasks(self) -> dict[str, int]:
        """``worker/task/running/count``."""
        return Counter(each.task_data_source or "" for each in self._manager.running_tasks.values())

    def assigned_tasks(self) -> dict[str, int]:
        """``worker/task/assigned/count``."""
        return Counter(task.data_source for task in self._manager.assigned_tasks.values())

    def completed_tasks(self) -> dict[str, int]:
        """``worker/task/completed/count``."""
        return Counter(each.task_data_source or "" for each in self._manager.completed_tasks.values())

    def failed_tasks(self) -> dict[str, int]:
        """``worker/task/failed/count``."""
        ended = self._manager.completed_tasks.values()
        return Counter(each.task_data_source or "" for each in ended if each.task_status.is_failure)

    def successful_tasks(self) -> dict[str, int]:
        """``worker/task/success/count``."""
        ended = self._manager.completed_tasks.values()
        return Counter(each.task_data_source or "" for each in ended if each.task_status.is_success)
