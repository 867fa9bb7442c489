"""The blocking client, before servers that say what they like."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import subprocess
import threading

import pytest

from nemeton.http.client import HttpClient, HttpClientError


class Scripted:
    """Answers each request with the next of its answers, byte by byte as they stand; None closes the connection."""

    def __init__(self, answers, tls=None):
        self._answers = list(answers)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/a"
        self.requests = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):  # a client may go whenever it likes
                connection.settimeout(10)
                self._answer(connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True))

    def _answer(self, connection):
        while self._answers:
            data = connection.recv(65536)
            if not data:
                return
            self.requests.append(data)
            answer = self._answers.pop(0)
            if answer is None:
                return
            pieces = answer if isinstance(answer, list) else [answer]
            for piece in pieces:
                connection.sendall(piece)
            if b"Connection: close" in b"".join(pieces):
                return

    def close(self):
        self._listener.close()


@pytest.fixture
def serve():
    servers = []

    def start(*answers, **options):
        servers.append(Scripted(answers, **options))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


def answer(body=b"", *headers, status="200 OK", length=True):
    lines = [f"HTTP/1.1 {status}".encode(), *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("said", "body"),
    [
        (answer(b"hello"), b"hello"),
        (answer(b"", status="204 No Content", length=False), b""),
        (answer(gzip.compress(b"hello"), b"Content-Encoding: gzip"), b"hello"),
        (answer(b"5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), b"hello you"),
        ([bytes([each]) for each in answer(b"piecemeal")], b"piecemeal"),
        (answer(b"until the end", b"Connection: close", length=False), b"until the end"),
        (answer(status="100 Continue", length=False) + answer(b"after all"), b"after all"),
        (answer(b"x" * 500_000), b"x" * 500_000),
    ],
)
def test_what_is_read(serve, client, said, body, stream):
    server = serve(said)
    response = client.request("GET", server.url, stream=stream)
    assert response.ok
    assert response.read() == body


def test_a_connection_serves_one_exchange_after_another(serve, client):
    server = serve(answer(b"1"), answer(b"2"), answer(b"3", b"Connection: close"), answer(b"4"))
    assert [client.request("GET", server.url).body for _ in range(4)] == [b"1", b"2", b"3", b"4"]
    assert server.connections == 2


def test_a_connection_that_the_server_closed_is_not_used_again(serve, client):
    server = serve(answer(b"1"), answer(b"2"))
    assert client.request("GET", server.url).body == b"1"
    for connection in client._connections._idle[f"http://127.0.0.1:{server.port}"]:
        connection._socket.shutdown(socket.SHUT_RDWR)
    assert client.request("GET", server.url).body == b"2"
    assert server.connections == 2


def test_a_streamed_answer_that_is_not_read_costs_its_connection(serve, client):
    server = serve(answer(b"1" * 5_000_000), answer(b"2"))
    with client.request("GET", server.url, stream=True) as response:
        assert response.status == 200
    assert client.request("GET", server.url).body == b"2"
    assert server.connections == 2


def test_headers_do_not_mind_their_case(serve, client):
    server = serve(answer(b"", b"X-One: 1", b"x-many: a", b"X-Many: b"))
    headers = client.request("GET", server.url).headers
    assert (headers["x-one"], headers.get("X-ONE"), headers.get("absent"), "X-One" in headers) == ("1", "1", None, True)
    assert headers["X-Many"] == "a, b"


def test_what_is_sent(serve, client):
    server = serve(answer(), answer(), answer())
    client.request("POST", server.url + " ä?q=1", json={"a": 1}, headers={"X-Who": "me"})
    client.request("GET", server.url)
    client.request("DELETE", server.url)
    post, get, delete = (each.decode() for each in server.requests)
    assert post.startswith(f"POST /a%20%C3%A4?q=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n")
    assert "X-Who: me\r\n" in post
    assert "Content-Type: application/json\r\n" in post
    assert "Accept-Encoding: gzip\r\n" in post
    assert post.endswith('Content-Length: 7\r\n\r\n{"a":1}')
    assert "Content-Length" not in get
    assert delete.startswith("DELETE /a HTTP/1.1\r\n")


def test_the_answer_to_head_has_no_body(serve, client):
    server = serve(answer(b"", b"Content-Length: 5", length=False), answer(b"next"))
    response = client.request("HEAD", server.url)
    assert (response.status, response.body, response.headers["content-length"]) == (200, b"", "5")
    assert client.request("GET", server.url).body == b"next"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        None,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        answer(b"short", b"Content-Length: 10", b"X: Connection: close", length=False),
        answer(b"5\r\nhel", b"Transfer-Encoding: chunked", b"X: Connection: close", length=False),
        answer(b"no gzip", b"Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_an_answer_that_breaks_off_is_none(serve, client, said, stream):
    server = serve(said)
    with pytest.raises(HttpClientError) as failed:
        client.request("GET", server.url, stream=stream).read()
    assert failed.value.unsent is False
    assert server.url in str(failed.value)


def test_no_answer_in_time(serve, client):
    with pytest.raises(HttpClientError, match="timed out"):
        client.request("GET", serve(b"", b"").url, timeout_s=0.05)


def test_nothing_was_sent_where_nobody_listens(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HttpClientError, match="refused") as failed:
        client.request("GET", f"http://127.0.0.1:{port}/")
    assert failed.value.unsent


@pytest.mark.parametrize(("url", "headers"), [("ftp://h/", {}), ("http://localhost:1/", {"X": "a\r\nY: b"})])
def test_what_cannot_be_sent_is_refused(client, url, headers):
    with pytest.raises(HttpClientError):
        client.request("GET", url, headers=headers)


def test_tls_is_spoken_and_strangers_are_refused(serve, client, tmp_path, monkeypatch):
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve(answer(b"secret"), answer(b"again"), tls=context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusting = HttpClient(timeout_s=10)
    url = f"https://localhost:{server.port}/"
    assert [trusting.request("GET", url).body for _ in range(2)] == [b"secret", b"again"]
    trusting.close()
    stranger = serve(answer(b"secret"), tls=context)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(HttpClientError, match="certificate verify failed"):
        client.request("GET", f"https://localhost:{stranger.port}/")
