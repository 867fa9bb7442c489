"""Every route of every role checks its caller."""

from __future__ import annotations

import asyncio
import re

import pytest

from nemeton.config import Properties
from nemeton.http.app import RoleApp
from nemeton.http.auth import AuthChain
from nemeton.http.config import ServerConfig
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES
from nemeton.spi.auth import Access, AuthenticationResult, Authenticator, Authorizer
from nemeton.spi.http import Resource, iter_routes

OPEN = {
    "/status/health",
    "/druid/broker/v1/readiness",
    "/druid/coordinator/v1/isLeader",
    "/druid/historical/v1/readiness",
    "/druid/indexer/v1/isLeader",
}
"""What anybody may see: no more than whether a service is up or leads."""


class Known(Authenticator):
    authorizer_name = "deny"

    def authenticate(self, request):
        return AuthenticationResult("me", "deny", "known") if "authorization" in request.headers else None


class DenyAll(Authorizer):
    def authorize(self, authenticated, action):
        return Access(False, "denied")


async def ask(app, route, headers):
    sent, asked = [], []
    method = "GET" if route.method == "*" else route.method
    path = re.sub(r"\{\w+(:path)?\}", "x", route.path)

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": b"[]", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"counter=1&hash=1&timeout=1",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"2"), *headers],
        "client": None,
    }
    await asyncio.wait_for(app(scope, receive, send), 20)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture(scope="module", params=list(ROLES))
def role(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{folder}/metadata.db",
        "druid.storage.storageDirectory": f"{folder}/storage",
        "druid.indexer.logs.directory": f"{folder}/logs",
        "druid.indexer.task.baseDir": f"{folder}/tasks",
        "druid.segmentCache.locations": f'[{{"path":"{folder}/cache","maxSize":1000000}}]',
    }
    process = ServerProcess([RoleSettings(ROLES[request.param], Properties(properties))])
    injector = process.injectors[request.param]
    if injector.has(MetadataStorageConnector):
        injector.get(MetadataStorageConnector).create_tables()
    resources = injector.get(list[Resource])
    app = RoleApp(
        resources, config=ServerConfig(num_threads=2), auth=AuthChain({"known": Known()}, {"deny": DenyAll()})
    )
    yield app, list(iter_routes(resources))
    app.pool.close()


def test_nobody_in_particular_sees_next_to_nothing(role):
    app, routes = role
    seen = {route.path for route in routes if asyncio.run(ask(app, route, []))[0] != 401}
    assert seen <= OPEN


def test_who_may_do_nothing_gets_nothing(role):
    app, routes = role
    assert routes
    for route in routes:
        if route.path in OPEN or route.access.kind == "forwarded":
            continue
        status, body = asyncio.run(ask(app, route, [(b"authorization", b"me")]))
        if route.access.kind == "in_handler":
            assert b"did not have an authorization check" not in body, route
            assert status >= 400 or body in (b"", b"[]", b"{}"), route
        else:
            assert status == 403, route


def test_only_the_router_passes_on_what_it_does_not_check(role, request):
    _, routes = role
    forwarded = [route.path for route in routes if route.access.kind == "forwarded"]
    assert all(path.startswith(("/druid/v2", "/druid/coordinator", "/druid/indexer", "/proxy")) for path in forwarded)
    assert not forwarded or any("/proxy/" in path for path in forwarded)
