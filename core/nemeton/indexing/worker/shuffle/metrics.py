"""How much is fetched from a worker, by supervisor task (Druid: ``ShuffleMetrics``)."""

from __future__ import annotations

import threading
from collections import defaultdict

from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


class ShuffleMetrics:
    """Counts requests and bytes between two looks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def requested(self, supervisor_task_id: str, size: int) -> None:
        """Note that a partial segment of so many bytes was asked for."""
        with self._lock:
            counts = self._counts[supervisor_task_id]
            counts[0] += 1
            counts[1] += size

    def take(self) -> dict[str, tuple[int, int]]:
        """Requests and bytes by supervisor task since the last call."""
        with self._lock:
            taken, self._counts = self._counts, defaultdict(lambda: [0, 0])
        return {task_id: (requests, size) for task_id, (requests, size) in taken.items()}


@json_type("shuffle")
class ShuffleMonitor(Monitor):
    """What was fetched since the last look, by supervisor task (Druid's class of the same name)."""

    roles = ("middleManager", "indexer", "overlord")

    def __init__(self, shuffled: ShuffleMetrics) -> None:
        self._shuffled = shuffled

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        for task_id, (requests, size) in self._shuffled.take().items():
            metrics.emit_metric("ingest/shuffle/bytes", size, supervisorTaskId=task_id)
            metrics.emit_metric("ingest/shuffle/requests", requests, supervisorTaskId=task_id)
