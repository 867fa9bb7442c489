"""The announcements of services: by their leaders while they lead, by others while they run."""

from __future__ import annotations

import logging

from attrs import evolve, frozen

from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage, lifecycle_start, lifecycle_stop
from nemeton.model import DruidNode
from nemeton.spi.discovery import ServiceAnnouncer

log = logging.getLogger(__name__)

AS_OVERLORD = "druid.coordinator.asOverlord"


@frozen(kw_only=True)
class CoordinatorOverlordServiceConfig:
    """``druid.coordinator.asOverlord``: whether the Coordinator's process is the Overlord too, at the same port.

    ``overlord_service`` is the name under which its leading Overlord is announced.
    """

    enabled: bool = False
    overlord_service: str = "druid/overlord"

    def overlord_node(self, node: DruidNode) -> DruidNode:
        """The process's node under the Overlord's name."""
        return evolve(node, service_name=self.overlord_service) if self.enabled else node


class AnnouncedService:
    """A node's announcement under its service's name. Failures are logged: nothing depends on it. Thread-safe."""

    def __init__(self, announcer: ServiceAnnouncer, node: DruidNode) -> None:
        self.node = node
        self._announcer = announcer

    @lifecycle_start
    def announce(self) -> None:
        """Announce it; the last step of becoming leader."""
        try:
            self._announcer.announce(self.node)
        except Exception:
            log.exception("Service [%s] cannot be announced", self.node.service_name)

    @lifecycle_stop
    def unannounce(self) -> None:
        """Take it back; the first step of being leader no more. Does nothing when it is not announced."""
        try:
            self._announcer.unannounce(self.node)
        except Exception:
            log.exception("Service [%s] cannot be unannounced", self.node.service_name)


class ServiceAnnouncementModule(Module):
    """Announces the role's service while the role runs; for roles that have no leader."""

    def configure(self, binder: Binder) -> None:
        """At stage ANNOUNCEMENTS."""
        binder.bind(AnnouncedService)
        binder.manage_lifecycle(AnnouncedService, stage=Stage.ANNOUNCEMENTS)
