from __future__ import annotations

from json import loads
from pathlib import Path

import pytest

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub
from nemeton.emitter import ServiceEmitter
from nemeton.http.client import HttpResponse
from nemeton.json import Json, smile
from nemeton.model import DataNodeService, DataSegment, DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.model.extension import shard_specs
from nemeton.plugins import TypeRegistry
from nemeton.rpc.server_inventory import HttpServerInventoryView, HttpServerInventoryViewConfig, ServerViewListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval, Period

REFERENCE = Path(__file__).parents[2] / "data" / "reference" / "http"
CONFIG = HttpServerInventoryViewConfig(server_timeout=Period.parse("PT0.1S"))


@pytest.fixture
def json():
    registry = TypeRegistry()
    for item in shard_specs():
        registry.add("shard_specs", item)
    return Json(registry)


def segment(number):
    return DataSegment("ds", Interval(number, number + 1), "v")


class FakeServers:
    """The segment list of each server: what ``lists`` says, as a full list whenever it has changed."""

    def __init__(self, json):
        self.json = json
        self.lists = {}
        self.told = {}

    def request(self, method, url, **_):
        host = url.split("/")[2]
        now = list(self.lists.get(host, []))
        if "counter=-1" in url or self.told.get(host) == now:
            full = "counter=-1" in url
            body = {
                "resetCounter": False,
                "counter": {"counter": 1, "hash": 1},
                "requests": [{"action": "load", **self.json.unstructure(each)} for each in now],
            }
            self.told[host] = now
            return HttpResponse(200 if full else 204, {}, url, self.json.dumps(body), json=self.json)
        body = {"resetCounter": True, "resetCause": "changed", "counter": None, "requests": None}
        return HttpResponse(200, {}, url, self.json.dumps(body), json=self.json)


class Recorder(ServerViewListener):
    def __init__(self):
        self.heard = []

    def server_added(self, server):
        self.heard.append(("server", server.name))

    def server_removed(self, server):
        self.heard.append(("no server", server.name))

    def segment_added(self, server, segment):
        self.heard.append(("segment", server.name, segment.interval.start))

    def segment_removed(self, server, segment):
        self.heard.append(("no segment", server.name, segment.interval.start))

    def initialized(self):
        self.heard.append("initialized")


class Failing(ServerViewListener):
    def segment_added(self, server, segment):
        raise ValueError("a listener")


def node(port):
    service = DataNodeService(max_size=1000)
    druid_node = DruidNode("druid/historical", "h", plaintext_port=port)
    return DiscoveryDruidNode(druid_node, NodeRole.HISTORICAL, {DataNodeService.NAME: service})


@pytest.fixture
def kind():
    return LocalDiscovery(LocalDiscoveryHub(), SystemClock())


@pytest.fixture
def servers(json):
    return FakeServers(json)


@pytest.fixture
def view(kind, servers, json):
    made = HttpServerInventoryView(kind.provider(), servers, json, ManualClock(), CONFIG, ServiceEmitter())
    made.recorder = Recorder()
    made.add_listener(Failing())
    made.add_listener(made.recorder)
    yield made
    made.stop()


def test_servers_and_segments_are_told_of(kind, servers, view):
    servers.lists["h:1"] = [segment(0), segment(1)]
    kind.announcer().announce(node(1))
    view.start()
    assert view.wait_until_initialized(10)
    eventually(lambda: "initialized" in view.recorder.heard, "the listeners to hear")
    assert view.recorder.heard == [("server", "h:1"), ("segment", "h:1", 0), ("segment", "h:1", 1), "initialized"]
    assert view.is_synced("h:1")
    assert view.server("h:1").get(segment(0).id) == segment(0)

    servers.lists["h:1"] = [segment(1), segment(2)]
    eventually(lambda: ("segment", "h:1", 2) in view.recorder.heard, "the change")
    assert ("no segment", "h:1", 0) in view.recorder.heard
    assert sorted(each.interval.start for each in view.server("h:1").segments.values()) == [1, 2]


def test_a_server_that_goes_takes_its_segments_with_it(kind, servers, view):
    servers.lists["h:1"] = [segment(0)]
    view.start()
    kind.announcer().announce(node(1))
    eventually(lambda: ("segment", "h:1", 0) in view.recorder.heard, "the segment")
    kind.announcer().unannounce(node(1))
    eventually(lambda: ("no server", "h:1") in view.recorder.heard, "the server to go")
    assert view.recorder.heard.index(("no segment", "h:1", 0)) < view.recorder.heard.index(("no server", "h:1"))
    assert view.servers == []


def test_without_servers_the_view_is_complete_at_once(view):
    view.start()
    assert view.wait_until_initialized(10)


def recorded_bodies(name):
    for exchange in loads((REFERENCE / name).read_text()):
        body = (exchange.get("response") or {}).get("body")
        if isinstance(body, dict) and body.get("requests"):
            yield body


def test_what_a_java_historical_tells_is_understood(kind, json):
    """The recorded answers to a Broker, as Smile: segments of every kind, realtime ones among them."""
    bodies = list(recorded_bodies("segments-sync.json"))
    full = max(bodies, key=lambda body: len(body["requests"]))

    class JavaHistorical:
        def request(self, method, url, **options):
            assert options["smile"]
            everything = "counter=-1" in url
            return HttpResponse(200 if everything else 204, {}, url, smile.dumps(full) if everything else b"")

    view = HttpServerInventoryView(kind.provider(), JavaHistorical(), json, SystemClock(), CONFIG, ServiceEmitter())
    kind.announcer().announce(node(1))
    view.start()
    try:
        assert view.wait_until_initialized(10)
        loaded = {each["identifier"] for each in full["requests"] if each["action"] == "load"}
        assert {str(each) for each in view.server("h:1").segments} == loaded
    finally:
        view.stop()
