"""The roles that a process can have, each a list of modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from attrs import evolve, frozen

from nemeton.common.errors import invalid_input
from nemeton.config import JsonConfigurator, Properties
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
    also: tuple[str, ...] = ()
    """Names of the other roles that it plays, at the same port (see `configured`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """All roles that it plays, its own first."""
        return (self.name, *self.also)

    def configured(self, properties: Properties) -> ServerRole:
        """This role as the properties make it: a Coordinator may be the Overlord too (``asOverlord``).

        Raises a `ConfigurationError` for a value that cannot be.
        """
        if self.name != COORDINATOR or not _is_overlord_too(properties):
            return self
        overlord = ROLES[OVERLORD]
        return evolve(self, module_names=(*self.module_names, *overlord.module_names), also=(overlord.name,))

    def modules(self) -> list[Module]:
        """Import and make the role's modules; the announcement is the last to start."""
        roles = (NodeRole.parse(name) for name in self.names)
        loaded = (_load(name) for name in self.module_names)
        return [NodeModule(self.service, self.port), *loaded, NodeAnnouncementModule(*roles)]


def _is_overlord_too(properties: Properties) -> bool:
    from nemeton.discovery.leader_services import AS_OVERLORD, CoordinatorOverlordServiceConfig

    return JsonConfigurator(properties).configurate(AS_OVERLORD, CoordinatorOverlordServiceConfig).enabled


def _load(name: str) -> Module:
    module, _, attribute = name.partition(":")
    made: Callable[[], Module] = getattr(importlib.import_module(module), attribute)
    return made()


COORDINATOR = "coordinator"
OVERLORD = "overlord"

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
            COORDINATOR,
            "druid/coordinator",
            8081,
            (*_BASE, "nemeton.metadata.module:MetadataModule", "nemeton.coordinator.module:CoordinatorModule"),
        ),
        ServerRole(
            OVERLORD,
            "druid/overlord",
            8090,
            (
                *_BASE,
                "nemeton.metadata.module:MetadataModule",
                "nemeton.storage.module:StorageModule",
                "nemeton.ingest.module:IngestModule",
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
        ServerRole(
            "middleManager",
            "druid/middleManager",
            8091,
            (
                *_BASE,
                "nemeton.storage.module:StorageModule",
                "nemeton.ingest.module:IngestModule",
                "nemeton.indexing.worker.server_module:MiddleManagerModule",
            ),
        ),
        ServerRole(
            "indexer",
            "druid/indexer",
            8091,
            (
                *_BASE,
                "nemeton.storage.module:StorageModule",
                "nemeton.ingest.module:IngestModule",
                "nemeton.indexing.worker.server_module:IndexerModule",
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
