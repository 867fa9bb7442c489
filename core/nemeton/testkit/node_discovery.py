"""What every kind of node discovery owes the roles that find each other by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from nemeton.common.errors import DruidException
from nemeton.model import DataNodeService, DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.spi.discovery import DiscoveryKind, DruidNodeDiscovery, NodeListener
from nemeton.testkit.waiting import eventually, never

MakeKind = Callable[[], DiscoveryKind]


def make_node(
    port: int = 8083, role: NodeRole = NodeRole.HISTORICAL, *, max_size: int | None = 1
) -> DiscoveryDruidNode:
    """A node as it announces itself; ``max_size=None`` leaves its data node service out."""
    services = (
        {} if max_size is None else {"dataNodeService": DataNodeService("_default_tier", max_size, "historical", 0)}
    )
    return DiscoveryDruidNode(DruidNode("testkit", "localhost", plaintext_port=port), role, services, 0)


class RecordingListener(NodeListener):
    """Keeps what it hears, in order: ``("added", {ports})``, ``("removed", {ports})``, ``("initialized", set())``."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.heard: list[tuple[str, frozenset[int]]] = []
        self._lock = threading.Lock()

    def _note(self, what: str, nodes: Sequence[DiscoveryDruidNode] = ()) -> None:
        with self._lock:
            self.heard.append((what, frozenset(ports(nodes))))

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Note it."""
        self._note("added", nodes)

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """Note it."""
        self._note("removed", nodes)

    def node_view_initialized(self) -> None:
        """Note it."""
        self._note("initialized")

    @property
    def known(self) -> set[int]:
        """The ports of the nodes that are there, as far as it has heard."""
        found: set[int] = set()
        with self._lock:
            for what, heard in self.heard:
                found = found | heard if what == "added" else found - heard
        return found

    @property
    def times_initialized(self) -> int:
        """How often it was told that the view is complete."""
        return [what for what, _ in self.heard].count("initialized")


class _FailingListener(RecordingListener):
    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        raise RuntimeError("a listener that fails, for the test")


def ports(nodes: Sequence[DiscoveryDruidNode]) -> set[int]:
    """The ports of the nodes."""
    return {node.druid_node.plaintext_port for node in nodes}


class NodeDiscoverySuite:
    """Subclass it, and override the fixture `make_kind`."""

    @pytest.fixture
    def make_kind(self) -> MakeKind:
        """A function that makes the discovery of one more role (or process) of the same, at first empty, cluster."""
        raise NotImplementedError("override the fixture `make_kind`")

    @pytest.fixture
    def here(self, make_kind: MakeKind) -> DiscoveryKind:
        """The one who announces."""
        return make_kind()

    @pytest.fixture
    def there(self, make_kind: MakeKind) -> DiscoveryKind:
        """The one who looks."""
        return make_kind()

    def sees(self, discovery: DruidNodeDiscovery, *expected: int) -> None:
        """Wait until the nodes are those of the ports."""
        eventually(lambda: ports(list(discovery.all_nodes())) == set(expected), f"nodes with the ports {expected}")

    def test_announced_nodes_are_seen_in_their_role(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """And not in another; both before and after the watching began."""
        here.announcer().announce(make_node(8083))
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        self.sees(historicals, 8083)
        here.announcer().announce(make_node(8082, NodeRole.BROKER))
        here.announcer().announce(make_node(8183))
        self.sees(historicals, 8083, 8183)
        self.sees(there.provider().get_for_node_role(NodeRole.BROKER), 8082)

    def test_the_node_comes_as_it_was_announced(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """With its services."""
        node = make_node(8083, max_size=12345)
        here.announcer().announce(node)
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        self.sees(historicals, 8083)
        (found,) = historicals.all_nodes()
        assert found.druid_node == node.druid_node
        assert found.services == node.services

    def test_nodes_taken_back_are_gone(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """Taking one back that is not announced does nothing."""
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        for port in (8083, 8183):
            here.announcer().announce(make_node(port))
        self.sees(historicals, 8083, 8183)
        here.announcer().unannounce(make_node(8083))
        self.sees(historicals, 8183)
        here.announcer().unannounce(make_node(8083))
        here.announcer().unannounce(make_node(9999))
        self.sees(historicals, 8183)

    def test_announcing_again_replaces(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """What a node offers may change."""
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        here.announcer().announce(make_node(8083, max_size=1))
        self.sees(historicals, 8083)
        changed = make_node(8083, max_size=2)
        here.announcer().announce(changed)
        eventually(lambda: [n.services for n in historicals.all_nodes()] == [changed.services], "the changed services")

    def test_listeners_hear_of_what_is_there_and_what_changes(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """A complete view is told once."""
        here.announcer().announce(make_node(8083))
        early, late = RecordingListener(), RecordingListener()
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        historicals.register_listener(early)
        eventually(lambda: early.known == {8083} and early.times_initialized, "the first view")
        here.announcer().announce(make_node(8183))
        eventually(lambda: early.known == {8083, 8183}, "the node that came")
        historicals.register_listener(late)
        eventually(lambda: late.known == {8083, 8183} and late.times_initialized, "the view of who comes late")
        here.announcer().unannounce(make_node(8083))
        eventually(lambda: early.known == late.known == {8183}, "the node that went")
        assert (early.times_initialized, late.times_initialized) == (1, 1)

    def test_a_listener_that_fails_does_not_keep_others_from_hearing(
        self, here: DiscoveryKind, there: DiscoveryKind
    ) -> None:
        """Its exception is logged."""
        historicals = there.provider().get_for_node_role(NodeRole.HISTORICAL)
        good = RecordingListener()
        historicals.register_listener(_FailingListener())
        historicals.register_listener(good)
        here.announcer().announce(make_node(8083))
        eventually(lambda: good.known == {8083}, "the node, in spite of the failing listener")

    def test_services_are_found_in_the_roles_that_offer_them(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """A node that announces no such service is left out."""
        here.announcer().announce(make_node(8083))
        here.announcer().announce(make_node(8183, max_size=None))
        here.announcer().announce(make_node(8082, NodeRole.BROKER))
        found = there.provider().get_for_service("dataNodeService")
        eventually(lambda: {8083} <= ports(list(found.all_nodes())), "the node that offers the service")
        never(lambda: 8183 in ports(list(found.all_nodes())), "a node without the service is found by it")

    def test_an_unknown_service_is_an_error(self, there: DiscoveryKind) -> None:
        """Rather than an empty answer for ever."""
        with pytest.raises((DruidException, ValueError)):
            there.provider().get_for_service("noSuchService")

    def test_a_node_can_ask_for_itself(self, here: DiscoveryKind, there: DiscoveryKind) -> None:
        """``/status/selfDiscovered`` does."""
        node = make_node(8083)
        is_there = there.provider().get_for_node(node.druid_node, node.node_role)
        assert not is_there()
        here.announcer().announce(node)
        eventually(is_there, "the node finds itself")
        here.announcer().unannounce(node)
        eventually(lambda: not is_there(), "the node does not find itself any more")

    def test_announcer_and_provider_stay_the_same(self, here: DiscoveryKind) -> None:
        """Whoever asks."""
        assert here.announcer() is here.announcer()
        assert here.provider() is here.provider()
