"""Discovery from a fixed list, for clusters whose addresses never change."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.services import BaseNodeDiscoveryProvider
from nemeton.discovery.watcher import BaseNodeRoleWatcher
from nemeton.model import DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.plugins import json_type
from nemeton.spi.discovery import DiscoveryKind, DruidNodeAnnouncer, DruidNodeDiscoveryProvider


@frozen
class StaticDiscoveryConfig:
    """``druid.discovery.static.nodes``: URLs by role, ``{"overlord":["http://localhost:8090"]}``.

    Every candidate for leadership should be in it: whoever does not lead redirects to the leader.
    """

    nodes: dict[str, list[str]] = field(factory=dict)


def node_of_url(url: str, service: str) -> DruidNode:
    """The node that listens at a URL. Raises invalid_input for what is no ``http(s)://host:port``."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise invalid_input(f"[{url}] is no URL of a service; write http://host:port")
    if parts.scheme == "https":
        return DruidNode(service, parts.hostname, tls_port=port, enable_plaintext_port=False, enable_tls_port=True)
    return DruidNode(service, parts.hostname, plaintext_port=port)


class _OwnAnnouncements(DruidNodeAnnouncer):
    """A process that nobody watches knows its own announcements, and nobody else does."""

    def __init__(self, provider: StaticNodeDiscoveryProvider) -> None:
        self._provider = provider

    def announce(self, node: DiscoveryDruidNode) -> None:
        self._provider.watcher(node.node_role).node_added(node)

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        self._provider.watcher(node.node_role).node_removed(node)


class StaticNodeDiscoveryProvider(BaseNodeDiscoveryProvider):
    """Discovers the configured nodes; always initialised."""

    def __init__(self, config: StaticDiscoveryConfig, executor: ScheduledExecutor, clock: Clock) -> None:
        super().__init__()
        self._executor = executor
        self._clock = clock
        self._nodes = {
            NodeRole.parse(role): [node_of_url(url, f"druid/{role}") for url in urls]
            for role, urls in config.nodes.items()
        }

    def watch(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """The role's configured nodes."""
        watcher = BaseNodeRoleWatcher(role, self._executor, self._clock)
        for node in self._nodes.get(role, ()):
            watcher.node_added(DiscoveryDruidNode(node, role))
        watcher.initialized()
        return watcher

    def watcher(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """The shared watcher of a role."""
        discovery = self.get_for_node_role(role)
        assert isinstance(discovery, BaseNodeRoleWatcher)
        return discovery


@json_type("static")
class StaticDiscovery(DiscoveryKind):
    """Nodes are those of ``druid.discovery.static.nodes``; announcements stay in the process."""

    def __init__(self, config: StaticDiscoveryConfig, clock: Clock) -> None:
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._provider = StaticNodeDiscoveryProvider(config, self._executor, clock)
        self._announcer = _OwnAnnouncements(self._provider)

    def announcer(self) -> DruidNodeAnnouncer:
        """The announcer."""
        return self._announcer

    def provider(self) -> DruidNodeDiscoveryProvider:
        """The provider."""
        return self._provider

    def close(self) -> None:
        """Stop the listeners' thread."""
        self._executor.shutdown()
