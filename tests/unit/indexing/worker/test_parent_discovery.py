"""How a peon finds the masters, also those that come after it."""

# ruff: noqa: F811 - fixtures of the module beside
import json as plain_json
import threading

import pytest

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub
from nemeton.http.app import RoleApp
from nemeton.http.client import HttpClient, HttpClientError
from nemeton.http.loop import EventLoopThread
from nemeton.http.server import HttpServer
from nemeton.indexing.worker.parent_discovery import (
    MastersResource,
    ParentDiscoveryConfig,
    ParentNodeDiscoveryProvider,
    properties_for_child,
)
from nemeton.model import DruidNode, NodeRole
from nemeton.testkit.suites.discovery import node
from nemeton.testkit.waiting import eventually

from ..peon_kit import MastersTask
from ..test_forking_runner import json, logs, make_runner, noted  # noqa: F401


@pytest.fixture
def hub():
    return LocalDiscoveryHub()


@pytest.fixture
def discovery(hub):
    kind = LocalDiscovery(hub, SystemClock())
    yield kind
    kind.close()


@pytest.fixture
def parent(discovery):
    """A worker's HTTP server."""
    loop = EventLoopThread()
    server = HttpServer(RoleApp([MastersResource(discovery.provider())]), loop)
    server.start()
    yield server
    server.stop()
    loop.stop()


def url(server):
    return f"http://localhost:{server.port}"


def test_a_peon_learns_of_masters_that_come_after_it(make_runner, discovery, parent, tmp_path):
    """The kind of discovery that the worker has makes no difference: here it cannot be seen from outside at all."""
    first, second = node(8090, NodeRole.OVERLORD), node(9090, NodeRole.OVERLORD)
    discovery.announcer().announce(first)
    runner = make_runner(
        node=DruidNode("druid/mm", "localhost", plaintext_port=parent.port), discovery=discovery.provider()
    )
    runner.start()
    note = tmp_path / "note"
    future = runner.run(MastersTask(id="a", file=str(note)))
    assert noted(note) == ["http://host:8090"]
    discovery.announcer().announce(second)
    discovery.announcer().unannounce(first)
    eventually(lambda: note.read_text().splitlines()[-1] == "http://host:9090", "the new one")
    discovery.announcer().unannounce(second)
    assert future.result(30).is_success
    assert note.read_text().splitlines()[-1] == "none"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def child(parent, discovery, clock):
    properties = properties_for_child(url(parent), discovery.provider())
    assert properties["druid.discovery.type"] == "parent"
    config = ParentDiscoveryConfig(
        properties["druid.discovery.parent.url"], plain_json.loads(properties["druid.discovery.parent.nodes"])
    )
    executor = ScheduledExecutor("listener", clock)
    yield ParentNodeDiscoveryProvider(config, HttpClient(), executor, clock)
    executor.shutdown()


def overlords(provider):
    nodes = provider.get_for_node_role(NodeRole.OVERLORD).all_nodes()
    return sorted(each.druid_node.service_url for each in nodes)


def test_the_worker_is_asked_when_what_it_said_is_old(child, discovery, clock):
    assert overlords(child) == []
    discovery.announcer().announce(node(8090, NodeRole.OVERLORD))
    clock.advance(1)
    assert overlords(child) == []
    clock.advance(1.5)
    assert overlords(child) == ["http://host:8090"]


def test_a_worker_that_does_not_answer_leaves_what_it_said_last(child, discovery, clock, parent):
    discovery.announcer().announce(node(8090, NodeRole.OVERLORD))
    clock.advance(3)
    assert overlords(child) == ["http://host:8090"]
    child._http = type("Dead", (), {"request": lambda *_, **__: (_ for _ in ()).throw(HttpClientError("refused"))})()
    clock.advance(3)
    assert overlords(child) == ["http://host:8090"]
    child._http = type("Odd", (), {"request": lambda *_, **__: type("A", (), {"ok": True, "json": lambda _: [1]})()})()
    clock.advance(3)
    assert overlords(child) == ["http://host:8090"]


def test_one_thread_asks_while_others_go_on(child, clock):
    asked, go_on = threading.Event(), threading.Event()

    class Slow:
        def request(self, *_, **__):
            asked.set()
            go_on.wait(20)
            raise HttpClientError("too late")

    child._http = Slow()
    clock.advance(3)
    waiting = threading.Thread(target=overlords, args=[child])
    waiting.start()
    assert asked.wait(20)
    assert overlords(child) == []
    go_on.set()
    waiting.join(20)


def test_a_peon_sees_its_own_announcements(child):
    peon = node(8100, NodeRole.PEON)
    child.announce(peon)
    assert child.get_for_node(peon.druid_node, NodeRole.PEON)()
    child.unannounce(peon)
    assert not child.get_for_node(peon.druid_node, NodeRole.PEON)()
