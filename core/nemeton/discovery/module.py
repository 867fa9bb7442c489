"""Binds discovery and the leader selectors."""

from __future__ import annotations

from typing import Annotated

from nemeton.discovery.local import LocalDiscoveryHub
from nemeton.discovery.static import StaticDiscoveryConfig
from nemeton.discovery.zookeeper.module import ZooKeeperModule
from nemeton.inject import Binder, Module, Named
from nemeton.model import DruidNode
from nemeton.spi.discovery import (
    DiscoveryKind,
    DruidLeaderSelector,
    DruidNodeAnnouncer,
    DruidNodeDiscoveryProvider,
    LeaderSelectorKind,
)

COORDINATOR = "coordinator"
OVERLORD = "overlord"


class ProcessDiscoveryModule(Module):
    """What the roles of one process share."""

    def configure(self, binder: Binder) -> None:
        """The hub through which roles of the kind ``local`` find one another."""
        binder.bind(LocalDiscoveryHub)


class DiscoveryModule(Module):
    """One role's announcer and provider, and the selectors named ``coordinator`` and ``overlord``."""

    def configure(self, binder: Binder) -> None:
        """``druid.discovery.type`` and one selector type per leader; all default to ``local``."""
        binder.install(ZooKeeperModule())
        binder.bind_config("druid.discovery.static", StaticDiscoveryConfig)
        binder.bind_choice(DiscoveryKind, "druid.discovery.type", default="local")
        binder.manage_lifecycle(DiscoveryKind)
        binder.bind(DruidNodeAnnouncer, provider=_announcer)
        binder.bind(DruidNodeDiscoveryProvider, provider=_provider)
        binder.bind_choice(LeaderSelectorKind, "druid.coordinator.selector.type", default="local", name=COORDINATOR)
        binder.bind_choice(LeaderSelectorKind, "druid.indexer.selector.type", default="local", name=OVERLORD)
        binder.bind(DruidLeaderSelector, name=COORDINATOR, provider=_coordinator_selector)
        binder.bind(DruidLeaderSelector, name=OVERLORD, provider=_overlord_selector)


def _announcer(kind: DiscoveryKind) -> DruidNodeAnnouncer:
    return kind.announcer()


def _provider(kind: DiscoveryKind) -> DruidNodeDiscoveryProvider:
    return kind.provider()


def _coordinator_selector(
    kind: Annotated[LeaderSelectorKind, Named(COORDINATOR)], node: DruidNode
) -> DruidLeaderSelector:
    return kind.selector(COORDINATOR, node)


def _overlord_selector(kind: Annotated[LeaderSelectorKind, Named(OVERLORD)], node: DruidNode) -> DruidLeaderSelector:
    return kind.selector(OVERLORD, node)
