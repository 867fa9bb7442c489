"""Nodes below ``/druid/internal-discovery/<ROLE>``: announcing them and watching them."""

from __future__ import annotations

import logging
from typing import Any

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.services import BaseNodeDiscoveryProvider
from nemeton.discovery.watcher import BaseNodeRoleWatcher
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.config import ZkPathsConfig, make_path
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.json import Json
from nemeton.model import DiscoveryDruidNode, NodeRole
from nemeton.spi.discovery import DruidNodeAnnouncer

log = logging.getLogger(__name__)


def role_path(paths: ZkPathsConfig, role: NodeRole) -> str:
    """The parent of a role's nodes."""
    return make_path(paths.internal_discovery_path, role.name)


class CuratorDruidNodeAnnouncer(DruidNodeAnnouncer):
    """Announces by ephemeral nodes that are named ``host:port``."""

    def __init__(self, zookeeper: ZooKeeper, announcer: Announcer, json: Json) -> None:
        self._zookeeper = zookeeper
        self._announcer = announcer
        self._json = json

    def announce(self, node: DiscoveryDruidNode) -> None:
        """See `Announcer.announce`; the role's node is a container."""
        self._announcer.announce(self._path(node), self._json.dumps(self._told(node)), compress=True, container=True)

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """Take the node back."""
        self._announcer.unannounce(self._path(node))

    def _told(self, node: DiscoveryDruidNode) -> dict[str, Any]:
        """The node's record, each service under its own name in ``type``.

        Druid writes a data server's ``type`` twice, as the service's name and then as the server's type; it ignores a
        record that has the latter alone, and takes the server's type from ``serverType``.
        """
        record: dict[str, Any] = self._json.unstructure(node)
        services = {name: {**service, "type": name} for name, service in record["services"].items()}
        return {**record, "services": services}

    def _path(self, node: DiscoveryDruidNode) -> str:
        return make_path(role_path(self._zookeeper.paths, node.node_role), node.druid_node.host_and_port_to_use)


class CuratorDruidNodeDiscoveryProvider(BaseNodeDiscoveryProvider):
    """Discovers what is announced below the roles' nodes; what was found stays while there is no connection."""

    def __init__(self, zookeeper: ZooKeeper, json: Json, executor: ScheduledExecutor, clock: Clock) -> None:
        super().__init__()
        self._zookeeper = zookeeper
        self._json = json
        self._executor = executor
        self._clock = clock
        self._caches: list[ChildrenCache] = []

    def watch(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """Follow the children of the role's node."""
        watcher = BaseNodeRoleWatcher(role, self._executor, self._clock)
        path = role_path(self._zookeeper.paths, role)
        cache = ChildrenCache(self._zookeeper, path, _RoleListener(watcher, self._json), self._clock)
        self._caches.append(cache)
        cache.start()
        return watcher

    def close(self) -> None:
        """End the watches; the nodes seen so far stay as they were."""
        for cache in self._caches:
            cache.close()


class _RoleListener(ChildrenListener):
    """Turns children into nodes; on the cache's thread."""

    def __init__(self, watcher: BaseNodeRoleWatcher, json: Json) -> None:
        self._watcher = watcher
        self._json = json
        self._nodes: dict[str, DiscoveryDruidNode] = {}

    def child_added(self, name: str, data: bytes) -> None:
        node = self._read(name, data)
        if node is not None:
            self._add(name, node)

    def child_updated(self, name: str, data: bytes) -> None:
        """The same node again, when a session was lost, is no news."""
        node = self._read(name, data)
        if node is not None and node != self._nodes.get(name):
            self.child_removed(name, data)
            self._add(name, node)

    def child_removed(self, name: str, data: bytes) -> None:
        known = self._nodes.pop(name, None)
        if known is not None:
            self._watcher.node_removed(known)

    def initialized(self) -> None:
        self._watcher.initialized()

    def _add(self, name: str, node: DiscoveryDruidNode) -> None:
        self._nodes[name] = node
        self._watcher.node_added(node)

    def _read(self, name: str, data: bytes) -> DiscoveryDruidNode | None:
        try:
            node: DiscoveryDruidNode = self._json.loads(data, DiscoveryDruidNode)
        except Exception as error:  # noqa: BLE001 - whatever stands there, the other nodes count
            log.error("Announcement [%s] of role [%s] cannot be read: %s", name, self._watcher.role, error)
            return None
        return node
