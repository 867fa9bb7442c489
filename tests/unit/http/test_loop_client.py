"""The client of the event loop, with servers that say exactly what a test wants."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.http.client import HttpClientError
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_client import LoopHttpClient
from nemeton.json import Json

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each request with the next of its answers; ``None`` closes the connection, a float is a pause."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection:
            while self._request(connection):
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    return
                for part in answer if isinstance(answer, tuple) else (answer,):
                    if isinstance(part, float):
                        self._over.wait(part)
                    else:
                        connection.sendall(part)
                if isinstance(answer, tuple) and answer[-1] == b"":
                    return

    def _request(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append((head.decode(), body))
        return True

    def close(self):
        self._over.set()
        self._socket.close()


@pytest.fixture
def serve():
    made = []

    def serve(*answers):
        made.append(Server(*answers))
        return made[-1]

    yield serve
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def loop():
    made = EventLoopThread("test-loop-client")
    yield made
    made.stop()


@pytest.fixture
def client(loop):
    made = LoopHttpClient(json=Json(), credentials=lambda: {"X-Who": "me"}, connect_timeout_s=1.0)
    yield made
    loop.loop.call_soon_threadsafe(made.close)


@pytest.fixture
def ask(loop, client):
    def ask(server, path="/p?q=1", method="GET", **options):
        url = f"http://127.0.0.1:{server.port}{path}"
        return loop.run(client.request(method, url, **{"timeout_s": 10, **options}), 20)

    return ask


def test_connections_are_kept_and_requests_carry_what_they_must(serve, ask):
    server = serve()
    for _ in range(3):
        answer = ask(server)
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"hi", "2")
    assert server.connections == 1
    head, _ = server.requests[0]
    assert head.split("\r\n") == ["GET /p?q=1 HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "X-Who: me"]
    ask(server, method="POST", body=b'{"a":1}', headers={"Content-Type": "application/json"})
    head, body = server.requests[-1]
    assert "Content-Type: application/json" in head
    assert body == b'{"a":1}'
    ask(server, method="POST")
    assert "Content-Length: 0" in server.requests[-1][0]


def test_smile_is_asked_for_and_read(serve, ask):
    from nemeton.json import smile

    body = smile.dumps({"a": [1, 2]})
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert ask(server, smile=True).json() == {"a": [1, 2]}
    assert "Accept: application/x-jackson-smile" in server.requests[0][0]


def chunked(*parts):
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


ZIPPED = gzip.compress(b"hello" * 100)
LONG = bytes(range(256)) * 1000
ANSWERS = {
    "by length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "long": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG) + LONG, LONG),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b""),
    "no content": (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", b""),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hel", b"lo"), b"hello"),
    "zipped": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
        b"hello" * 100,
    ),
    "after a hint": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_kind_of_body_is_read_and_the_connection_can_be_used_again(serve, ask, kind):
    data, body = ANSWERS[kind]
    server = serve(data)
    assert ask(server).body == body
    assert ask(server).body == b"hi"
    assert server.connections == 1


@settings(max_examples=40)
@given(kind=st.sampled_from(sorted(ANSWERS.keys() - {"long"})), cuts=st.sets(st.integers(1, 80), max_size=6))
def test_it_is_of_no_account_in_which_pieces_an_answer_comes(kind, cuts):
    from nemeton.http.loop_connection import Connection, Exchange

    data, body = ANSWERS[kind]
    client, heard = LoopHttpClient(), []
    received = client.received
    connection = Connection(client, "http://x:1")
    connection._exchange = Exchange("GET", "http://x:1", "/", b"", 0.0, heard.append)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in itertools.pairwise(edges):
        received[: end - start] = data[start:end]
        connection.buffer_updated(end - start)
    assert [answer.body for answer in heard] == [body]
    assert not connection._buffer


def test_a_body_without_a_length_ends_with_the_connection(serve, ask):
    server = serve((b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", b""))
    assert ask(server).body == b"hello"
    assert ask(server).body == b"hi"
    assert server.connections == 2


def test_a_connection_that_is_to_be_closed_is_not_used_again(serve, ask):
    server = serve(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
    ask(server)
    ask(server)
    assert server.connections == 2


def test_a_kept_connection_that_the_server_has_closed_costs_nothing(serve, ask):
    server = serve(OK, None, OK)
    ask(server)
    assert ask(server).body == b"hi", "the second request was sent again"
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_new_connection_that_breaks_is_a_failure(serve, ask):
    with pytest.raises(HttpClientError) as failure:
        ask(serve(None))
    assert not failure.value.unsent


def test_an_answer_that_breaks_off_is_a_failure(serve, ask):
    with pytest.raises(HttpClientError):
        ask(serve((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", b"")))


def test_nobody_there_means_that_nothing_was_sent(loop, client):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(HttpClientError) as failure:
            loop.run(client.request("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/"), 20)
    assert failure.value.unsent


def test_a_server_that_says_nothing_is_given_up(serve, ask):
    with pytest.raises(HttpClientError) as failure:
        ask(serve((5.0, OK)), timeout_s=0.1)
    assert not failure.value.unsent


def test_each_exchange_has_its_own_time_on_a_kept_connection(serve, ask):
    server = serve(OK, (1.2, OK), (5.0, OK))
    ask(server, timeout_s=1.0)
    assert ask(server, timeout_s=20).body == b"hi"  # though it takes longer than the first might have taken
    began = time.monotonic()
    with pytest.raises(HttpClientError):
        ask(server, timeout_s=0.1)
    assert time.monotonic() - began < 4
    assert server.connections == 1


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"x" * 70_000])
def test_what_is_not_http_is_a_failure(serve, ask, nonsense):
    with pytest.raises(HttpClientError):
        ask(serve(nonsense))


def test_headers_cannot_be_smuggled_in(serve, ask):
    with pytest.raises(ValueError, match="line break"):
        ask(serve(), headers={"X-A": "b\r\nX-Who: other"})


def test_many_exchanges_go_on_at_once(loop, client, serve):
    import asyncio

    server = serve(*[(0.2, OK)] * 20)

    async def all_of_them():
        url = f"http://127.0.0.1:{server.port}/"
        return await asyncio.gather(*(client.request("GET", url, timeout_s=10) for _ in range(20)))

    assert {answer.body for answer in loop.run(all_of_them(), 20)} == {b"hi"}


def test_an_exchange_that_was_given_up_is_not_told_of_and_costs_its_connection(loop, client, serve):
    import asyncio

    server, heard = serve((0.2, OK), OK), []

    async def give_up():
        origin = f"http://127.0.0.1:{server.port}"
        client.ask("GET", origin, "/first", heard.append, timeout_s=10).cancel()
        exchange = client.ask("GET", origin, "/second", heard.append, timeout_s=10)
        while not server.requests:
            await asyncio.sleep(0.01)
        exchange.cancel()
        return await client.request("GET", f"{origin}/third", timeout_s=10)

    assert loop.run(give_up(), 20).body == b"hi"
    assert heard == []
    assert [head.split()[1] for head, _ in server.requests] == ["/second", "/third"]


def test_what_follows_from_an_answer_may_fail_without_harm(loop, client, serve):
    import asyncio

    server = serve()

    async def fail_and_go_on():
        url, called = f"http://127.0.0.1:{server.port}", asyncio.Event()

        def fail(answer):
            called.set()
            raise ValueError(answer)

        client.ask("GET", url, "/", fail, timeout_s=10)
        await called.wait()
        return await client.request("GET", url, timeout_s=10)

    assert loop.run(fail_and_go_on(), 20).body == b"hi"
    assert server.connections == 1
