"""Smile between client and server, and a change history followed over real HTTP."""

from __future__ import annotations

import json
import math
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from attrs import frozen

from nemeton.common.clock import SystemClock
from nemeton.http.app import RoleApp
from nemeton.http.change_history import ChangeRequestHistory, Counter
from nemeton.http.change_sync import ChangeRequestHttpSyncer
from nemeton.http.client import HttpClient
from nemeton.http.loop import EventLoopThread
from nemeton.http.server import HttpServer
from nemeton.json import Json, smile
from nemeton.spi.http import JSON, SMILE, Resource, Response, route, state_read
from nemeton.testkit.waiting import eventually


@frozen
class Thing:
    name: str
    value: float


class Things(Resource):
    def __init__(self):
        self.history = ChangeRequestHistory(SystemClock(), max_size=3)
        self.known = []

    def add(self, *names):
        self.known += names
        self.history.add(names)

    @route("POST", "/both", access=state_read, produces=(JSON, SMILE))
    def both(self, request):
        return request.json(Thing)

    @route("POST", "/json", access=state_read)
    def json_only(self, request):
        return request.json()

    @route("POST", "/smile", access=state_read, produces=SMILE)
    async def smile_only(self, request):
        return {"read": request.json()}

    @route("GET", "/fails", access=state_read, produces=(JSON, SMILE))
    def fails(self, request):
        raise ValueError("no")

    @route("GET", "/text", access=state_read, produces=(JSON, SMILE))
    def text(self, request):
        return Response(body="[]", media_type=JSON)

    @route("GET", "/changes", access=state_read, produces=(JSON, SMILE), long_poll=True)
    async def changes(self, request):
        counter = int(request.query("counter"))
        if counter < 0:
            place = self.history.last_counter
            return {
                "resetCounter": False,
                "counter": {"counter": place.counter, "hash": place.hash},
                "requests": self.known,
            }
        place = Counter(counter, int(request.query("hash")))
        found = await self.history.wait_since(place, int(request.query("timeout")) / 1000)
        return Response(204) if found is None else Response(json=found)


@pytest.fixture
def things():
    return Things()


@pytest.fixture
def url(things):
    loop = EventLoopThread("test-smile")
    server = HttpServer(RoleApp([things], json=Json()), loop, bind_host="127.0.0.1", name="test")
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    loop.stop()


@pytest.fixture
def client():
    made = HttpClient(json=Json(), timeout_s=20)
    yield made
    made.close()


def test_smile_goes_there_and_back(url, client):
    answer = client.request("POST", f"{url}/both", json=Thing("x", math.inf), smile=True)
    assert answer.headers["content-type"] == SMILE
    assert answer.body[:4] == b":)\n\x05"
    assert answer.json(Thing) == Thing("x", math.inf)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (SMILE, SMILE),
        (None, JSON),
        (JSON, JSON),
        ("*/*", JSON),
        (f"{JSON}, {SMILE}", JSON),
        (f"{SMILE}, {JSON}", JSON),
        (f"{SMILE};q=1", JSON),
    ],
)
def test_an_answer_is_smile_exactly_if_nothing_else_is_accepted(url, client, accept, media_type):
    """As recorded: a Java worker answers everything but the bare media type with JSON."""
    headers = {"Accept": accept} if accept else {}
    answer = client.request("POST", f"{url}/both", json={"name": "x", "value": 1}, headers=headers)
    assert answer.headers["content-type"] == media_type
    assert answer.body.startswith(b":)\n" if media_type == SMILE else b"{")
    assert answer.json() == {"name": "x", "value": 1.0}


def test_a_route_of_json_answers_smile_with_json_and_refuses_those_who_want_smile(url, client):
    headers = {"Content-Type": SMILE}
    answer = client.request("POST", f"{url}/json", body=smile.dumps([1, None]), headers=headers)
    assert (answer.headers["content-type"], answer.json()) == (JSON, [1, None])
    assert client.request("POST", f"{url}/json", json=1, smile=True).status == 406


def test_failures_are_json_to_everybody(url, client):
    answer = client.request("GET", f"{url}/fails", smile=True)
    assert answer.status == 500
    assert answer.headers["content-type"] == JSON
    assert "ValueError" in json.loads(answer.body)["errorMessage"]
    assert client.request("GET", f"{url}/text", smile=True).body == b"[]"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b":)\n\x05", 500, "ends too soon"),
        (b'{"name": "x"}', 500, "Smile"),
        (smile.dumps({"name": "x", "value": []}), 400, "$.value"),
    ],
)
def test_a_bad_body_is_told_as_bad_json_is(url, client, body, status, said):
    answer = client.request("POST", f"{url}/both", body=body, headers={"Content-Type": SMILE})
    assert answer.status == status
    assert said in answer.text


def test_an_async_handler_answers_smile_too(url, client):
    answer = client.request("POST", f"{url}/smile", json=list(range(200)), smile=True)
    assert answer.json() == {"read": list(range(200))}


# ---- the long poll


class Recorder:
    def __init__(self):
        self.known = []
        self.full = 0

    def full_sync(self, changes):
        self.full += 1
        self.known = list(changes)

    def delta_sync(self, changes):
        self.known += changes


@pytest.fixture
def follow(client):
    syncers = []

    def follow(url, **options):
        recorder = Recorder()
        syncer = ChangeRequestHttpSyncer(
            client,
            Json(),
            SystemClock(),
            base_url=url,
            path="/changes",
            change_type=str,
            listener=recorder,
            **({"timeout_s": 5} | options),
        )
        syncers.append(syncer)
        syncer.start()
        return syncer, recorder

    yield follow
    for syncer in syncers:
        syncer.stop()


def test_changes_are_followed_as_smile(url, things, follow):
    things.add("a", "b")
    syncer, recorder = follow(url)
    assert syncer.wait_until_first_sync(10)
    assert recorder.known == ["a", "b"]
    things.add("c")
    eventually(lambda: recorder.known == ["a", "b", "c"], "the change")
    things.add(*"defghij")  # more than the history keeps: who follows must start over
    eventually(lambda: recorder.known == list("abcdefghij"), "all of them")
    assert recorder.full == 2
    assert syncer.is_synced
    things.history.close()


def test_a_poll_that_times_out_goes_on_from_its_place(url, things, follow):
    things.add("a")
    syncer, recorder = follow(url, timeout_s=0.05)
    assert syncer.wait_until_first_sync(10)
    eventually(lambda: syncer.debug_info()["millisSinceLastSuccess"] < 40, "a poll without an answer")
    things.add("b")
    eventually(lambda: recorder.known == ["a", "b"], "the change")
    assert recorder.full == 1


class JavasServer(BaseHTTPRequestHandler):
    """Answers as the recordings show: Smile, or JSON to test that too, and no content type; notes what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.heard.append((self.path, dict(self.headers)))
        body = self.server.answers.pop(0) if self.server.answers else b""
        self.send_response(200 if body else 204)
        if body:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def javas_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), JavasServer)
    server.heard, server.answers = [], []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("encode", [smile.dumps, lambda value: json.dumps(value).encode()], ids=["smile", "json"])
def test_requests_have_javas_headers_and_answers_need_none(javas_server, follow, encode):
    javas_server.answers += [
        encode({"resetCounter": False, "counter": {"counter": 21, "hash": 1795167738765}, "requests": ["x"]})
    ]
    url = f"http://127.0.0.1:{javas_server.server_port}"
    syncer, recorder = follow(url, timeout_s=180)
    assert syncer.wait_until_first_sync(10)
    eventually(lambda: len(javas_server.heard) > 1, "the second poll")
    syncer.stop()
    assert recorder.known == ["x"]
    (first, headers), (second, _) = javas_server.heard[:2]
    assert first == "/changes?counter=-1&timeout=180000"
    assert second == "/changes?counter=21&hash=1795167738765&timeout=180000"
    headers.pop("Host")
    assert headers == {"Accept-Encoding": "gzip", "Accept": SMILE, "Content-Type": SMILE}
