"""Binds the Coordinator."""

from __future__ import annotations

from nemeton.coordinator.api.cluster import ClusterResource
from nemeton.coordinator.api.config import CoordinatorDynamicConfigsResource
from nemeton.coordinator.api.coordinator import CoordinatorResource
from nemeton.coordinator.api.datasources import DataSourcesResource
from nemeton.coordinator.api.intervals import IntervalsResource
from nemeton.coordinator.api.lookups import LookupCoordinatorResource, LookupStatusResource
from nemeton.coordinator.api.marking import MarkSegmentsResource
from nemeton.coordinator.api.metadata import MetadataResource
from nemeton.coordinator.api.rules import RulesResource
from nemeton.coordinator.api.served import ServedSegments
from nemeton.coordinator.api.servers import ServersResource, TiersResource
from nemeton.coordinator.config import (
    CoordinatorPeriodConfig,
    DruidCoordinatorConfig,
    HttpLoadQueuePeonConfig,
    LookupCoordinatorManagerConfig,
)
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.coordinator.lookup_nodes import LookupNodes
from nemeton.coordinator.lookups import LookupCoordinatorManager
from nemeton.coordinator.status import ReplicationStatus
from nemeton.discovery.heartbeat import LeaderTags
from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.http.redirect import LeaderRedirect
from nemeton.inject import Binder, Module
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.rpc.monitor import ServerViewMonitor
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.spi.http import Resource
from nemeton.spi.monitors import Monitor

_PREFIX = "/druid/coordinator"
_RESOURCES = (
    ClusterResource,
    CoordinatorResource,
    CoordinatorDynamicConfigsResource,
    DataSourcesResource,
    IntervalsResource,
    LookupCoordinatorResource,
    LookupStatusResource,
    MarkSegmentsResource,
    MetadataResource,
    RulesResource,
    ServersResource,
    TiersResource,
)


class CoordinatorModule(Module):
    """The Coordinator, its view of the data servers and its API."""

    def configure(self, binder: Binder) -> None:
        """``druid.coordinator.*``; `_Following` starts when the Coordinator listens, and stops after it."""
        binder.bind_config("druid.coordinator", DruidCoordinatorConfig)
        binder.bind_config("druid.coordinator.period", CoordinatorPeriodConfig)
        binder.bind_config("druid.coordinator.loadqueuepeon.http", HttpLoadQueuePeonConfig)
        binder.bind_config("druid.manager.lookups", LookupCoordinatorManagerConfig)
        binder.bind(LookupNodes)
        binder.manage_lifecycle(LookupNodes)
        binder.bind(LookupCoordinatorManager)
        binder.bind(HttpServerInventoryView)
        binder.bind_set(Monitor).add(ServerViewMonitor)
        binder.bind(DruidCoordinator)
        binder.bind(_Following)
        # after the Coordinator has added itself as a listener, and stopped after it
        binder.manage_lifecycle(_Following)
        binder.manage_lifecycle(DruidCoordinator)
        binder.bind(ReplicationStatus)
        binder.bind(ServedSegments)
        resources = binder.bind_set(Resource)
        for resource in _RESOURCES:
            resources.add(resource)
        binder.bind_set(LeaderRedirect).add(provider=_redirect)
        binder.bind_set(HeartbeatTags).add(provider=_heartbeat_tags)


class _Following:
    """Follows the data servers from the start, leading or not: a new leader knows the cluster at once."""

    def __init__(self, inventory: HttpServerInventoryView, coordinator: DruidCoordinator) -> None:
        """The Coordinator listens to the inventory since it was made."""
        self._inventory = inventory

    @lifecycle_start
    def start(self) -> None:
        """Follow the data servers, leading or not."""
        self._inventory.start()

    @lifecycle_stop
    def stop(self) -> None:
        """Follow no more."""
        self._inventory.stop()


def _heartbeat_tags(coordinator: DruidCoordinator) -> HeartbeatTags:
    return LeaderTags(coordinator.selector)


def _redirect(coordinator: DruidCoordinator) -> LeaderRedirect:
    local = (f"{_PREFIX}/v1/leader", f"{_PREFIX}/v1/isLeader")
    return LeaderRedirect(_PREFIX, lambda: coordinator.is_leader, lambda: coordinator.current_leader, local)
