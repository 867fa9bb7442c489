"""Operators are told of outages of ZooKeeper."""

from __future__ import annotations

from nemeton.common.clock import ManualClock
from nemeton.discovery.zookeeper.connection_state import DruidConnectionStateListener


class Emitter:
    def __init__(self):
        self.alerts = []
        self.metrics = []

    def alert(self, message):
        self.alerts.append(message)

    def emit_metric(self, name, value):
        self.metrics.append((name, value))


def test_outages_are_alerts_and_their_length_is_measured():
    emitter, clock = Emitter(), ManualClock()
    listener = DruidConnectionStateListener(emitter, clock)
    assert listener.is_connected
    listener.suspended()
    clock.advance(30)
    listener.lost()
    assert not listener.is_connected
    clock.advance(2)
    listener.reconnected()
    assert listener.is_connected
    assert emitter.alerts == ["ZooKeeper connection[SUSPENDED]", "ZooKeeper connection[LOST]"]
    assert emitter.metrics == [("zk/reconnect/time", 32_000)]
