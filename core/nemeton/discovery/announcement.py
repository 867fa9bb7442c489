"""A role's announcement of itself, the last thing that it does when it starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from nemeton.common.clock import Clock
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage, lifecycle_start, lifecycle_stop
from nemeton.model import DiscoveryDruidNode, DruidNode, DruidService, NodeRole
from nemeton.spi.discovery import DruidNodeAnnouncer, DruidNodeDiscoveryProvider

log = logging.getLogger(__name__)


class SelfAnnouncement:
    """Announces the process's node in its roles and with its services, and takes it back before anything stops."""

    def __init__(
        self,
        node: DruidNode,
        roles: Sequence[NodeRole],
        services: Mapping[str, DruidService],
        announcer: DruidNodeAnnouncer,
        provider: DruidNodeDiscoveryProvider,
        clock: Clock,
    ) -> None:
        self.node = node
        self.roles = tuple(roles)
        self._services = dict(services)
        self._announcer = announcer
        self._provider = provider
        self._clock = clock
        self._announced: list[DiscoveryDruidNode] = []

    @lifecycle_start
    def start(self) -> None:
        """Announce the node once for each of its roles."""
        for role in self.roles:
            node = DiscoveryDruidNode(self.node, role, self._services, self._clock.now())
            self._announcer.announce(node)
            self._announced.append(node)
            log.info("Announced [%s] as %s", self.node.host_and_port_to_use, role)

    @lifecycle_stop
    def stop(self) -> None:
        """Take the announcements back, the last one first."""
        while self._announced:
            self._announcer.unannounce(self._announced.pop())

    def is_discovered(self) -> bool:
        """Whether discovery shows this node in all of its roles."""
        return all(self._provider.get_for_node(self.node, role)() for role in self.roles)


class NodeAnnouncementModule(Module):
    """Announces the role's node at stage ANNOUNCEMENTS; each role installs one with its roles.

    What the node offers are the entries of ``bind_map(DruidService)``, by the service's name (``dataNodeService``).
    """

    def __init__(self, *roles: NodeRole) -> None:
        self.announced_roles = roles

    def configure(self, binder: Binder) -> None:
        """Announce last, when the server answers; modules add to ``bind_map(DruidService)``."""
        binder.bind_map(DruidService)
        members = binder.bind_set(NodeRole)
        for role in self.announced_roles:
            members.add(instance=role)
        binder.bind(SelfAnnouncement, provider=_make_announcement)
        binder.manage_lifecycle(SelfAnnouncement, stage=Stage.ANNOUNCEMENTS)


def _make_announcement(
    node: DruidNode,
    roles: list[NodeRole],
    services: dict[str, DruidService],
    announcer: DruidNodeAnnouncer,
    provider: DruidNodeDiscoveryProvider,
    clock: Clock,
) -> SelfAnnouncement:
    return SelfAnnouncement(node, roles, services, announcer, provider, clock)
