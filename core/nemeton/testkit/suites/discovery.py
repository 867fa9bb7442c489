"""What every kind of node discovery must do."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest
from attrs import define, field

from nemeton.model import (
    DataNodeService,
    DataSegment,
    DiscoveryDruidNode,
    DruidNode,
    DruidServerMetadata,
    LookupNodeService,
    NodeRole,
)
from nemeton.spi.discovery import DiscoveryKind, NodeListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval


@define(eq=False)
class RecordingNodeListener(NodeListener):
    """Remembers what it was told, as ``("added", ["host:1"])``."""

    calls: list[tuple[str, list[str]]] = field(factory=list)
    fails: bool = False
    initialized: threading.Event = field(factory=threading.Event)

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Remember, or fail."""
        self.calls.append(("added", sorted(node.druid_node.host_and_port for node in nodes)))
        if self.fails:
            raise RuntimeError("deaf")

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Remember."""
        self.calls.append(("removed", sorted(node.druid_node.host_and_port for node in nodes)))

    def node_view_initialized(self) -> None:
        """Remember."""
        self.calls.append(("initialized", []))
        self.initialized.set()


def node(
    port: int, role: NodeRole = NodeRole.HISTORICAL, *services: DataNodeService | LookupNodeService
) -> DiscoveryDruidNode:
    """A node to announce."""
    offered = {service.NAME: service for service in services}
    return DiscoveryDruidNode(DruidNode(f"druid/{role}", "host", plaintext_port=port), role, dict(offered), 1000)


def hosts(nodes: Iterable[DiscoveryDruidNode]) -> list[str]:
    """Their names."""
    return sorted(each.druid_node.host_and_port for each in nodes)


DATA = DataNodeService(max_size=10)


class NodeDiscoverySuite(abc.ABC):
    """Subclass it as ``TestMyDiscovery`` and implement `make_kind`."""

    @abc.abstractmethod
    def make_kind(self) -> DiscoveryKind:
        """One process's or role's discovery; all that are made in one test see the same cluster."""

    @pytest.fixture
    def announcing(self) -> Iterator[DiscoveryKind]:
        """A member of the cluster that announces."""
        yield from self._started()

    @pytest.fixture
    def watching(self) -> Iterator[DiscoveryKind]:
        """Another member, which watches."""
        yield from self._started()

    def _started(self) -> Iterator[DiscoveryKind]:
        kind = self.make_kind()
        kind.start()
        yield kind
        kind.close()

    def test_nodes_come_and_go(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """The view is a live one, and each role has its own."""
        announcing.announcer().announce(node(1))
        view = watching.provider().get_for_node_role(NodeRole.HISTORICAL).all_nodes()
        eventually(lambda: hosts(view) == ["host:1"], "seeing the first node")
        announcing.announcer().announce(node(2))
        announcing.announcer().announce(node(3, NodeRole.BROKER))
        eventually(lambda: hosts(view) == ["host:1", "host:2"], "seeing the second node in the same view")
        announcing.announcer().unannounce(node(1))
        eventually(lambda: hosts(view) == ["host:2"], "the first node's going")
        announcing.announcer().unannounce(node(1))
        assert hosts(watching.provider().get_for_node_role(NodeRole.BROKER).all_nodes()) == ["host:3"]

    def test_what_is_announced_is_what_is_seen(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """Services and all."""
        announced = node(1, NodeRole.HISTORICAL, DATA, LookupNodeService())
        announcing.announcer().announce(announced)
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        eventually(lambda: list(discovery.all_nodes()) == [announced], "seeing the node")

    def test_an_empty_role(self, watching: DiscoveryKind) -> None:
        """A listener hears that there is nothing, and that this is all."""
        listener = RecordingNodeListener()
        discovery = watching.provider().get_for_node_role(NodeRole.INDEXER)
        assert list(discovery.all_nodes()) == []
        discovery.register_listener(listener)
        assert listener.initialized.wait(20)
        assert listener.calls == [("added", []), ("initialized", [])]

    def test_a_listener_hears_of_all_before_and_after(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """Those that are there, that these are all, then each change by itself."""
        for port in (1, 2):
            announcing.announcer().announce(node(port))
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        eventually(lambda: len(discovery.all_nodes()) == 2, "seeing both")
        listener = RecordingNodeListener()
        discovery.register_listener(listener)
        assert listener.initialized.wait(20)
        assert listener.calls == [("added", ["host:1", "host:2"]), ("initialized", [])]
        announcing.announcer().announce(node(3))
        eventually(lambda: listener.calls[2:] == [("added", ["host:3"])], "hearing of the third")
        announcing.announcer().unannounce(node(1))
        eventually(lambda: listener.calls[3:] == [("removed", ["host:1"])], "hearing of its going")

    def test_a_listener_that_fails_harms_nobody(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """Neither the others nor its own next call."""
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        failing, good = RecordingNodeListener(fails=True), RecordingNodeListener()
        discovery.register_listener(failing)
        discovery.register_listener(good)
        assert good.initialized.wait(20)
        for port in (1, 2):
            announcing.announcer().announce(node(port))
        eventually(lambda: ("added", ["host:2"]) in good.calls, "the good one hears of both")
        eventually(lambda: ("added", ["host:2"]) in failing.calls, "the failing one is told of the second all the same")

    def test_listeners_are_called_on_another_thread(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """A slow listener does not hold up who announces."""
        entered, release = threading.Event(), threading.Event()

        class Slow(NodeListener):
            def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
                if nodes:
                    entered.set()
                    release.wait(20)

        watching.provider().get_for_node_role(NodeRole.HISTORICAL).register_listener(Slow())
        started = time.monotonic()
        announcing.announcer().announce(node(1))
        assert entered.wait(20)
        announcing.announcer().announce(node(2))
        release.set()
        assert time.monotonic() - started < 15

    def test_announcing_anew_replaces(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """One node, with its newest services."""
        announcing.announcer().announce(node(1))
        announcing.announcer().announce(node(1, NodeRole.HISTORICAL, DATA))
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        eventually(
            lambda: [each.data_node_service for each in discovery.all_nodes()] == [DATA],
            "seeing the newer announcement",
        )

    def test_discoveries_are_shared(self, watching: DiscoveryKind) -> None:
        """One for each role and service, whoever asks."""
        provider = watching.provider()
        assert provider.get_for_node_role(NodeRole.BROKER) is provider.get_for_node_role(NodeRole.BROKER)
        assert provider.get_for_service("dataNodeService") is provider.get_for_service("dataNodeService")

    def test_an_unknown_service(self, watching: DiscoveryKind) -> None:
        """Is an error."""
        with pytest.raises(ValueError, match=r"^Unknown service \[nope\]\.$"):
            watching.provider().get_for_service("nope")

    def test_announcements_are_seen_by_who_made_them(self, announcing: DiscoveryKind) -> None:
        """A member is told of itself, too."""
        is_there = announcing.provider().get_for_node(node(1).druid_node, NodeRole.HISTORICAL)
        announcing.announcer().announce(node(1))
        eventually(is_there, "seeing itself")

    def test_one_node_in_two_roles(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """A process that is Coordinator and Overlord stands in both, and leaves one without leaving the other."""
        for role in (NodeRole.COORDINATOR, NodeRole.OVERLORD):
            announcing.announcer().announce(node(1, role))
        overlords = watching.provider().get_for_node_role(NodeRole.OVERLORD)
        coordinators = watching.provider().get_for_node_role(NodeRole.COORDINATOR)
        eventually(lambda: hosts(overlords.all_nodes()) == ["host:1"], "seeing it in one role")
        eventually(lambda: hosts(coordinators.all_nodes()) == ["host:1"], "seeing it in the other role")
        announcing.announcer().unannounce(node(1, NodeRole.OVERLORD))
        eventually(lambda: not list(overlords.all_nodes()), "its going from one role")
        assert hosts(coordinators.all_nodes()) == ["host:1"]

    def test_a_removed_listener_hears_no_more(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """Others still do; removing it twice is nothing."""
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        removed, kept = RecordingNodeListener(), RecordingNodeListener()
        for listener in (removed, kept):
            discovery.register_listener(listener)
            assert listener.initialized.wait(20)
        discovery.remove_listener(removed)
        discovery.remove_listener(removed)
        announcing.announcer().announce(node(1))
        eventually(lambda: ("added", ["host:1"]) in kept.calls, "the other's hearing")
        assert ("added", ["host:1"]) not in removed.calls

    def test_services_and_data_servers_can_be_announced(self, announcing: DiscoveryKind) -> None:
        """Whether the kind has readers of them or not."""
        segment = DataSegment("wiki", Interval.parse("2026-01-01/P1D"), "v1")
        services = announcing.service_announcer()
        server = announcing.data_server_announcer(DruidServerMetadata("host:1", "host:1", 10))
        services.announce(node(1).druid_node)
        server.announce_segments([segment])
        server.announce_server()
        server.unannounce_segments([segment])
        server.unannounce_server()
        services.unannounce(node(1).druid_node)
        services.unannounce(node(1).druid_node)

    def test_a_service_spans_roles(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """Of all roles that can offer it, those nodes that do."""
        listener = RecordingNodeListener()
        discovery = watching.provider().get_for_service("dataNodeService")
        discovery.register_listener(listener)
        assert listener.initialized.wait(20)
        for announced in (node(1, NodeRole.HISTORICAL, DATA), node(2, NodeRole.PEON, DATA), node(3, NodeRole.BROKER)):
            announcing.announcer().announce(announced)
        announcing.announcer().announce(node(4, NodeRole.MIDDLE_MANAGER, DATA))
        eventually(lambda: hosts(discovery.all_nodes()) == ["host:1", "host:2"], "seeing those that offer it")
        announcing.announcer().unannounce(node(3, NodeRole.BROKER))
        announcing.announcer().unannounce(node(1, NodeRole.HISTORICAL, DATA))
        eventually(lambda: ("removed", ["host:1"]) in listener.calls, "hearing of its going")
        assert listener.calls.count(("initialized", [])) == 1
        told = {call for call, _ in listener.calls}
        assert told == {"initialized", "added", "removed"}
        assert all(names for call, names in listener.calls if call != "initialized")

    def test_asking_for_one_node(self, announcing: DiscoveryKind, watching: DiscoveryKind) -> None:
        """The function follows what happens."""
        is_there = watching.provider().get_for_node(node(1).druid_node, NodeRole.HISTORICAL)
        assert not is_there()
        announcing.announcer().announce(node(1))
        eventually(is_there, "seeing the node")
        announcing.announcer().unannounce(node(1))
        eventually(lambda: not is_there(), "its going")
