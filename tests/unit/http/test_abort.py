"""Exchanges of the blocking client that another thread ends."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from nemeton.http.abort import Abort
from nemeton.http.client import HttpClientError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Script:
    """A server that does with its connections, one after the other, what it is told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.asked = threading.Semaphore(0)
        self.connections = []

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        self.connections.append(connection)
        return connection

    def serve(self, *answers):
        """Answer so, on one connection; in a thread."""

        def body():
            with contextlib.suppress(OSError):  # the client may cut it, and the test may end
                connection = self.accept()
                for answer in answers:
                    connection.recv(65536)
                    connection.sendall(answer)
                    self.asked.release()

        threading.Thread(target=body, daemon=True).start()

    def close(self):
        for each in [self.listener, *self.connections]:
            each.close()


@pytest.fixture
def script():
    made = Script()
    yield made
    made.close()


@pytest.fixture
def abort_when(script):
    """Abort as soon as the server has done what it does."""

    def start(abort):
        def body():
            assert script.asked.acquire(timeout=10)
            abort.abort()

        threading.Thread(target=body, daemon=True).start()

    return start


def test_waiting_for_an_answer_ends(script, client, abort_when):
    script.serve(b"")
    abort = Abort()
    abort_when(abort)
    with pytest.raises(HttpClientError):
        client.request("GET", script.url, abort=abort)


def test_waiting_for_the_rest_of_an_answer_ends(script, client, abort_when):
    script.serve(HEAD + b"12")
    abort = Abort()
    response = client.request("GET", script.url, stream=True, abort=abort)
    abort_when(abort)
    with pytest.raises(HttpClientError):
        response.read()


def test_what_is_sent_later_ends_at_once(script, client):
    script.serve(b"")
    abort = Abort()
    abort.abort()  # the connecting goes on: it is bounded by itself
    with pytest.raises(HttpClientError):
        client.request("GET", script.url, abort=abort)


@pytest.mark.parametrize("stream", [True, False])
def test_the_next_exchange_on_the_same_connection_is_left_alone(script, client, stream):
    script.serve(HEAD + b"first", HEAD + b"again")
    abort = Abort()
    response = client.request("GET", script.url, stream=stream, abort=abort)
    assert response.read() == b"first"
    abort.abort()
    assert client.request("GET", script.url).body == b"again"
    assert len(script.connections) == 1


def test_one_abort_ends_all_that_it_was_given_to(script, client):
    abort, failed = Abort(), []

    def ask():
        try:
            client.request("GET", script.url, abort=abort)
        except HttpClientError as failure:
            failed.append(failure)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for each in threads:
        each.start()
    for _ in threads:
        script.accept().recv(65536)
    abort.abort()
    for each in threads:
        each.join(10)
    assert len(failed) == 3
