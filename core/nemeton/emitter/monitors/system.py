"""What happens on the machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.emitter.monitors.deltas import Deltas
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor

CATEGORIES = ("mem", "swap", "fs", "disk", "net", "cpu", "sys")
_WITHOUT_COUNTERPART = frozenset({"tcp"})
_CPU_TIMES = {"user": "user", "system": "sys", "nice": "nice", "iowait": "wait", "irq": "irq", "idle": "idle"}
_CPU_TIMES |= {"softirq": "softIrq", "steal": "stolen"}


@frozen
class SystemMonitorConfig:
    """Which categories are measured, of ``mem``, ``swap``, ``fs``, ``disk``, ``net``, ``cpu``, ``sys``; none: all."""

    categories: list[str] = field(factory=list)


@json_type("system", "OshiSysMonitor", "SysMonitor")
class SystemMonitor(Monitor):
    """Memory, swap, file systems, disks, network, processors and load of the machine, with Druid's names.

    Not in peons, since their worker measures the same machine.
    """

    not_in = ("peon",)

    def __init__(self, config: SystemMonitorConfig, clock: Clock) -> None:
        """Raises `DruidException` for an unknown category."""
        wanted = [each for each in config.categories if each not in _WITHOUT_COUNTERPART]
        unknown = [each for each in wanted if each not in CATEGORIES]
        if unknown:
            raise invalid_input(
                f"druid.monitoring.sys.categories: unknown {', '.join(unknown)}; there are {', '.join(CATEGORIES)}"
            )
        self._clock = clock
        self._deltas = Deltas()
        measures: Mapping[str, Callable[[MetricSink], None]] = {
            "mem": _memory,
            "swap": self._swap,
            "fs": _file_systems,
            "disk": self._disks,
            "net": self._network,
            "cpu": self._processors,
            "sys": self._load,
        }
        self._measures = [measures[each] for each in wanted or CATEGORIES]

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        for measure in self._measures:
            measure(metrics)

    def _swap(self, metrics: MetricSink) -> None:
        import psutil

        swap = psutil.swap_memory()
        metrics.emit_metric("sys/swap/max", swap.total)
        metrics.emit_metric("sys/swap/free", swap.free)
        moved = self._deltas.of_all("swap", {"sys/swap/pageIn": swap.sin, "sys/swap/pageOut": swap.sout})
        for name, value in moved.items():
            metrics.emit_metric(name, value)

    def _disks(self, metrics: MetricSink) -> None:
        import psutil

        for name, io in (psutil.disk_io_counters(perdisk=True) or {}).items():
            counters = {
                "sys/disk/read/size": io.read_bytes,
                "sys/disk/read/count": io.read_count,
                "sys/disk/write/size": io.write_bytes,
                "sys/disk/write/count": io.write_count,
            }
            for metric, value in self._deltas.of_all(("disk", name), counters).items():
                metrics.emit_metric(metric, value, diskName=name)

    def _network(self, metrics: MetricSink) -> None:
        import psutil

        addresses = psutil.net_if_addrs()
        for name, io in psutil.net_io_counters(pernic=True).items():
            counters = {
                "sys/net/read/size": io.bytes_recv,
                "sys/net/read/packets": io.packets_recv,
                "sys/net/read/errors": io.errin,
                "sys/net/read/dropped": io.dropin,
                "sys/net/write/size": io.bytes_sent,
                "sys/net/write/packets": io.packets_sent,
                "sys/net/write/errors": io.errout,
            }
            known = {each.family: each.address for each in addresses.get(name, ())}
            address, hardware = known.get(socket.AF_INET), known.get(psutil.AF_LINK)
            for metric, value in self._deltas.of_all(("net", name), counters).items():
                metrics.emit_metric(metric, value, netName=name, netAddress=address, netHwaddr=hardware)

    def _processors(self, metrics: MetricSink) -> None:
        """Percent of each processor's time since the last look, by what it was spent on."""
        import psutil

        for number, times in enumerate(psutil.cpu_times(percpu=True)):
            counters = {kind: getattr(times, ours) for ours, kind in _CPU_TIMES.items() if hasattr(times, ours)}
            spent = self._deltas.of_all(("cpu", number), counters)
            total = sum(spent.values())
            for kind, seconds in spent.items() if total > 0 else ():
                metrics.emit_metric("sys/cpu", 100 * seconds / total, cpuName=str(number), cpuTime=kind)

    def _load(self, metrics: MetricSink) -> None:
        import psutil

        metrics.emit_metric("sys/uptime", int(self._clock.now() / 1000 - psutil.boot_time()))
        for minutes, load in zip((1, 5, 15), os.getloadavg(), strict=True):
            metrics.emit_metric(f"sys/la/{minutes}", load)


def _memory(metrics: MetricSink) -> None:
    import psutil

    memory = psutil.virtual_memory()
    metrics.emit_metric("sys/mem/max", memory.total)
    metrics.emit_metric("sys/mem/used", memory.total - memory.available)
    metrics.emit_metric("sys/mem/free", memory.available)


def _file_systems(metrics: MetricSink) -> None:
    import psutil

    for partition in psutil.disk_partitions(all=False):
        with suppress(OSError):  # one that cannot be looked at any more
            stats = os.statvfs(partition.mountpoint)
            values = {
                "sys/fs/max": stats.f_blocks * stats.f_frsize,
                "sys/fs/used": (stats.f_blocks - stats.f_bavail) * stats.f_frsize,
                "sys/fs/files/count": stats.f_files,
                "sys/fs/files/free": stats.f_ffree,
            }
            for metric, value in values.items():
                metrics.emit_metric(metric, value, fsDevName=partition.device, fsDirName=partition.mountpoint)
