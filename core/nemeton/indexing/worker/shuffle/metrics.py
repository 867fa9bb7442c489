"""How much is fetched from a worker, by supervisor task (Druid: ``ShuffleMetrics``)."""

from __future__ import annotations

import threading
from collections import defaultdict


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
