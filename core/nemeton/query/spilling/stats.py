"""How much the groupBy queries of a process spill."""

from __future__ import annotations

import threading

from attrs import define, evolve, field

from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@define
class SpillCounts:
    """Since the start of the process."""

    queries: int = 0
    bytes: int = 0
    dictionary_bytes: int = 0


@define
class GroupByStats:
    """Druid's GroupByStatsProvider. Thread-safe."""

    _counts: SpillCounts = field(factory=SpillCounts)
    _lock: threading.Lock = field(factory=threading.Lock)

    def add(self, spilled_bytes: int, dictionary_bytes: int) -> None:
        """One query is merged; it spilled if it has written anything."""
        with self._lock:
            self._counts.queries += spilled_bytes > 0
            self._counts.bytes += spilled_bytes
            self._counts.dictionary_bytes += dictionary_bytes

    def snapshot(self) -> SpillCounts:
        """The counts now."""
        with self._lock:
            return evolve(self._counts)


@json_type("groupByStats", "GroupByStatsMonitor")
class GroupByStatsMonitor(Monitor):
    """``groupBy/*`` of the last period (Druid's class of the same name; merge buffers there are none)."""

    roles = ("broker", "historical")

    def __init__(self, stats: GroupByStats) -> None:
        self._stats = stats
        self._told = SpillCounts()

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        now = self._stats.snapshot()
        told, self._told = self._told, now
        metrics.emit_metric("groupBy/spilledQueries", now.queries - told.queries)
        metrics.emit_metric("groupBy/spilledBytes", now.bytes - told.bytes)
        metrics.emit_metric("groupBy/mergeDictionarySize", now.dictionary_bytes - told.dictionary_bytes)
