"""Tells operators of the connection to ZooKeeper."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.discovery.zookeeper.connection import SessionListener
from nemeton.emitter import ServiceEmitter


class DruidConnectionStateListener(SessionListener):
    """Alerts when the connection goes, and measures how long it was away: ``zk/reconnect/time`` in milliseconds."""

    def __init__(self, emitter: ServiceEmitter, clock: Clock) -> None:
        self._emitter = emitter
        self._clock = clock
        self._gone_since: float | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is no outage; true before the first connection, too."""
        return self._gone_since is None

    def suspended(self) -> None:
        """The connection has gone."""
        self._gone_since = self._clock.monotonic()
        self._alert("SUSPENDED")

    def lost(self) -> None:
        """The session is over."""
        self._alert("LOST")

    def reconnected(self) -> None:
        """The connection is there again."""
        if self._gone_since is not None:
            away_s, self._gone_since = self._clock.monotonic() - self._gone_since, None
            self._emitter.emit_metric("zk/reconnect/time", int(away_s * 1000))

    def _alert(self, state: str) -> None:
        self._emitter.alert(f"ZooKeeper connection[{state}]")
