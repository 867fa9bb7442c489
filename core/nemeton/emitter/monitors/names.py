"""Names in ``druid.monitoring.monitors``: our own, and the Java classes that stand in files written for Druid."""

from __future__ import annotations

MEANINGLESS = frozenset(
    {
        "AvaticaMonitor",
        "CgroupCpuMonitor",
        "CgroupCpuSetMonitor",
        "CgroupDiskMonitor",
        "CgroupMemoryMonitor",
        "CgroupV2CpuMonitor",
        "CgroupV2CpuSetMonitor",
        "CgroupV2DiskMonitor",
        "CgroupV2MemoryMonitor",
        "ClientStatsMonitor",
        "CpuAcctDeltaMonitor",
        "ExecutorServiceMonitor",
        "KafkaConsumerMonitor",
        "MessageRelayMonitor",
        "NoopOshiSysMonitor",
        "NoopSysMonitor",
        "SegmentStatsMonitor",
        "StorageMonitor",
        "SubqueryCountStatsMonitor",
        "SupervisorStatsMonitor",
        "TaskRealtimeMetricsMonitor",
    }
)
"""Monitors of Druid that have nothing to measure here, or do not exist here yet. They are accepted and left out."""


def short_name(name: str) -> str:
    """The last part of a Java class name; any other name as it is."""
    return name.rsplit(".", 1)[-1]
