"""The roles that a process can have, each a list of modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.discovery.announcement import NodeAnnouncementModule
from nemeton.inject import Module
from nemeton.model import NodeRole
from nemeton.server.node import NodeModule


@frozen
class ServerRole:
    """One role: Druid's service name and default port for it, and the modules it is made of."""

    name: str
    service: str
    port: int
    module_names: tuple[str, ...]
    """Dotted names, imported when the role is run."""

    def modules(self) -> list[Module]:
        """Import and make the role's modules."""
        announcement = NodeAnnouncementModule(NodeRole.parse(self.name))
        return [NodeModule(self.service, self.port), announcement, *(_load(name) for name in self.module_names)]


def _load(name: str) -> Module:
    module, _, attribute = name.partition(":")
    made: Callable[[], Module] = getattr(importlib.import_module(module), attribute)
    return made()


_BASE = (
    "nemeton.emitter.module:EmitterModule",
    "nemeton.discovery.module:DiscoveryModule",
    "nemeton.http.module:HttpModule",
    "nemeton.rpc.module:RpcModule",
)
_DATA = ("nemeton.query.module:QueryModule", "nemeton.storage.module:StorageModule")

ROLES = {
    role.name: role
    for role in (
        ServerRole(
            "coordinator",
            "druid/coordinator",
            8081,
            (*_BASE, "nemeton.metadata.module:MetadataModule", "nemeton.coordinator.module:CoordinatorModule"),
        ),
        ServerRole(
            "overlord",
            "druid/overlord",
            8090,
            (
                *_BASE,
                "nemeton.metadata.module:MetadataModule",
                "nemeton.storage.module:StorageModule",
                "nemeton.indexing.module:OverlordModule",
            ),
        ),
        ServerRole(
            "historical",
            "druid/historical",
            8083,
            (*_BASE, *_DATA, "nemeton.server.historical.module:HistoricalModule"),
        ),
        ServerRole(
            "broker",
            "druid/broker",
            8082,
            (
                *_BASE,
                "nemeton.query.module:QueryModule",
                "nemeton.sql.module:SqlModule",
                "nemeton.server.broker.module:BrokerModule",
            ),
        ),
        ServerRole("router", "druid/router", 8888, (*_BASE, "nemeton.server.router.module:RouterModule")),
    )
}
"""The roles by the name that ``nemeton server`` takes, in the order in which one process starts them."""


def find_role(name: str) -> ServerRole:
    """The role of that name. Raises a `DruidException` that names the roles there are."""
    for role in ROLES.values():
        if role.name.lower() == name.lower():
            return role
    raise invalid_input(f"Unknown role [{name}]; the roles are {', '.join(ROLES)}")
