"""What this process takes of the machine."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress

from nemeton.common.clock import Clock
from nemeton.emitter.monitors.deltas import Deltas
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("process")
class ProcessMonitor(Monitor):
    """CPU time, memory, threads, open files and garbage collections of the process.

    It stands where Druid has JvmMonitor, JvmCpuMonitor and JvmThreadsMonitor. There is no JVM, so the names are
    ``process/…``.
    """

    def __init__(self, clock: Clock) -> None:
        import psutil

        self._process = psutil.Process()
        self._clock = clock
        self._deltas = Deltas()

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        self._emit_cpu(metrics)
        memory = self._process.memory_info()
        metrics.emit_metric("process/mem/rss", memory.rss)
        metrics.emit_metric("process/mem/virtual", memory.vms)
        metrics.emit_metric("process/threads/count", self._process.num_threads())
        metrics.emit_metric("process/fds/count", self._process.num_fds())
        if sys.platform == "linux":
            import resource

            metrics.emit_metric("process/fds/max", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        metrics.emit_metric("process/uptime", self._clock.now() / 1000 - self._process.create_time())
        for generation, stats in enumerate(gc.get_stats()):
            collections = self._deltas.of(("gc", generation), stats["collections"])
            if collections is not None:
                metrics.emit_metric("process/gc/count", collections, gcGen=str(generation))

    def _emit_cpu(self, metrics: MetricSink) -> None:
        """Milliseconds of CPU time since the last look, and percent of one processor."""
        times = self._process.cpu_times()
        passed = self._deltas.of("time", self._clock.monotonic())
        spent = self._deltas.of_all("cpu", {"user": times.user, "sys": times.system})
        for kind, seconds in spent.items():
            metrics.emit_metric(f"process/cpu/{kind}", seconds * 1000)
        if passed and spent:
            with suppress(ZeroDivisionError):
                metrics.emit_metric("process/cpu/percent", 100 * sum(spent.values()) / passed)
