"""Binds discovery and the leader selectors."""

from __future__ import annotations

from typing import Annotated

from nemeton.discovery.leader_services import AS_OVERLORD, AnnouncedService, CoordinatorOverlordServiceConfig
from nemeton.discovery.local import LocalDiscoveryHub
from nemeton.discovery.metadata.config import MetadataDiscoveryConfig
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.discovery.static import StaticDiscoveryConfig
from nemeton.discovery.zookeeper.module import ZooKeeperModule
from nemeton.inject import Binder, Module, Named
from nemeton.lifecycle import Stage
from nemeton.model import DruidNode
from nemeton.spi.discovery import (
    DiscoveryKind,
    DruidLeaderSelector,
    DruidNodeAnnouncer,
    DruidNodeDiscoveryProvider,
    LeaderSelectorKind,
    ServiceAnnouncer,
)

COORDINATOR = "coordinator"
OVERLORD = "overlord"
DISCOVERY_TYPE = "druid.discovery.type"
_SELECTORS = {COORDINATOR: "druid.coordinator.selector.type", OVERLORD: "druid.indexer.selector.type"}


class ProcessDiscoveryModule(Module):
    """What the roles of one process share."""

    def configure(self, binder: Binder) -> None:
        """The hub through which roles of the kind ``local`` find one another."""
        binder.bind(LocalDiscoveryHub)


class DiscoveryModule(Module):
    """One role's announcer and provider, and the selectors named ``coordinator`` and ``overlord``."""

    def configure(self, binder: Binder) -> None:
        """``druid.discovery.type``, and one selector type per leader, which is the discovery's unless it is set."""
        binder.install(ZooKeeperModule())
        binder.bind_config("druid.discovery.static", StaticDiscoveryConfig)
        binder.bind_config("druid.discovery.metadata", MetadataDiscoveryConfig)
        binder.bind(LeaseStore)
        binder.manage_lifecycle(LeaseStore, stage=Stage.INIT)
        binder.bind_choice(DiscoveryKind, DISCOVERY_TYPE, default="local")
        binder.manage_lifecycle(DiscoveryKind)
        binder.bind(DruidNodeAnnouncer, provider=_announcer)
        binder.bind(DruidNodeDiscoveryProvider, provider=_provider)
        for name, selector_type in _SELECTORS.items():
            binder.bind_choice(LeaderSelectorKind, selector_type, "local", name=name, follows=DISCOVERY_TYPE)
        binder.bind_config(AS_OVERLORD, CoordinatorOverlordServiceConfig)
        binder.bind(ServiceAnnouncer, provider=_service_announcer)
        binder.bind(AnnouncedService, name=COORDINATOR, provider=_coordinator_service)
        binder.bind(AnnouncedService, name=OVERLORD, provider=_overlord_service)
        binder.bind(DruidLeaderSelector, name=COORDINATOR, provider=_coordinator_selector)
        binder.bind(DruidLeaderSelector, name=OVERLORD, provider=_overlord_selector)


def _announcer(kind: DiscoveryKind) -> DruidNodeAnnouncer:
    return kind.announcer()


def _provider(kind: DiscoveryKind) -> DruidNodeDiscoveryProvider:
    return kind.provider()


def _service_announcer(kind: DiscoveryKind) -> ServiceAnnouncer:
    return kind.service_announcer()


def _coordinator_service(announcer: ServiceAnnouncer, node: DruidNode) -> AnnouncedService:
    return AnnouncedService(announcer, node)


def _overlord_service(
    announcer: ServiceAnnouncer, node: DruidNode, config: CoordinatorOverlordServiceConfig
) -> AnnouncedService:
    return AnnouncedService(announcer, config.overlord_node(node))


def _coordinator_selector(
    kind: Annotated[LeaderSelectorKind, Named(COORDINATOR)], node: DruidNode
) -> DruidLeaderSelector:
    return kind.selector(COORDINATOR, node)


def _overlord_selector(kind: Annotated[LeaderSelectorKind, Named(OVERLORD)], node: DruidNode) -> DruidLeaderSelector:
    return kind.selector(OVERLORD, node)
