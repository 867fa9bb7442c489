"""How well data servers are followed."""

from __future__ import annotations

from nemeton.plugins import json_type
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("serverView")
class ServerViewMonitor(Monitor):
    """``serverview/sync/healthy`` of each data server, and for how long one has failed. It always runs."""

    def __init__(self, inventory: HttpServerInventoryView) -> None:
        self._inventory = inventory

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        for state in self._inventory.sync_states():
            dims = {"server": state.server.name, "tier": state.server.tier}
            metrics.emit_metric("serverview/sync/healthy", int(state.is_synced), **dims)
            if state.unstable_s > 0:
                metrics.emit_metric("serverview/sync/unstableTime", round(state.unstable_s * 1000), **dims)
