"""How the view of data servers is measured."""

from __future__ import annotations

from nemeton.model import DruidServerMetadata
from nemeton.rpc.monitor import ServerViewMonitor
from nemeton.rpc.server_inventory import SyncState


class Inventory:
    def __init__(self, *states):
        self._states = states

    def sync_states(self):
        return self._states


class Metrics:
    def __init__(self):
        self.events = []

    def emit_metric(self, name, value, **dims):
        self.events.append((name, value, dims["server"], dims["tier"]))


def test_each_server_is_told_of_and_for_how_long_it_has_failed():
    good, bad = (DruidServerMetadata(name, name, 1000, tier="hot", priority=0) for name in ("a:1", "b:1"))
    metrics = Metrics()
    ServerViewMonitor(Inventory(SyncState(good, True, 0.0), SyncState(bad, False, 2.5))).monitor(metrics)
    assert metrics.events == [
        ("serverview/sync/healthy", 1, "a:1", "hot"),
        ("serverview/sync/healthy", 0, "b:1", "hot"),
        ("serverview/sync/unstableTime", 2500, "b:1", "hot"),
    ]
