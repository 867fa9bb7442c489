"""The kinds ``curator`` of discovery and leader selection: ZooKeeper in Druid's layout."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import make_path
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.discovery.zookeeper.nodes import CuratorDruidNodeAnnouncer, CuratorDruidNodeDiscoveryProvider
from nemeton.emitter import ServiceEmitter
from nemeton.json import Json
from nemeton.model import DruidNode
from nemeton.plugins import json_type
from nemeton.spi.discovery import (
    DiscoveryKind,
    DruidLeaderSelector,
    DruidNodeAnnouncer,
    DruidNodeDiscoveryProvider,
    LeaderSelectorKind,
)


@json_type("curator", "zk")
class CuratorDiscovery(DiscoveryKind):
    """Nodes find each other through ZooKeeper."""

    def __init__(self, zookeeper: ZooKeeper, announcer: Announcer, json: Json, clock: Clock) -> None:
        self._zookeeper = zookeeper
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._announcer = CuratorDruidNodeAnnouncer(zookeeper, announcer, json)
        self._provider = CuratorDruidNodeDiscoveryProvider(zookeeper, json, self._executor, clock)

    def start(self) -> None:
        """Connect. Raises a `DruidException` when ZooKeeper does not answer in time, or is disabled."""
        self._zookeeper.client  # noqa: B018 - asking for it connects

    def close(self) -> None:
        """End the watches and the listeners' thread."""
        self._provider.close()
        self._executor.shutdown()

    def announcer(self) -> DruidNodeAnnouncer:
        """The announcer."""
        return self._announcer

    def provider(self) -> DruidNodeDiscoveryProvider:
        """The provider."""
        return self._provider


@json_type("curator", "zk")
class CuratorLeaderSelection(LeaderSelectorKind):
    """Elections by Curator's leader latch, in which Java's participants may take part."""

    def __init__(self, zookeeper: ZooKeeper, clock: Clock, emitter: ServiceEmitter) -> None:
        self._zookeeper = zookeeper
        self._clock = clock
        self._emitter = emitter

    def latch_path(self, service: str) -> str:
        """The latch of a service: ``/druid/coordinator/_COORDINATOR``, ``/druid/overlord/_OVERLORD``."""
        paths = self._zookeeper.paths
        known = {"coordinator": paths.coordinator_path, "overlord": paths.overlord_path}
        return make_path(known.get(service) or make_path(paths.base, service), f"_{service.upper()}")

    def selector(self, service: str, node: DruidNode) -> DruidLeaderSelector:
        """A selector for one service's election."""
        path = self.latch_path(service)
        view = LatchView(self._zookeeper, path, self._clock)
        self._zookeeper.before_stop(view.close)
        return LatchLeaderSelector(
            path,
            lambda: CuratorLatch(self._zookeeper, path, node.service_url, view, self._clock),
            clock=self._clock,
            emitter=self._emitter,
        )
