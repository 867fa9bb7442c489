"""Kept connections of the blocking client; llhttp reads what comes over them."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httptools

from nemeton.http.abort import Abort
from nemeton.http.messages import Headers, HttpClientError, add_header, address_of

if TYPE_CHECKING:
    import ssl

_RECEIVED = 64 * 1024
_MAX_HEAD = 64 * 1024


class Connection:
    """One connection, one exchange at a time. Of one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._abort: Abort | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the server has neither closed it nor sent what nobody asked for."""
        if self._socket.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def send(self, data: bytes, timeout_s: float, abort: Abort | None) -> None:
        """Begin an exchange; raises OSError. From now on `abort` may cut it."""
        self._abort = abort
        if abort is not None:
            abort.hold(self._socket)
        self._socket.settimeout(timeout_s)
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """Some bytes; none at the end of the connection. Raises OSError, TimeoutError among them."""
        return self._socket.recv(_RECEIVED)

    def let_go(self) -> None:
        """The exchange is over."""
        if self._abort is not None:
            self._abort.let_go(self._socket)
            self._abort = None

    def close(self) -> None:
        """Give it up, whatever was under way."""
        self.let_go()
        with contextlib.suppress(OSError):
            self._socket.close()


class ConnectionPool:
    """Connections that wait for their next exchange, at most so many for each origin and so many origins. Thread-safe.

    The one that was used last is used next: the others can go when there is less to do.
    """

    def __init__(self, max_per_origin: int, max_origins: int) -> None:
        self._max_per_origin = max_per_origin
        self._max_origins = max_origins
        self._idle: OrderedDict[str, list[Connection]] = OrderedDict()
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def take(self, origin: str) -> Connection | None:
        """A kept connection, None without one."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                if not idle:
                    return None
                connection = idle.pop()
            if connection.is_usable:
                return connection
            connection.close()

    def connect(self, origin: str, timeout_s: float) -> Connection:
        """A new one. Raises OSError."""
        host, port = address_of(origin)
        made = socket.create_connection((host, port), timeout_s)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if origin.startswith("https:"):
                made = self._tls_context().wrap_socket(made, server_hostname=host)
        except BaseException:
            made.close()
            raise
        return Connection(made)

    def give_back(self, origin: str, connection: Connection) -> None:
        """Keep it for the next exchange."""
        dropped = [connection]
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            self._idle.move_to_end(origin)
            if len(idle) < self._max_per_origin:
                idle.append(dropped.pop())
            if len(self._idle) > self._max_origins:
                dropped += self._idle.popitem(last=False)[1]
        for each in dropped:
            each.close()

    def clear(self) -> None:
        """Close those that wait."""
        with self._lock:
            idle, self._idle = self._idle, OrderedDict()
        for each in [connection for some in idle.values() for connection in some]:
            each.close()

    def _tls_context(self) -> ssl.SSLContext:
        import ssl

        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls


class Answer:
    """What comes over a connection in answer to one request; the connection is given back when all of it is here."""

    def __init__(self, pool: ConnectionPool, origin: str, connection: Connection, *, has_body: bool) -> None:
        """``has_body``: False for what HEAD is answered, which has the head of a body only."""
        self.status = 0
        self._values: dict[str, str] = {}
        self._pool = pool
        self._origin = origin
        self._connection: Connection | None = connection
        self._has_body = has_body
        self._parser = httptools.HttpResponseParser(self)
        self._inflater: Any = None
        self._pieces: list[bytes] = []
        self._head_is_complete = False
        self._is_complete = False
        self._head_size = 0
        self._is_kept = False

    @property
    def headers(self) -> Headers:
        """Those of the answer, when its head is here."""
        return Headers(self._values)

    def read_head(self) -> None:
        """Wait for status and headers. Raises OSError or `HttpClientError`."""
        while not self._head_is_complete:
            self._receive()

    def stream(self) -> Iterator[bytes]:
        """The body as it comes, inflated. Raises OSError or `HttpClientError` when it breaks off."""
        while True:
            pieces, self._pieces = self._pieces, []
            if pieces:
                body = self._inflated(pieces[0] if len(pieces) == 1 else b"".join(pieces))
                if body:
                    yield body
            if self._is_complete:
                return
            self._receive()

    def close(self) -> None:
        """Read no more: what is unread costs the connection, as it may be endless."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _receive(self) -> None:
        if self._connection is None:
            raise HttpClientError("the answer is closed")
        try:
            data = self._connection.receive()
            if data:
                self._feed(data)
            else:
                self._end_of_connection()
        except BaseException:
            self.close()
            raise
        if self._is_complete:
            self._release()

    def _feed(self, data: bytes) -> None:
        if not self._head_is_complete:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as failure:
            if not self._is_complete:
                raise HttpClientError(f"not an answer of HTTP: {failure}") from failure
        if not self._head_is_complete and self._head_size > _MAX_HEAD:
            raise HttpClientError("the head of the answer is too large")

    def _end_of_connection(self) -> None:
        until_the_end = not {"content-length", "transfer-encoding"} & self._values.keys()
        if not (self._head_is_complete and until_the_end):
            raise HttpClientError("the connection broke")
        self._is_complete = True
        self.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.let_go()
        if self._is_kept:
            self._pool.give_back(self._origin, connection)
        else:
            connection.close()

    def _inflated(self, body: bytes) -> bytes:
        if self._inflater is None:
            return body
        try:
            inflated: bytes = self._inflater.decompress(body)
        except zlib.error as failure:
            raise HttpClientError(f"broken gzip data: {failure}") from failure
        return inflated

    # ---- what llhttp calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        add_header(self._values, name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """The head is here; one that only says that another follows does not count."""
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200:
            self._values = {}
            return
        self._head_is_complete = True
        if "gzip" in self._values.get("content-encoding", "").lower():
            self._inflater = zlib.decompressobj(wbits=31)
        if not self._has_body:
            self._is_complete = True

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """All is here."""
        if self._head_is_complete:
            self._is_complete = True
            self._is_kept = self._has_body and self._parser.should_keep_alive()
