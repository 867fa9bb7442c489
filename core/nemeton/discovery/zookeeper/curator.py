"""The kinds ``curator`` of discovery and leader selection: ZooKeeper in Druid's layout."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorDiscoveryConfig,
    make_path,
)
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.discovery.zookeeper.nodes import CuratorDruidNodeAnnouncer, CuratorDruidNodeDiscoveryProvider
from nemeton.discovery.zookeeper.office import Office
from nemeton.discovery.zookeeper.segments import BatchDataSegmentAnnouncer
from nemeton.discovery.zookeeper.services import CuratorServiceAnnouncer
from nemeton.emitter import ServiceEmitter
from nemeton.json import Json
from nemeton.model import DruidNode, DruidServerMetadata
from nemeton.plugins import json_type
from nemeton.spi.discovery import (
    DataServerAnnouncer,
    DiscoveryKind,
    DruidLeaderSelector,
    DruidNodeAnnouncer,
    DruidNodeDiscoveryProvider,
    LeaderSelectorKind,
    ServiceAnnouncer,
)


@json_type("curator", "zk")
class CuratorDiscovery(DiscoveryKind):
    """Nodes find each other through ZooKeeper."""

    uses_zookeeper = True

    def __init__(
        self,
        zookeeper: ZooKeeper,
        announcer: Announcer,
        services: CuratorDiscoveryConfig,
        segments: BatchDataSegmentAnnouncerConfig,
        json: Json,
        clock: Clock,
    ) -> None:
        self._zookeeper = zookeeper
        self._ephemeral = announcer
        self._segments = segments
        self._json = json
        self._clock = clock
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._announcer = CuratorDruidNodeAnnouncer(zookeeper, announcer, json)
        self._provider = CuratorDruidNodeDiscoveryProvider(zookeeper, json, self._executor, clock)
        self._services = CuratorServiceAnnouncer(services, announcer, json, clock)

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

    def service_announcer(self) -> ServiceAnnouncer:
        """Curator's service discovery."""
        return self._services

    def data_server_announcer(self, server: DruidServerMetadata) -> DataServerAnnouncer:
        """Announcements and segments in ZooKeeper, unless ``druid.announcer.skipSegmentAnnouncementOnZk`` is true."""
        if self._segments.skip_segment_announcement_on_zk:
            return DataServerAnnouncer()
        return BatchDataSegmentAnnouncer(
            server, self._segments, self._zookeeper.paths, self._ephemeral, self._json, self._clock
        )


@json_type("curator", "zk")
class CuratorLeaderSelection(LeaderSelectorKind):
    """Elections by Curator's leader latch, in which Java's participants may take part.

    What a leader of a lost term writes to the metadata store is refused, unless
    ``druid.discovery.curator.fenceWrites`` is false.
    """

    def __init__(
        self,
        zookeeper: ZooKeeper,
        config: CuratorDiscoveryConfig,
        store: LeaseStore,
        clock: Clock,
        emitter: ServiceEmitter,
    ) -> None:
        self._zookeeper = zookeeper
        self._config = config
        self._store = store
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
        office = Office(service, node.service_url, self._store, self._zookeeper) if self._config.fence_writes else None
        return LatchLeaderSelector(
            path,
            lambda: CuratorLatch(self._zookeeper, path, node.service_url, view, self._clock, office),
            clock=self._clock,
            emitter=self._emitter,
        )
