"""The kinds ``metadata`` of discovery and leader selection: leases in the metadata store, by its own clock."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LatchLeaderSelector, LeaderLatch
from nemeton.discovery.metadata.latch import Leadership, LeaderView, LeaseLatch
from nemeton.discovery.metadata.leases import Leases
from nemeton.discovery.metadata.nodes import MetadataNodeAnnouncer, MetadataNodeDiscoveryProvider
from nemeton.discovery.metadata.store import LeaseStore
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


@json_type("metadata")
class MetadataDiscovery(DiscoveryKind):
    """Nodes find each other through a table of the metadata store."""

    def __init__(self, store: LeaseStore, json: Json, clock: Clock) -> None:
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._announcer = MetadataNodeAnnouncer(store, json, clock)
        self._provider = MetadataNodeDiscoveryProvider(store, json, self._executor, clock)

    def announcer(self) -> DruidNodeAnnouncer:
        """The announcer."""
        return self._announcer

    def provider(self) -> DruidNodeDiscoveryProvider:
        """The provider."""
        return self._provider

    def close(self) -> None:
        """End heartbeat, polling and the listeners' thread."""
        self._announcer.close()
        self._provider.close()
        self._executor.shutdown()


@json_type("metadata")
class MetadataLeaderSelection(LeaderSelectorKind):
    """Elections by leases in a table of the metadata store; what a leader of a lost term writes there is refused."""

    def __init__(self, store: LeaseStore, clock: Clock, emitter: ServiceEmitter) -> None:
        self._store = store
        self._clock = clock
        self._emitter = emitter

    def selector(self, service: str, node: DruidNode) -> DruidLeaderSelector:
        """A selector for one service's election."""
        store, clock, config = self._store, self._clock, self._store.config
        leases = Leases(store, clock)
        leadership = Leadership(service, leases, clock)
        view = LeaderView(service, leases, config, clock)

        def make_latch() -> LeaderLatch:
            return LeaseLatch(service, node.service_url, leases, leadership, view, config, clock)

        return LatchLeaderSelector(service, make_latch, clock=clock, emitter=self._emitter)
