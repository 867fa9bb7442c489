"""What leaders say of themselves in their heartbeat."""

from __future__ import annotations

from typing import Any

from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.spi.discovery import DruidLeaderSelector


class LeaderTags(HeartbeatTags):
    """``leader``: 1 while this node leads, otherwise 0."""

    def __init__(self, selector: DruidLeaderSelector) -> None:
        self._selector = selector

    def tags(self) -> dict[str, Any]:
        """See `HeartbeatTags`."""
        return {"leader": int(self._selector.is_leader())}
