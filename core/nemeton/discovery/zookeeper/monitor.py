"""Whether ZooKeeper is there."""

from __future__ import annotations

from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("zookeeper")
class ZooKeeperMonitor(Monitor):
    """``zk/connected``: 1 while the session is good, else 0; nothing where ZooKeeper is not used. It always runs."""

    def __init__(self, zookeeper: ZooKeeper) -> None:
        self._zookeeper = zookeeper

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        if self._zookeeper.is_used:
            metrics.emit_metric("zk/connected", int(self._zookeeper.is_live()))
