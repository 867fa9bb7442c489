"""How many tasks there are, and slots for them; only the leading Overlord knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import frozen

from nemeton.indexing.overlord.master import NotLeaderError, TaskMaster
from nemeton.indexing.overlord.queue import TaskQueue
from nemeton.indexing.overlord.runners.views import by_category
from nemeton.indexing.overlord.task_entries import EndedTasks
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskRunner
from nemeton.spi.monitors import MetricSink, Monitor
from nemeton.spi.runners import TaskRunnerWorkItem, WorkerTaskRunner


@frozen
class _Kind:
    data_source: str
    task_type: str


@json_type("taskCount")
class TaskCountStatsMonitor(Monitor):
    """Tasks that have ended since the last look, and those that run or wait, by data source and type."""

    roles = ("overlord",)

    def __init__(self, master: TaskMaster) -> None:
        self._master = master
        self._queue: TaskQueue | None = None
        self._told: Mapping[EndedTasks, int] = {}

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        try:
            queue, runner = self._master.task_queue, self._master.task_runner
        except NotLeaderError:
            return
        self._emit_ended(metrics, queue)
        _emit(metrics, "task/running/count", _kinds_of(runner.get_running_tasks()))
        _emit(metrics, "task/pending/count", _kinds_of(runner.get_pending_tasks()))
        waiting = [queue.get_active_task(task_id) for task_id in queue.waiting_task_ids()]
        _emit(metrics, "task/waiting/count", [_Kind(task.data_source, task.type) for task in waiting if task])

    def _emit_ended(self, metrics: MetricSink, queue: TaskQueue) -> None:
        if queue is not self._queue:  # of another term
            self._queue, self._told = queue, {}
        ended = queue.ended_tasks()
        for kind, count in ended.items():
            new = count - self._told.get(kind, 0)
            name = "task/success/count" if kind.is_success else "task/failed/count"
            if new:
                metrics.emit_metric(name, new, dataSource=kind.data_source, taskType=kind.task_type)
        self._told = ended


def _kinds_of(items: Iterable[TaskRunnerWorkItem]) -> list[_Kind]:
    return [_Kind(item.data_source, item.task_type) for item in items]


def _emit(metrics: MetricSink, name: str, kinds: Iterable[_Kind]) -> None:
    for kind, count in Counter(kinds).items():
        metrics.emit_metric(name, count, dataSource=kind.data_source, taskType=kind.task_type)


@json_type("taskSlotCount")
class TaskSlotCountStatsMonitor(Monitor):
    """Slots by category of worker: all, idle, in use, of lazy and of blacklisted workers."""

    roles = ("overlord",)

    def __init__(self, master: TaskMaster) -> None:
        self._master = master

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        try:
            runner = self._master.task_runner
        except NotLeaderError:
            return
        for kind, slots in _slots(runner).items():
            for category, count in slots.items():
                metrics.emit_metric(f"taskSlot/{kind}/count", count, category=category)


def _slots(runner: TaskRunner) -> dict[str, Mapping[str, int]]:
    slots: dict[str, Mapping[str, int]] = {
        "total": runner.total_task_slot_count(),
        "idle": runner.idle_task_slot_count(),
        "used": runner.used_task_slot_count(),
    }
    if isinstance(runner, WorkerTaskRunner):
        lazy = runner.get_lazy_workers()
        blacklisted = [info.worker for info in runner.get_blacklisted_workers()]
        slots["lazy"] = by_category((worker, worker.capacity) for worker in lazy)
        slots["blacklisted"] = by_category((worker, worker.capacity) for worker in blacklisted)
    return slots
