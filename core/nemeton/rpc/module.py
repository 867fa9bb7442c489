"""Binds the clients of other services."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.http.client import EscalatedHttpClient
from nemeton.inject import Binder, Module
from nemeton.model import NodeRole
from nemeton.rpc.client import ServiceClientFactory
from nemeton.rpc.coordinator import CoordinatorClient
from nemeton.rpc.locator import DiscoveryServiceLocator
from nemeton.rpc.overlord import OverlordClient
from nemeton.rpc.server_inventory import HttpServerInventoryViewConfig
from nemeton.spi.discovery import DruidNodeDiscoveryProvider


class RpcModule(Module):
    """`ServiceClientFactory`, `OverlordClient` and `CoordinatorClient`."""

    def configure(self, binder: Binder) -> None:
        """Clients that find the current leader by discovery and sign as the escalator says."""
        binder.bind_config("druid.serverview.http", HttpServerInventoryViewConfig)
        binder.bind(ServiceClientFactory, provider=_make_factory)
        binder.bind(OverlordClient, provider=_make_overlord_client)
        binder.bind(CoordinatorClient, provider=_make_coordinator_client)


def _make_factory(http: EscalatedHttpClient, clock: Clock) -> ServiceClientFactory:
    return ServiceClientFactory(http, clock)


def _make_overlord_client(factory: ServiceClientFactory, provider: DruidNodeDiscoveryProvider) -> OverlordClient:
    return OverlordClient(factory.make("overlord", DiscoveryServiceLocator(provider, NodeRole.OVERLORD)))


def _make_coordinator_client(factory: ServiceClientFactory, provider: DruidNodeDiscoveryProvider) -> CoordinatorClient:
    return CoordinatorClient(factory.make("coordinator", DiscoveryServiceLocator(provider, NodeRole.COORDINATOR)))
