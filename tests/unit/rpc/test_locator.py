"""Where services are, and clients of live servers."""

from __future__ import annotations

import pytest

from nemeton.common.clock import SystemClock
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub
from nemeton.http.app import RoleApp
from nemeton.http.client import HttpClient
from nemeton.http.loop import EventLoopThread
from nemeton.http.redirect import LeaderRedirect
from nemeton.http.server import HttpServer
from nemeton.model import NodeRole
from nemeton.rpc.client import RetryPolicy, ServiceClientFactory
from nemeton.rpc.errors import RpcError
from nemeton.rpc.locator import DiscoveryServiceLocator, StaticServiceLocator
from nemeton.spi.http import Resource, route, state_read
from nemeton.testkit.suites.discovery import node


class Overlord(Resource):
    @route("GET", "/druid/indexer/v1/tasks", access=state_read)
    def tasks(self, request):
        return ["t"]


@pytest.fixture
def discovery():
    kind = LocalDiscovery(LocalDiscoveryHub(), SystemClock())
    yield kind
    kind.close()


@pytest.fixture
def loop():
    loop = EventLoopThread("test-http")
    yield loop
    loop.stop()


def test_discovery_with_the_leader_first(discovery):
    leader = []
    locator = DiscoveryServiceLocator(discovery.provider(), NodeRole.OVERLORD, lambda: leader[0] if leader else None)
    assert locator.locate() == []
    for port in (2, 1):
        discovery.announcer().announce(node(port, NodeRole.OVERLORD))
    assert locator.locate() == ["http://host:1", "http://host:2"]
    leader.append("http://host:2")
    assert locator.locate() == ["http://host:2", "http://host:1"]


def test_standbys_lead_to_the_leader(loop):
    leader = {}
    servers = []
    http = HttpClient(timeout_s=10)
    try:
        for name in ("a", "b"):
            rule = LeaderRedirect(
                "/druid/indexer", lambda name=name: leader.get("name") == name, lambda: leader.get("url")
            )
            server = HttpServer(RoleApp([Overlord()], redirects=[rule]), loop, bind_host="127.0.0.1", name=name)
            server.start()
            servers.append(server)
        urls = [f"http://127.0.0.1:{server.port}" for server in servers]
        factory = ServiceClientFactory(http, SystemClock())
        client = factory.make("overlord", StaticServiceLocator(*urls), RetryPolicy(deadline_s=0.4))
        with pytest.raises(RpcError, match="answered 503"):
            client.request("GET", "/druid/indexer/v1/tasks")
        leader.update(name="b", url=urls[1])
        assert client.request("GET", "/druid/indexer/v1/tasks").json() == ["t"]
        leader.update(name="a", url=urls[0])
        assert client.request("GET", "/druid/indexer/v1/tasks").json() == ["t"]
    finally:
        http.close()
        for server in servers:
            server.stop()
