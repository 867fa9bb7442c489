"""Binds the Router."""

from __future__ import annotations

from typing import Annotated

from nemeton.discovery.leader_services import ServiceAnnouncementModule
from nemeton.inject import Binder, Module, Named
from nemeton.lifecycle import Stage
from nemeton.server.router.brokers import BrokerSelector
from nemeton.server.router.config import ManagementProxyConfig, RouterConfig, RouterHttpConfig
from nemeton.server.router.proxy import ReverseProxy
from nemeton.server.router.resource import ManagementProxyResource, QueryProxyResource, RouterResource
from nemeton.spi.discovery import DruidLeaderSelector, DruidNodeDiscoveryProvider
from nemeton.spi.http import Resource


class RouterModule(Module):
    """The Router's resources and its connections."""

    def configure(self, binder: Binder) -> None:
        """``druid.router.*``; the management proxy has no routes unless it is enabled."""
        binder.install(ServiceAnnouncementModule())
        binder.bind_config("druid.router", RouterConfig)
        binder.bind_config("druid.router.http", RouterHttpConfig)
        binder.bind_config("druid.router.managementProxy", ManagementProxyConfig)
        binder.bind(ReverseProxy)
        binder.manage_lifecycle(ReverseProxy, stage=Stage.NORMAL)
        binder.bind(BrokerSelector, provider=_make_broker_selector)
        resources = binder.bind_set(Resource)
        resources.add(QueryProxyResource)
        resources.add(RouterResource)
        resources.add(provider=_make_management_proxy)


def _make_broker_selector(provider: DruidNodeDiscoveryProvider, config: RouterConfig) -> BrokerSelector:
    return BrokerSelector(provider, config.default_broker_service_name)


def _make_management_proxy(
    proxy: ReverseProxy,
    config: ManagementProxyConfig,
    coordinator: Annotated[DruidLeaderSelector, Named("coordinator")],
    overlord: Annotated[DruidLeaderSelector, Named("overlord")],
) -> Resource:
    if not config.enabled:
        return _Nothing()
    return ManagementProxyResource(proxy, coordinator.get_current_leader, overlord.get_current_leader)


class _Nothing(Resource):
    """No routes: the paths of Coordinator and Overlord are not found here."""
