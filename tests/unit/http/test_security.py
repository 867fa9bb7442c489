"""Who may do what."""

from __future__ import annotations

import asyncio
import json

import pytest

from nemeton.common.errors import DruidException, unauthorized
from nemeton.http.app import RoleApp
from nemeton.http.auth import AuthChain
from nemeton.http.routing import DuplicateRouteError, RouteTable
from nemeton.spi.auth import OK, Access, AuthenticationResult, Authenticator, Authorizer, ResourceAction
from nemeton.spi.http import (
    Request,
    Resource,
    config_read,
    config_write,
    datasource_read,
    datasource_write,
    forwarded,
    in_handler,
    internal,
    iter_routes,
    route,
    state_read,
    state_write,
    unsecured,
)


class Token(Authenticator):
    authorizer_name = "rules"

    def authenticate(self, request):
        given = request.headers.get("authorization")
        if given is None:
            return None
        if not given.startswith("Token "):
            raise unauthorized("Bad token")
        return AuthenticationResult(given.removeprefix("Token "), "rules", "token")

    def challenge(self):
        return "Token"


class Rules(Authorizer):
    """What an identity may do is its name: ``DATASOURCE:wiki:READ,STATE:STATE:WRITE``."""

    def authorize(self, authenticated, action):
        wanted = f"{action.type}:{action.name}:{action.action}"
        return OK if wanted in authenticated.identity.split(",") else Access(False, f"may not {wanted}")


class Everything(Resource):
    @route("GET", "/ds/{name}", access=datasource_read("name"))
    async def read(self, request):
        return "read"

    @route("POST", "/ds/{name}", access=datasource_write("name"))
    async def write(self, request):
        return "written"

    @route("GET", "/config", access=config_read)
    async def config(self, request):
        return "config"

    @route("POST", "/config", access=config_write)
    async def set_config(self, request):
        return "set"

    @route("GET", "/state", access=state_read)
    async def state(self, request):
        return "state"

    @route("POST", "/state", access=state_write)
    async def set_state(self, request):
        return "set"

    @route("POST", "/internal", access=internal)
    async def inner(self, request):
        return "inner"

    @route("GET", "/forwarded", access=forwarded)
    async def forwarded(self, request):
        return request.authenticated.identity

    @route("GET", "/health", access=unsecured)
    async def health(self, request):
        return "true"

    @route("GET", "/mine", access=in_handler)
    async def mine(self, request):
        return request.filter_authorized(["a", "b", "c"], lambda name: [ResourceAction.datasource(name, "READ")])

    @route("GET", "/forgotten", access=in_handler)
    async def forgotten(self, request):
        return "secret"


def ask(app, method, path, headers=()):
    """One request without a socket: status, headers, body."""
    sent = []

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asked = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(app(scope, receive, send))
    got = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], got, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture(scope="module")
def app():
    return RoleApp([Everything()], auth=AuthChain({"token": Token()}, {"rules": Rules()}, ("/config",)))


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        ("GET", "/ds/wiki", "DATASOURCE:wiki:READ"),
        ("POST", "/ds/wiki", "DATASOURCE:wiki:WRITE"),
        ("GET", "/state", "STATE:STATE:READ"),
        ("POST", "/state", "STATE:STATE:WRITE"),
        ("POST", "/internal", "STATE:STATE:WRITE"),
    ],
)
def test_each_kind_of_access(app, method, path, needs):
    assert ask(app, method, path, [("authorization", f"Token {needs}")])[0] == 200
    status, _, body = ask(app, method, path, [("authorization", "Token DATASOURCE:other:READ")])
    assert status == 403
    assert json.loads(body) == {"Access-Check-Result": f"Unauthorized, may not {needs}"}


def test_without_credentials(app):
    status, headers, body = ask(app, "GET", "/state")
    assert (status, headers["www-authenticate"]) == (401, "Token")
    assert json.loads(body)["error"] == "Unauthorized request"
    assert ask(app, "GET", "/forwarded")[0] == 401
    assert ask(app, "GET", "/no/such/path")[0] == 401
    assert ask(app, "GET", "/state", [("authorization", "Basic x")])[0] == 401


def test_open_paths(app):
    assert ask(app, "GET", "/health")[0] == 200
    assert ask(app, "GET", "/config")[0] == 200
    assert ask(app, "GET", "/forwarded", [("authorization", "Token me")])[2] == b"me"


def test_in_the_handler(app):
    status, _, body = ask(app, "GET", "/mine", [("authorization", "Token DATASOURCE:a:READ,DATASOURCE:c:READ")])
    assert (status, json.loads(body)) == (200, ["a", "c"])
    status, _, body = ask(app, "GET", "/forgotten", [("authorization", "Token me")])
    assert status == 500
    assert b"secret" not in body
    assert b"authorization check" in body


def test_every_route_says_what_it_demands():
    for entry in iter_routes([Everything()]):
        assert entry.access.kind in {"state", "config", "datasource", "in_handler", "forwarded", "unsecured"}


def test_two_handlers_of_one_path():
    class Again(Resource):
        @route("GET", "/ds/{other}", access=state_read)
        async def read(self, request):
            return "again"

    with pytest.raises(DuplicateRouteError, match=r"GET /ds/\{other\} is claimed by Everything.read and .*Again.read"):
        RouteTable([Everything(), Again()])


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a/b", "literal"), ("/a/c", "one"), ("/a/c/d", "rest"), ("/a/", None), ("/a/b/", "literal"), ("/x", None)],
)
def test_the_more_literal_path_wins(path, expected):
    class Paths(Resource):
        @route("GET", "/a/{rest:path}", access=state_read)
        def rest(self, request):
            return "rest"

        @route("GET", "/a/{one}", access=state_read)
        def one(self, request):
            return "one"

        @route("GET", "/a/b", access=state_read)
        def literal(self, request):
            return "literal"

    found = RouteTable([Paths()]).match("GET", path).route
    assert (found and found.handler(None)) == expected


def test_each_data_source_is_asked_for_once():
    class Counting(Rules):
        asked = 0

        def authorize(self, authenticated, action):
            self.asked += 1
            return super().authorize(authenticated, action)

    rules = Counting()
    may_read = AuthChain({}, {"rules": rules}).reader(AuthenticationResult("DATASOURCE:wiki:READ", "rules"))
    assert [may_read(name) for name in ("wiki", "other", "wiki", "other")] == [True, False, True, False]
    assert rules.asked == 2


def test_a_list_is_not_empty_because_authorization_is_broken():
    request = Request("GET", "/", authorizer=AuthChain({}, {}).authorize)
    with pytest.raises(DruidException, match=r"No authorizer \[allowAll\]"):
        request.filter_authorized(["a"], lambda name: [ResourceAction.datasource(name, "READ")])
