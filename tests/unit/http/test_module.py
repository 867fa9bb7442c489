"""The modules of emitter, discovery, http and rpc make one working role."""

from __future__ import annotations

import json

import pytest

from nemeton.common.clock import Clock, SystemClock
from nemeton.config import JsonConfigurator, Properties
from nemeton.discovery.announcement import NodeAnnouncementModule
from nemeton.discovery.module import DiscoveryModule, ProcessDiscoveryModule
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.module import EmitterModule
from nemeton.http.client import EscalatedHttpClient, HttpClient
from nemeton.http.module import HttpModule, ProcessHttpModule
from nemeton.http.server import HttpServer
from nemeton.http.standard import StatusResource
from nemeton.inject import Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DruidNode, NodeRole
from nemeton.plugins import ExtensionError, Extensions, ExtensionStatus, TypeRegistry, load_extensions
from nemeton.rpc.module import RpcModule
from nemeton.spi.http import Resource, in_handler, iter_routes, route, unsecured

_BUILTIN = ("nemeton.emitter.extension", "nemeton.discovery.extension", "nemeton.http.extension")


class _Process(Module):
    def __init__(self, json, extensions):
        self.bound = {Json: json, Extensions: extensions, Clock: SystemClock()}

    def configure(self, binder):
        for key, instance in self.bound.items():
            binder.bind(key, instance=instance)
        binder.install(ProcessDiscoveryModule())
        binder.install(ProcessHttpModule())


class _Role(Module):
    def configure(self, binder):
        binder.bind(DruidNode, instance=DruidNode("druid/test", "127.0.0.1", plaintext_port=0, bind_on_host=True))
        for module in (
            EmitterModule(),
            DiscoveryModule(),
            HttpModule(),
            RpcModule(),
            NodeAnnouncementModule(NodeRole.BROKER),
        ):
            binder.install(module)


@pytest.fixture
def start():
    lifecycles = []

    def start(properties=None, *modules):
        given = {"druid.extensions.loadList": "[]", **(properties or {})}
        extensions = load_extensions(given, _BUILTIN)
        converter = Json(extensions.registry)
        process, role = Lifecycle("process"), Lifecycle("role")
        configurator = JsonConfigurator(Properties(given), converter)
        parent = Injector([_Process(converter, extensions)], configurator=configurator, lifecycle=process)
        injector = Injector([_Role(), *modules], parent=parent, lifecycle=role)
        for lifecycle in (process, role):
            lifecycle.start()
            lifecycles.append(lifecycle)
        port = injector.get(HttpServer).port
        client = injector.get(HttpClient)
        return injector, lambda path, **options: client.request("GET", f"http://127.0.0.1:{port}{path}", **options)

    yield start
    for lifecycle in reversed(lifecycles):
        lifecycle.stop()


def test_standard_resources(start):
    _, get = start(
        {
            "druid.metadata.storage.connector.password": "geheim",
            "druid.x.hidden.y": "z",
            "druid.server.hiddenProperties": '["hidden"]',
        }
    )
    assert get("/status/health").json() is True
    assert get("/status/selfDiscovered/status").json() == {"selfDiscovered": True}
    assert (get("/status/selfDiscovered").status, get("/status/selfDiscovered").body) == (200, b"")
    status = get("/status").json()
    assert set(status) >= {"version", "modules", "memory"}
    assert set(status["memory"]) == {"maxMemory", "totalMemory", "freeMemory", "usedMemory", "directMemory"}
    properties = get("/status/properties")
    assert b"geheim" not in properties.body
    assert "druid.x.hidden.y" not in properties.json()
    assert properties.json()["druid.extensions.loadList"] == "[]"


def test_the_answers_are_those_recorded(start, reference):
    _, get = start()
    for call in reference("status-and-discovery.json"):
        asked, answered = call["request"], call["response"]
        if (
            asked["path"].startswith("/status")
            and asked["method"] == "GET"
            and not asked["path"].startswith("/status/p")
        ):
            mine = get(asked["path"], headers=asked.get("headers"))
            assert mine.status == answered["status"], asked
            if mine.status != 200:
                assert mine.body == b""
                continue
            assert mine.headers["content-type"] == answered["headers"]["Content-Type"]
            assert mine.headers["cache-control"] == answered["headers"]["Cache-Control"]
            if asked["path"].rstrip("/") != "/status":
                assert (mine.json() if mine.body else "") == answered.get("json", "")


def test_an_anonymous_identity(start):
    class WhoAmI(Resource):
        @route("GET", "/who", access=in_handler)
        def who(self, request):
            request.authorize()
            return request.authenticated.identity

    class Added(Module):
        def configure(self, binder):
            binder.bind_set(Resource).add(WhoAmI)

    _, get = start(
        {"druid.auth.authenticatorChain": '["anonymous"]', "druid.auth.authenticator.anonymous.identity": "nobody"},
        Added(),
    )
    assert get("/who").body == b"nobody"


def test_internal_requests_carry_the_cluster_s_credentials(start):
    class Credentials(Resource):
        @route("GET", "/credentials", access=unsecured)
        async def credentials(self, request):
            return [request.headers.get(name) for name in ("authorization", "x-mine")]

    class Added(Module):
        def configure(self, binder):
            binder.bind_set(Resource).add(Credentials)

    class Cluster:
        def headers(self):
            return {"Authorization": "cluster"}

    injector, get = start({}, Added())
    url = f"http://127.0.0.1:{injector.get(HttpServer).port}/credentials"
    mine = {"Authorization": "me", "X-Mine": "1"}
    assert get("/credentials", headers=mine).json() == ["me", "1"]
    assert injector.get(EscalatedHttpClient).request("GET", url, headers=mine).json() == ["me", "1"]
    escalated = EscalatedHttpClient(injector.get(HttpClient), Cluster())
    assert escalated.request("GET", url, headers=mine).json() == ["cluster", "1"]


def test_an_authorizer_that_is_not_there(start):
    with pytest.raises(
        Exception, match=r"authenticator\.anonymous\.authorizerName is \[nix\], which is not in druid.auth.authorizers"
    ):
        start(
            {
                "druid.auth.authenticatorChain": json.dumps(["anonymous"]),
                "druid.auth.authenticator.anonymous.authorizerName": "nix",
            }
        )


def test_status_lists_extensions_with_those_that_failed():
    def status(name, state, error=None, distribution="acme"):
        return ExtensionStatus(name, distribution, "1.0", state, error=error)

    extensions = Extensions(
        TypeRegistry(),
        None,
        [],
        [
            status("nemeton.http", "loaded", distribution="core"),
            status("good", "loaded"),
            status("bad", "failed", ExtensionError("bad", "it fails to import", "Mend it")),
            status("other", "not loaded"),
        ],
    )
    listed = StatusResource(Properties({}), extensions).status(None)["modules"]
    assert listed[0] == {"name": "good", "artifact": "acme", "version": "1.0"}
    assert [each["name"] for each in listed] == ["good", "bad"]
    assert listed[1]["state"] == "failed"
    assert "it fails to import" in listed[1]["error"]


def test_every_route_has_its_access(start):
    injector, _ = start()
    for entry in iter_routes(injector.get(list[Resource])):
        assert entry.access is not None


def test_the_emitter_that_the_property_names(start, caplog):
    injector, _ = start({"druid.emitter": "logging", "druid.emitter.logging.logLevel": "warn"})
    emitter = injector.get(ServiceEmitter)
    emitter.emit_metric("query/time", 3)
    emitter.close()
    assert '"metric":"query/time"' in caplog.text
