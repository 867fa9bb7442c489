"""The watch over the nodes of one role, whatever tells of them (Druid's BaseNodeRoleWatcher)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.model import DiscoveryDruidNode, NodeRole
from nemeton.spi.discovery import DruidNodeDiscovery, NodeListener

log = logging.getLogger(__name__)

INIT_TIMEOUT_S = 30.0


class NodeView(Collection[DiscoveryDruidNode]):
    """A live, read-only view of nodes by name; iterating sees the state at its beginning."""

    def __init__(self, nodes: dict[str, DiscoveryDruidNode]) -> None:
        self._nodes = nodes

    def __iter__(self) -> Iterator[DiscoveryDruidNode]:
        return iter(list(self._nodes.values()))

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in list(self._nodes.values())

    def __repr__(self) -> str:
        return f"NodeView({sorted(self._nodes)})"


class BaseNodeRoleWatcher(DruidNodeDiscovery):
    """Keeps the nodes of a role and tells listeners, on the executor given.

    A kind of discovery calls `node_added` and `node_removed` as it learns of nodes, and `initialized` once when it has
    told of all that were there. Thread-safe.
    """

    def __init__(self, role: NodeRole, executor: ScheduledExecutor, clock: Clock) -> None:
        self.role = role
        self._executor = executor
        self._clock = clock
        self._nodes: dict[str, DiscoveryDruidNode] = {}
        self._listeners: list[NodeListener] = []
        self._lock = threading.RLock()
        self._view_settled = threading.Event()
        self._initialized = False
        self._timed_out = False
        self._give_up_at = clock.monotonic() + INIT_TIMEOUT_S
        self._timeout = executor.schedule(self._initialization_timed_out, INIT_TIMEOUT_S)

    # ---- for those who want to know

    def all_nodes(self) -> NodeView:
        """See `DruidNodeDiscovery.all_nodes`."""
        if not self._view_settled.is_set():
            self._clock.wait(self._view_settled, self._give_up_at - self._clock.monotonic())
            if not self._initialized:
                log.info("The nodes of role [%s] may be incomplete: their watch is not initialized yet", self.role)
        return NodeView(self._nodes)

    def register_listener(self, listener: NodeListener) -> None:
        """See `DruidNodeDiscovery.register_listener`."""
        with self._lock:
            if self._initialized or self._timed_out:
                self._tell(listener, self._first_call(initialized=self._initialized))
            self._listeners.append(listener)

    def remove_listener(self, listener: NodeListener) -> None:
        """Tell the listener no more; calls that are under way still reach it."""
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not listener]

    # ---- for the kind that learns of nodes

    def node_added(self, node: DiscoveryDruidNode) -> None:
        """A node has come."""
        with self._lock:
            if not self._is_of_role(node):
                return
            key = node.druid_node.host_and_port_to_use
            if key in self._nodes:
                log.error("Node [%s] of role [%s] is there already; the new announcement is ignored", key, self.role)
                return
            self._nodes[key] = node
            log.info("Node [%s] of role [%s] detected", key, self.role)
            if self._initialized or self._timed_out:
                self._tell_all(lambda listener: listener.nodes_added([node]))

    def node_removed(self, node: DiscoveryDruidNode) -> None:
        """A node has gone."""
        with self._lock:
            if not self._is_of_role(node):
                return
            key = node.druid_node.host_and_port_to_use
            known = self._nodes.pop(key, None)
            if known is None:
                log.error("Node [%s] of role [%s] went away, but was not known", key, self.role)
                return
            log.info("Node [%s] of role [%s] went away", key, self.role)
            if self._initialized or self._timed_out:
                self._tell_all(lambda listener: listener.nodes_removed([known]))

    def initialized(self) -> None:
        """All nodes that were there have been told of."""
        with self._lock:
            if self._initialized:
                log.error("The watch over role [%s] is initialized already; ignored", self.role)
                return
            self._timeout.cancel()
            self._initialized = True
            if self._timed_out:
                # what is known has been told of by the time-out and since
                self._tell_all(lambda listener: listener.node_view_initialized())
            else:
                self._tell_all(self._first_call(initialized=True))
            self._view_settled.set()

    def _initialization_timed_out(self) -> None:
        with self._lock:
            if self._initialized or self._timed_out:
                return
            log.warning("The watch over role [%s] was not initialized in %.0f s", self.role, INIT_TIMEOUT_S)
            self._timed_out = True
            self._tell_all(self._first_call(initialized=False))
            self._view_settled.set()

    # ---- telling

    def _is_of_role(self, node: DiscoveryDruidNode) -> bool:
        if node.node_role == self.role:
            return True
        log.error("Node [%s] is of role [%s], not [%s]; ignored", node.druid_node, node.node_role, self.role)
        return False

    def _first_call(self, *, initialized: bool) -> Callable[[NodeListener], None]:
        nodes = list(self._nodes.values())

        def call(listener: NodeListener) -> None:
            listener.nodes_added(nodes)
            if initialized:
                listener.node_view_initialized()
            else:
                listener.node_view_initialized_timed_out()

        return call

    def _tell_all(self, call: Callable[[NodeListener], None]) -> None:
        for listener in self._listeners:
            self._tell(listener, call)

    def _tell(self, listener: NodeListener, call: Callable[[NodeListener], None]) -> None:
        """On the executor, in order; it logs what a listener raises and goes on."""
        try:
            self._executor.schedule(lambda: call(listener), 0)
        except RuntimeError:
            log.debug("Discovery is stopped; a listener of role [%s] is not told", self.role)
