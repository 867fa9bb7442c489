"""That the service is up, and what it is at the moment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


class HeartbeatTags(ABC):
    """What a role adds to its heartbeat; modules add theirs with ``bind_set(HeartbeatTags)``."""

    @abstractmethod
    def tags(self) -> dict[str, Any]:
        """Dimensions, as they are now."""


@json_type("heartbeat", "ServiceStatusMonitor")
class ServiceStatusMonitor(Monitor):
    """``service/heartbeat``, always 1, with what the role says of itself (Druid's class of the same name)."""

    def __init__(self, tags: list[HeartbeatTags]) -> None:
        self._tags = tags

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        dims: dict[str, Any] = {}
        for each in self._tags:
            dims |= each.tags()
        metrics.emit_metric("service/heartbeat", 1, **dims)
