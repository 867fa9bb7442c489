"""The Router between clients and services, over real sockets."""

from __future__ import annotations

import threading

import pytest

from nemeton.common.cancellation import CancelSignal
from nemeton.common.clock import SystemClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.local import LocalDiscoveryHub, LocalNodeDiscoveryProvider
from nemeton.http.app import RoleApp
from nemeton.http.client import HttpClient
from nemeton.http.config import ServerConfig
from nemeton.http.loop import EventLoopThread
from nemeton.http.server import HttpServer
from nemeton.model import DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.server.router.brokers import BrokerSelector
from nemeton.server.router.config import RouterHttpConfig
from nemeton.server.router.proxy import ReverseProxy
from nemeton.server.router.resource import ManagementProxyResource, QueryProxyResource, RouterResource
from nemeton.spi.http import Resource, Response, StreamingResponse, route, state_read, state_write
from nemeton.time import Period


class Service(Resource):
    """A Broker and a leader in one."""

    def __init__(self, name):
        self.name = name
        self.asked_to_cancel = []
        self.closed = threading.Event()
        self.entered = threading.Event()
        self.cancelled = CancelSignal()

    @route("POST", "/druid/v2/sql", access=state_read)
    def sql(self, request):
        return Response(
            json={"by": self.name, "size": len(request.body), "type": request.headers["content-type"]},
            headers={"X-Druid-SQL-Query-Id": "q1"},
        )

    @route("POST", "/druid/v2", access=state_read)
    def native(self, request):
        return StreamingResponse(b"[%d]" % i for i in range(100_000))

    @route("GET", "/druid/v2/endless", access=state_read)
    def endless(self, request):
        def pieces():
            try:
                while True:
                    yield b"x" * 50_000
            finally:
                self.closed.set()

        return StreamingResponse(pieces(), compress=False)

    @route("POST", "/druid/v2/slow", access=state_read)
    def slow(self, request):
        self.entered.set()
        assert request.cancelled.wait(20)
        self.cancelled.set()

    @route("DELETE", "/druid/v2/{id}", access=state_write)
    def cancel(self, request):
        self.asked_to_cancel.append(request.path_params["id"])
        return Response(202)

    @route("GET", "/druid/indexer/v1/task/{id}/status", access=state_read)
    def task(self, request):
        return {"task": request.path_params["id"], "query": request.query_string}

    @route("GET", "/druid/indexer/v1/missing", access=state_read)
    def missing(self, request):
        return Response(404, json={"error": "none"})


@pytest.fixture(scope="module")
def loop():
    thread = EventLoopThread("test-http")
    yield thread
    thread.stop()


@pytest.fixture
def serve(loop):
    servers = []

    def serve(*resources):
        config = ServerConfig(num_threads=4, graceful_shutdown_timeout=Period.parse("PT1S"))
        server = HttpServer(RoleApp(resources, config=config), loop, bind_host="127.0.0.1")
        servers.append(server)
        server.start()
        return server.port

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def hub():
    return LocalDiscoveryHub()


def node(port, role=NodeRole.BROKER, service="druid/broker"):
    return DiscoveryDruidNode(DruidNode(service, "127.0.0.1", plaintext_port=port), role)


@pytest.fixture
def leader():
    return {"overlord": None, "coordinator": None}


@pytest.fixture
def router(serve, hub, loop, leader):
    executor = ScheduledExecutor("listeners")
    provider = LocalNodeDiscoveryProvider(hub, executor, SystemClock())
    brokers = BrokerSelector(provider, "druid/broker")
    proxy = ReverseProxy(RouterHttpConfig(), loop)
    port = serve(
        QueryProxyResource(brokers, proxy, DruidNode("druid/router", "127.0.0.1", plaintext_port=1)),
        ManagementProxyResource(proxy, lambda: leader["coordinator"], lambda: leader["overlord"]),
        RouterResource(brokers, provider),
    )
    client = HttpClient(timeout_s=20)
    yield lambda method, path, **options: client.request(method, f"http://127.0.0.1:{port}{path}", **options)
    proxy.close()
    executor.shutdown()


def test_without_brokers(router):
    answer = router("POST", "/druid/v2/sql", json={"query": "SELECT 1"})
    assert answer.status == 500
    assert answer.json()["errorMessage"].startswith("There are no available brokers.")


def test_queries_go_through_with_headers_and_bodies(router, serve, hub):
    hub.announce(node(serve(Service("a"))))
    answer = router("POST", "/druid/v2/sql", json={"query": "x" * 3_000_000})
    assert answer.json() == {"by": "a", "size": 3_000_012, "type": "application/json"}
    assert answer.headers["X-Druid-SQL-Query-Id"] == "q1"
    assert router("POST", "/druid/v2/", json={}).body == b"".join(b"[%d]" % i for i in range(100_000))


def test_brokers_take_turns_and_stand_in(router, serve, hub):
    ports = [serve(Service("a")), serve(Service("b"))]
    for port in ports:
        hub.announce(node(port))
    seen = {router("POST", "/druid/v2/sql", json={}).json()["by"] for _ in range(4)}
    assert seen == {"a", "b"}
    hub.unannounce(node(ports[0]))
    hub.announce(node(1))
    assert [router("POST", "/druid/v2/sql", json={}).json()["by"] for _ in range(4)] == ["b"] * 4
    assert router("GET", "/druid/router/v1/brokers").json() == {
        "druid/broker": sorted(["127.0.0.1:1", f"127.0.0.1:{ports[1]}"])
    }


def test_unreachable_brokers(router, hub):
    hub.announce(node(1))
    answer = router("POST", "/druid/v2/sql", json={})
    assert answer.status == 500
    assert answer.json()["errorCode"] == "serviceNotAvailable"


def test_cancelling_reaches_all_brokers(router, serve, hub):
    services = [Service("a"), Service("b")]
    for service in services:
        hub.announce(node(serve(service)))
    hub.announce(node(1))
    assert router("DELETE", "/druid/v2/q1").status == 202
    assert [service.asked_to_cancel for service in services] == [["q1"], ["q1"]]


def test_a_client_that_leaves_stops_the_broker(router, serve, hub):
    service = Service("a")
    hub.announce(node(serve(service)))
    answer = router("GET", "/druid/v2/endless", stream=True)
    next(answer.stream())
    answer.close()
    assert service.closed.wait(10)


def test_a_client_that_leaves_before_the_answer_stops_the_broker(router, serve, hub):
    service = Service("a")
    hub.announce(node(serve(service)))
    with pytest.raises(Exception, match="failed"):
        router("POST", "/druid/v2/slow", json={}, timeout_s=0.3)
    assert service.cancelled.wait(10)


def test_the_leader_answers(router, serve, leader):
    assert router("GET", "/druid/indexer/v1/tasks").status == 503
    leader["overlord"] = f"http://127.0.0.1:{serve(Service('leader'))}"
    expected = {"task": "a b", "query": "full&x=%20"}
    assert router("GET", "/druid/indexer/v1/task/a%20b/status?full&x=%20").json() == expected
    assert router("GET", "/proxy/overlord/druid/indexer/v1/task/a%20b/status?full&x=%20").json() == expected
    missing = router("GET", "/druid/indexer/v1/missing")
    assert (missing.status, missing.json()) == (404, {"error": "none"})


def test_no_leader_and_other_destinations(router):
    answer = router("GET", "/druid/coordinator/v1/datasources")
    assert answer.status == 503
    expected = (
        "Unable to determine destination[/druid/coordinator/v1/datasources]; is your coordinator/overlord running?"
    )
    assert answer.json() == {"error": expected}
    answer = router("GET", "/proxy/bogus/x")
    assert (answer.status, answer.json()) == (400, {"error": "Unsupported proxy destination[/proxy/bogus/x]"})
    assert router("GET", "/proxy/enabled").json() == {"enabled": True}


def test_the_page_for_humans(router, hub):
    hub.announce(node(1234))
    answer = router("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert b"http://127.0.0.1:1234" in answer.body
