"""A role's server, seen through sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time

import pytest

from nemeton.common.errors import DruidException, not_found
from nemeton.http.app import RoleApp
from nemeton.http.client import HttpClient
from nemeton.http.config import ServerConfig
from nemeton.http.loop import EventLoopThread
from nemeton.http.server import HttpServer, require_free_ports
from nemeton.model import DruidNode
from nemeton.spi.http import (
    Resource,
    Response,
    StreamingResponse,
    in_handler,
    route,
    state_read,
    state_write,
    unsecured,
)
from nemeton.testkit.suites.leader_selector import eventually
from nemeton.time import Period


class Things(Resource):
    def __init__(self):
        self.entered = threading.Event()
        self.release = threading.Event()
        self.closed = threading.Event()

    @route("GET", "/things/{name}", access=state_read)
    def thing(self, request):
        return {"name": request.path_params["name"], "full": request.has_query("full")}

    @route("GET", "/things/special", access=state_read)
    async def special(self, request):
        return "text"

    @route("POST", "/things", access=state_write)
    def post(self, request):
        return request.json()

    @route("GET", "/missing", access=state_read)
    def missing(self, request):
        raise not_found("Nothing here")

    @route("GET", "/boom", access=state_read)
    def boom(self, request):
        raise RuntimeError("boom")

    @route("GET", "/none", access=state_read)
    def none(self, request):
        return None

    @route("GET", "/forgot", access=in_handler)
    def forgot(self, request):
        return "secret"

    @route("GET", "/remembered", access=in_handler)
    def remembered(self, request):
        request.authorize()
        return "fine"

    @route("GET", "/stream", access=state_read)
    def stream(self, request):
        return StreamingResponse(b"x" * 1000 for _ in range(1000))

    @route("GET", "/stream/broken", access=state_read)
    def broken(self, request):
        def pieces():
            yield b"a" * 400_000
            raise RuntimeError("in the middle")

        return StreamingResponse(pieces(), compress=False)

    @route("GET", "/stream/endless", access=state_read)
    def endless(self, request):
        def pieces():
            try:
                while True:
                    yield b"a" * 100_000
            finally:
                self.closed.set()

        return StreamingResponse(pieces(), compress=False)

    @route("GET", "/slow", access=unsecured)
    def slow(self, request):
        self.entered.set()
        assert self.release.wait(20)
        return "done"

    @route("GET", "/patient", access=state_read, has_deadline=False)
    def patient(self, request):
        self.entered.set()
        if request.cancelled.wait(20):
            self.closed.set()

    @route("GET", "/late", access=state_read, timeout_s=0.05)
    def late(self, request):
        request.cancelled.wait(20)
        return "late"

    @route("GET", "/big", access=state_read)
    def big(self, request):
        return Response(body=b"y" * 300_000, media_type="text/plain")


@pytest.fixture(scope="module")
def loop():
    thread = EventLoopThread("test-http")
    yield thread
    thread.stop()


@pytest.fixture
def make_server(loop):
    servers = []

    def make(resources, **config):
        defaults = {"num_threads": 4, "graceful_shutdown_timeout": Period.parse("PT1S")}
        app = RoleApp(resources, config=ServerConfig(**(defaults | config)))
        server = HttpServer(app, loop, bind_host="127.0.0.1", name="test")
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def things():
    thing = Things()
    yield thing
    thing.release.set()


@pytest.fixture
def call(make_server, things):
    server = make_server([things])
    client = HttpClient(timeout_s=20)

    def call(method, path, **options):
        return client.request(method, f"http://127.0.0.1:{server.port}{path}", **options)

    call.port = server.port

    yield call
    client.close()


def test_json_answers(call):
    answer = call("GET", "/things/a%20b?full")
    assert (answer.status, answer.json()) == (200, {"name": "a b", "full": True})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache, no-store, max-age=0"


def test_a_literal_path_wins_and_text_is_sent_as_it_is(call):
    assert call("GET", "/things/special").body == b"text"


def test_a_slash_at_the_end_does_not_count(call):
    assert call("GET", "/things/special/").body == b"text"


def test_unknown_path_and_method_and_head(call):
    assert (call("GET", "/nope").status, call("GET", "/nope").body) == (404, b"")
    answer = call("GET", "/nope", headers={"Accept": "application/json"})
    assert answer.json() == {"servlet": "nemeton", "message": "Not Found", "url": "/nope", "status": "404"}
    answer = call("POST", "/things/special", json={})
    assert (answer.status, answer.body, answer.headers["content-length"]) == (405, b"", "0")
    assert call("HEAD", "/things/special").status == 405


def test_errors(call):
    answer = call("GET", "/missing")
    assert (answer.status, answer.json()["errorMessage"]) == (404, "Nothing here")
    answer = call("GET", "/boom")
    assert answer.status == 500
    assert answer.json()["errorMessage"] == "RuntimeError: boom"
    assert answer.json()["error"] == "druidException"


def test_no_content(call):
    assert call("GET", "/none").status == 204


def test_an_answer_that_nobody_authorized_is_withheld(call):
    answer = call("GET", "/forgot")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert call("GET", "/remembered").body == b"fine"


def test_bodies(call):
    assert call("POST", "/things", json={"a": 1}).json() == {"a": 1}
    malformed = call("POST", "/things", body=b"{not", headers={"Content-Type": "application/json"})
    assert (malformed.status, malformed.json()["errorCode"]) == (500, "invalidInput")
    assert call("POST", "/things", body=b"x", headers={"Content-Type": "text/plain"}).status == 415
    assert call("GET", "/things/x", headers={"Accept": "text/plain"}).status == 406


def test_a_body_beyond_the_limit(make_server, things):
    server = make_server([things], max_request_body_size=1000)
    answer = HttpClient().request("POST", f"http://127.0.0.1:{server.port}/things", json="x" * 2000)
    assert answer.status == 413
    assert "druid.server.http.maxRequestBodySize" in answer.json()["errorMessage"]


def test_streams_and_gzip(call):
    answer = call("GET", "/stream")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.body == b"x" * 1_000_000
    plain = call("GET", "/stream", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.body == b"x" * 1_000_000
    assert call("GET", "/big").body == b"y" * 300_000


def test_a_stream_that_breaks_is_cut(call):
    with pytest.raises(Exception, match="failed"):
        call("GET", "/stream/broken")


def test_a_stream_is_closed_when_the_client_leaves(call, things):
    answer = call("GET", "/stream/endless", stream=True)
    next(answer.stream())
    answer.close()
    assert things.closed.wait(10)


def test_work_is_cancelled_when_the_client_leaves(call, things):
    with socket.create_connection(("127.0.0.1", call.port)) as client:
        client.sendall(b"GET /patient HTTP/1.1\r\nHost: x\r\n\r\n")
        assert things.entered.wait(10)
        assert not things.closed.is_set()
    assert things.closed.wait(10)


def test_an_answer_arrives_in_one_piece(call):
    """Head and body, so that the client is woken once."""
    with socket.create_connection(("127.0.0.1", call.port)) as client:
        client.settimeout(10)
        for _ in range(20):
            client.sendall(b"GET /things/a HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = client.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert body == b'{"name":"a","full":false}'


def test_the_deadline(call):
    answer = call("GET", "/late")
    assert answer.status == 504
    assert "longer than 0.05 s" in answer.json()["errorMessage"]


def test_a_full_pool_says_so(make_server, things):
    server = make_server([things], num_threads=1, queue_size=1)
    url = f"http://127.0.0.1:{server.port}"
    statuses = []

    def ask(path):
        statuses.append(HttpClient().request("GET", url + path, timeout_s=20).status)

    running = threading.Thread(target=ask, args=("/slow",))
    running.start()
    assert things.entered.wait(10)
    waiting = threading.Thread(target=ask, args=("/things/a",))
    waiting.start()
    eventually(lambda: server.app.pool.pending == 2, "one request runs and one waits")
    refused = HttpClient().request("GET", f"{url}/things/a", timeout_s=20)
    assert refused.status == 503
    assert refused.json()["errorCode"] == "capacityExceeded"
    things.release.set()
    for thread in (running, waiting):
        thread.join(20)
    assert statuses == [200, 200]


def test_a_stop_lets_running_requests_end(make_server, things):
    server = make_server([things], graceful_shutdown_timeout=Period.parse("PT10S"))
    answers = []
    url = f"http://127.0.0.1:{server.port}/slow"
    caller = threading.Thread(target=lambda: answers.append(HttpClient().request("GET", url).body))
    caller.start()
    assert things.entered.wait(10)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    things.release.set()
    stopper.join(15)
    caller.join(15)
    assert answers == [b"done"]


def test_a_port_in_use_is_a_clear_error(make_server, things, loop):
    server = make_server([things])
    other = HttpServer(RoleApp([Things()]), loop, bind_host="127.0.0.1", port=server.port, name="druid/other")
    with pytest.raises(
        DruidException, match=rf"druid/other cannot listen on port {server.port} \(druid.plaintextPort\)"
    ):
        other.start()


def test_a_stop_cuts_long_polls_short(make_server, things):
    entered = threading.Event()

    class Polled(Resource):
        @route("GET", "/changes", access=state_read, long_poll=True)
        async def changes(self, request):
            entered.set()
            await asyncio.sleep(60)

    server = make_server([Polled()], graceful_shutdown_timeout=Period.parse("PT30S"))
    answers = []
    url = f"http://127.0.0.1:{server.port}/changes"
    caller = threading.Thread(target=lambda: answers.append(HttpClient().request("GET", url).status))
    caller.start()
    assert entered.wait(10)
    started = time.monotonic()
    server.stop()
    caller.join(15)
    assert answers == [503]
    assert time.monotonic() - started < 10


def test_a_gzipped_body(call):
    packed = gzip.compress(b'{"a":' + b" " * 100_000 + b"1}")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert call("POST", "/things", body=packed, headers=headers).json() == {"a": 1}
    assert call("POST", "/things", body=b"no gzip", headers=headers).status == 400


def test_a_gzipped_body_beyond_the_limit(make_server, things):
    server = make_server([things], max_request_body_size=10_000)
    answer = HttpClient().request(
        "POST",
        f"http://127.0.0.1:{server.port}/things",
        body=gzip.compress(b" " * 1_000_000),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status == 413


def test_answers_come_at_once(call):
    """Not after the 40 ms of a delayed acknowledgement."""
    started = time.monotonic()
    for _ in range(20):
        call("GET", "/things/special")
    assert time.monotonic() - started < 0.7


def test_ports_can_be_checked_before_anything_starts(make_server, things):
    port = make_server([things]).port
    free = DruidNode("druid/free", "127.0.0.1", plaintext_port=0, bind_on_host=True)
    taken = DruidNode("druid/taken", "127.0.0.1", plaintext_port=port, bind_on_host=True)
    require_free_ports([free])
    with pytest.raises(DruidException, match=rf"druid/taken cannot listen on port {port} .*another process uses it"):
        require_free_ports([free, taken])


def head_of(padding, *, ended=True):
    return b"GET /big HTTP/1.1\r\nHost: here\r\nX-Padding: " + b"x" * padding + (b"\r\n\r\n" if ended else b"")


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("padding", "status"), [(800, b"200"), (1100, b"400")])
def test_the_head_of_a_request_is_bounded(make_server, things, padding, status, pieces):
    server = make_server([things], max_request_header_size=1000)
    sent = head_of(padding)
    size = -(-len(sent) // pieces)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        for at in range(0, len(sent), size):
            client.sendall(sent[at : at + size])
        assert client.recv(100).split(b" ")[1] == status


def test_a_head_without_end_is_given_up(make_server, things):
    server = make_server([things], max_request_header_size=1000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head_of(5000, ended=False))
        assert client.recv(100).split(b" ")[1] == b"400"
