"""The Router's settings."""

from __future__ import annotations

from attrs import frozen

from nemeton.time import Period

_FIFTEEN_MINUTES = Period.parse("PT15M")


@frozen
class RouterConfig:
    """``druid.router.*``: the service name of the Brokers that queries go to."""

    default_broker_service_name: str = "druid/broker"


@frozen
class RouterHttpConfig:
    """``druid.router.http.*``: connections to each host, and how long one may be silent."""

    num_connections: int = 20
    read_timeout: Period = _FIFTEEN_MINUTES


@frozen
class ManagementProxyConfig:
    """``druid.router.managementProxy.enabled``: whether the Router also passes on to Coordinator and Overlord."""

    enabled: bool = True
