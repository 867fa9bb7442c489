"""Node discovery and leader selection: who is there, in which role, and who leads."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.model import DataSegment, DiscoveryDruidNode, DruidNode, DruidServerMetadata, NodeRole


class DruidNodeAnnouncer(abc.ABC):
    """Tells the cluster of this process's nodes. Thread-safe."""

    @abc.abstractmethod
    def announce(self, node: DiscoveryDruidNode) -> None:
        """Make the node known in its role; announcing it again replaces what was known of it."""

    @abc.abstractmethod
    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """Take the node back; does nothing when it is not announced."""


class NodeListener:
    """Hears of changes among the nodes of a discovery; called on the listener executor, one call at a time.

    An exception is logged, and the other listeners still hear.
    """

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Nodes have come; never empty, but for the first call after registering on an initialised empty view."""

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Nodes have gone; only nodes that were told of as added."""

    def node_view_initialized(self) -> None:
        """All nodes that were there at the start have been told of; called at most once."""

    def node_view_initialized_timed_out(self) -> None:
        """The first full view did not come in time; what was told of so far may be incomplete."""


class DruidNodeDiscovery(abc.ABC):
    """The nodes of one role, or of all roles that offer one service. Thread-safe."""

    @abc.abstractmethod
    def all_nodes(self) -> Collection[DiscoveryDruidNode]:
        """A live, read-only view of the nodes known.

        Waits for the first full view, at most until 30 s after the watching began; after that it is what is known.
        """

    @abc.abstractmethod
    def register_listener(self, listener: NodeListener) -> None:
        """Tell the listener of all nodes known, and from then on of every change."""

    def remove_listener(self, listener: NodeListener) -> None:  # noqa: B027 - optional
        """Tell the listener no more; optional for a kind, which then ignores the call."""


class DruidNodeDiscoveryProvider(abc.ABC):
    """Gives the discovery of a role or a service; made on first use and shared by all who ask. Thread-safe."""

    @abc.abstractmethod
    def get_for_node_role(self, role: NodeRole) -> DruidNodeDiscovery:
        """The nodes of a role."""

    @abc.abstractmethod
    def get_for_service(self, service_name: str) -> DruidNodeDiscovery:
        """The nodes of all roles that can offer the service, filtered by whether they do.

        Services: ``lookupNodeService``, ``dataNodeService``, ``workerNodeService``; another name is an error.
        """

    @abc.abstractmethod
    def get_for_node(self, node: DruidNode, role: NodeRole) -> Callable[[], bool]:
        """A function that says whether the node is announced in the role, as far as discovery can see."""


class ServiceAnnouncer:
    """Tells the cluster at which node a service is, for readers that know services only (Curator's service discovery).

    Brokers and Routers are announced while they run, Coordinators and Overlords while they lead. What is here does
    nothing, for kinds of discovery that have no such readers. Thread-safe; must not wait for long.
    """

    def announce(self, node: DruidNode) -> None:
        """Announce the node under its service's name; does nothing when that service is announced already."""

    def unannounce(self, node: DruidNode) -> None:
        """Take the announcement of the node's service back; does nothing when it is not announced."""


class DataServerAnnouncer:
    """Tells the cluster of a data server and its segments, for readers that do not ask the data server itself.

    What is here does nothing, for kinds of discovery that have no such readers. Thread-safe; must not wait for long.
    """

    def announce_segments(self, segments: Sequence[DataSegment]) -> None:
        """Segments are served now; none of them is announced already."""

    def unannounce_segments(self, segments: Sequence[DataSegment]) -> None:
        """Segments are served no more; all of them were announced."""

    def announce_server(self) -> None:
        """Tell of the server itself, when its cached segments are announced."""

    def unannounce_server(self) -> None:
        """The server serves no more: take everything back."""


class LeaderListener(abc.ABC):
    """What a leader selector calls; on a thread of its own, one call at a time."""

    @abc.abstractmethod
    def become_leader(self) -> None:
        """This participant leads. An exception gives the leadership up; it tries again after 1 to 5 s."""

    @abc.abstractmethod
    def stop_being_leader(self) -> None:
        """This participant lost its leadership. Called after a successful `become_leader`; not on unregistering."""


class DruidLeaderSelector(abc.ABC):
    """One participant's part in the election of one service's leader. Thread-safe."""

    @abc.abstractmethod
    def get_current_leader(self) -> str | None:
        """The id (``scheme://host:port``) of the leading participant, or None; may be asked before registering."""

    @abc.abstractmethod
    def is_leader(self) -> bool:
        """Whether this participant leads."""

    @abc.abstractmethod
    def local_term(self) -> int:
        """How many times this participant has become leader since it was made."""

    @abc.abstractmethod
    def register_listener(self, listener: LeaderListener) -> None:
        """Enter the election. Once; a second registration is a ValueError."""

    @abc.abstractmethod
    def unregister_listener(self) -> None:
        """Leave the election. Once, and only after a registration; otherwise a ValueError."""


@extension_point(hook="discoveries", name="discovery type", default="local")
class DiscoveryKind(abc.ABC):
    """A way for nodes to find each other (``druid.discovery.type``); made by the injector, one per role."""

    #: Whether the cluster has a ZooKeeper that its nodes use: then workers take tasks from there, too.
    uses_zookeeper: ClassVar[bool] = False

    def start(self) -> None:  # noqa: B027 - optional
        """Called when the role starts, before anything is announced."""

    def close(self) -> None:  # noqa: B027 - optional
        """Called when the role stops; ends watches and threads."""

    @abc.abstractmethod
    def announcer(self) -> DruidNodeAnnouncer:
        """The announcer of this role; always the same one."""

    @abc.abstractmethod
    def provider(self) -> DruidNodeDiscoveryProvider:
        """The provider of this role; always the same one."""

    def service_announcer(self) -> ServiceAnnouncer:
        """The announcer of services; optional, always the same one."""
        return ServiceAnnouncer()

    def data_server_announcer(self, server: DruidServerMetadata) -> DataServerAnnouncer:
        """An announcer of this role's data server and its segments; optional."""
        return DataServerAnnouncer()


@extension_point(hook="leader_selectors", name="leader selector type", default="local")
class LeaderSelectorKind(abc.ABC):
    """A way to elect leaders (``druid.coordinator.selector.type``, ``druid.indexer.selector.type``)."""

    @abc.abstractmethod
    def selector(self, service: str, node: DruidNode) -> DruidLeaderSelector:
        """A selector for the election of a service, ``coordinator`` or ``overlord``, on behalf of a node."""
