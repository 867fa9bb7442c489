"""Where the instances of a service are."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

from nemeton.model import NodeRole
from nemeton.spi.discovery import DruidNodeDiscoveryProvider


class ServiceLocator(abc.ABC):
    """Gives the base URLs of a service's instances. Thread-safe."""

    @abc.abstractmethod
    def locate(self) -> Sequence[str]:
        """``http://host:port`` of each instance, the likeliest first; empty while there is none.

        It may wait for discovery's first full view, which has a bound of its own.
        """


class StaticServiceLocator(ServiceLocator):
    """URLs that never change: for tests, and for services outside of discovery."""

    def __init__(self, *urls: str) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)

    def locate(self) -> Sequence[str]:
        """The URLs in the order given."""
        return self._urls


class DiscoveryServiceLocator(ServiceLocator):
    """The nodes of a role, as discovery shows them; the leader first where there is one."""

    def __init__(
        self, provider: DruidNodeDiscoveryProvider, role: NodeRole, leader: Callable[[], str | None] | None = None
    ) -> None:
        self._provider = provider
        self._role = role
        self._leader = leader

    def locate(self) -> Sequence[str]:
        """The leader's URL first, then the others in the order of their URLs."""
        nodes = self._provider.get_for_node_role(self._role).all_nodes()
        urls = sorted(node.druid_node.service_url for node in nodes)
        leader = self._leader() if self._leader is not None else None
        if leader:
            return [leader, *(url for url in urls if url != leader)]
        return urls
