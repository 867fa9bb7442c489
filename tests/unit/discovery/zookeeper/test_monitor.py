"""What is measured of ZooKeeper."""

from __future__ import annotations

import pytest

from nemeton.discovery.zookeeper.monitor import ZooKeeperMonitor


class Connection:
    def __init__(self, is_used, live):
        self.is_used, self._live = is_used, live

    def is_live(self):
        return self._live


class Metrics:
    def __init__(self):
        self.events = []

    def emit_metric(self, name, value, **_):
        self.events.append((name, value))


@pytest.mark.parametrize(("used", "live", "told"), [(True, True, [1]), (True, False, [0]), (False, False, [])])
def test_the_session_is_told_of_where_there_is_one(used, live, told):
    metrics = Metrics()
    ZooKeeperMonitor(Connection(used, live)).monitor(metrics)
    assert metrics.events == [("zk/connected", value) for value in told]
