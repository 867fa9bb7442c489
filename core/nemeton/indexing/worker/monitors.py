"""What a worker tells of its tasks and slots."""

from __future__ import annotations

from typing import Any

from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.indexing.worker.stats import IndexerTaskCountStats, WorkerTaskCountStats
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.model import Worker
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("workerTaskCount")
class WorkerTaskCountStatsMonitor(Monitor):
    """The tasks of this worker, and a MiddleManager's slots (Druid's class of the same name)."""

    roles = ("middleManager", "indexer")

    def __init__(
        self, middle_manager: WorkerTaskCountStats | None = None, indexer: IndexerTaskCountStats | None = None
    ) -> None:
        """Of the two that which the role has."""
        self._middle_manager = middle_manager
        self._indexer = indexer

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        if self._middle_manager is not None:
            _report_middle_manager(metrics, self._middle_manager)
        if self._indexer is not None:
            _report_indexer(metrics, self._indexer)


def _report_middle_manager(metrics: MetricSink, stats: WorkerTaskCountStats) -> None:
    values = {
        "worker/task/failed/count": stats.failed_tasks(),
        "worker/task/success/count": stats.successful_tasks(),
        "worker/taskSlot/idle/count": stats.idle_task_slots,
        "worker/taskSlot/total/count": stats.total_task_slots,
        "worker/taskSlot/used/count": stats.used_task_slots,
    }
    for name, value in values.items():
        metrics.emit_metric(name, value, category=stats.category, workerVersion=stats.version)


def _report_indexer(metrics: MetricSink, stats: IndexerTaskCountStats) -> None:
    counts = {
        "running": stats.running_tasks(),
        "assigned": stats.assigned_tasks(),
        "completed": stats.completed_tasks(),
        "failed": stats.failed_tasks(),
        "success": stats.successful_tasks(),
    }
    for kind, by_data_source in counts.items():
        for data_source, count in by_data_source.items():
            metrics.emit_metric(f"worker/task/{kind}/count", count, dataSource=data_source)


class WorkerTags(HeartbeatTags):
    """The worker's version and category, and whether it wants tasks."""

    def __init__(self, manager: WorkerTaskManager, worker: Worker) -> None:
        self._manager = manager
        self._worker = worker

    def tags(self) -> dict[str, Any]:
        """See `HeartbeatTags`."""
        return {
            "workerVersion": self._worker.version,
            "category": self._worker.category,
            "status": int(self._manager.is_enabled),
        }
