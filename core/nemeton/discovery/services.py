"""The nodes that offer a service, over all roles that can (Druid's ServiceDruidNodeDiscovery)."""

from __future__ import annotations

import abc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from nemeton.discovery.watcher import NodeView
from nemeton.model import DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.spi.discovery import DruidNodeDiscovery, DruidNodeDiscoveryProvider, NodeListener

log = logging.getLogger(__name__)

SERVICE_TO_ROLES: Mapping[str, frozenset[NodeRole]] = {
    "lookupNodeService": frozenset({NodeRole.BROKER, NodeRole.HISTORICAL, NodeRole.PEON, NodeRole.INDEXER}),
    "dataNodeService": frozenset({NodeRole.HISTORICAL, NodeRole.PEON, NodeRole.INDEXER, NodeRole.BROKER}),
    "workerNodeService": frozenset({NodeRole.MIDDLE_MANAGER, NodeRole.INDEXER}),
}


class BaseNodeDiscoveryProvider(DruidNodeDiscoveryProvider):
    """What all kinds share: one discovery per role and per service, made on first use. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_role: dict[NodeRole, DruidNodeDiscovery] = {}
        self._by_service: dict[str, ServiceNodeDiscovery] = {}

    @abc.abstractmethod
    def watch(self, role: NodeRole) -> DruidNodeDiscovery:
        """Begin to watch a role; called once for each role."""

    def get_for_node_role(self, role: NodeRole) -> DruidNodeDiscovery:
        """The nodes of a role."""
        with self._lock:
            discovery = self._by_role.get(role)
            if discovery is None:
                discovery = self._by_role[role] = self.watch(role)
            return discovery

    def get_for_service(self, service_name: str) -> DruidNodeDiscovery:
        """The nodes that offer a service. Raises ValueError for an unknown one."""
        roles = SERVICE_TO_ROLES.get(service_name)
        if roles is None:
            raise ValueError(f"Unknown service [{service_name}].")
        with self._lock:
            discovery = self._by_service.get(service_name)
            if discovery is None:
                discovery = ServiceNodeDiscovery(service_name, len(roles))
                self._by_service[service_name] = discovery
                for role in sorted(roles, key=str):
                    self.get_for_node_role(role).register_listener(_Upstream(discovery))
            return discovery

    def get_for_node(self, node: DruidNode, role: NodeRole) -> Callable[[], bool]:
        """Whether the node is among those that the role's watch knows."""
        discovery = self.get_for_node_role(role)
        return lambda: any(found.druid_node == node for found in discovery.all_nodes())


class ServiceNodeDiscovery(DruidNodeDiscovery):
    """The nodes of several roles that offer one service; initialised when all the roles are. Thread-safe."""

    def __init__(self, service: str, roles: int) -> None:
        self._service = service
        self._uninitialized_roles = roles
        self._nodes: dict[str, DiscoveryDruidNode] = {}
        self._listeners: list[NodeListener] = []
        self._lock = threading.RLock()
        self.upstream = _Upstream(self)

    def all_nodes(self) -> NodeView:
        """A live view of the nodes known; it does not wait."""
        return NodeView(self._nodes)

    def register_listener(self, listener: NodeListener) -> None:
        """Tell the listener at once of what is known, then of every change."""
        if isinstance(listener, _Upstream):
            raise ValueError("The listener that feeds a service's discovery cannot listen to one")
        with self._lock:
            if self._nodes:
                nodes = list(self._nodes.values())
                _safely(listener, lambda each: each.nodes_added(nodes))
            if self._uninitialized_roles == 0:
                _safely(listener, lambda each: each.node_view_initialized())
            self._listeners.append(listener)

    def remove_listener(self, listener: NodeListener) -> None:
        """Tell the listener no more."""
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not listener]

    def _tell_all(self, call: Callable[[NodeListener], None]) -> None:
        for listener in list(self._listeners):
            _safely(listener, call)

    def _added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        with self._lock:
            fresh = []
            for node in nodes:
                key = node.druid_node.host_and_port_to_use
                if self._service not in node.services:
                    log.debug("Node [%s] offers no service [%s]; ignored", key, self._service)
                elif key in self._nodes:
                    log.warning("Node [%s] with service [%s] is known already; kept as it was", key, self._service)
                else:
                    self._nodes[key] = node
                    fresh.append(node)
            if fresh:
                self._tell_all(lambda listener: listener.nodes_added(fresh))

    def _removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        with self._lock:
            gone = []
            for node in nodes:
                known = self._nodes.pop(node.druid_node.host_and_port_to_use, None)
                if known is not None:
                    gone.append(known)
                elif self._service in node.services:
                    log.warning("Node [%s] went away, but was not known", node.druid_node.host_and_port_to_use)
            if gone:
                self._tell_all(lambda listener: listener.nodes_removed(gone))

    def _role_initialized(self, *, timed_out: bool = False) -> None:
        with self._lock:
            if self._uninitialized_roles == 0:
                log.error("Service [%s]: more roles are initialized than there are; ignored", self._service)
                return
            self._uninitialized_roles -= 1
            if self._uninitialized_roles > 0:
                return
            if timed_out:
                self._tell_all(lambda listener: listener.node_view_initialized_timed_out())
            else:
                self._tell_all(lambda listener: listener.node_view_initialized())


class _Upstream(NodeListener):
    """Feeds a service's discovery from that of a role, which counts once: in time, or when its time is over."""

    def __init__(self, discovery: ServiceNodeDiscovery) -> None:
        self._discovery = discovery
        self._timed_out = False

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        self._discovery._added(nodes)

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        self._discovery._removed(nodes)

    def node_view_initialized(self) -> None:
        if not self._timed_out:
            self._discovery._role_initialized()

    def node_view_initialized_timed_out(self) -> None:
        self._timed_out = True
        self._discovery._role_initialized(timed_out=True)


def _safely(listener: NodeListener, call: Callable[[NodeListener], None]) -> None:
    try:
        call(listener)
    except Exception:
        log.exception("Listener %r failed", listener)
