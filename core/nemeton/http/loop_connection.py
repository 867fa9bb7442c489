"""One connection of the loop's client, and the exchanges on it."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from attrs import define, field, frozen

from nemeton.http.client import HttpResponse
from nemeton.http.messages import Headers, HttpClientError, headers_of, status_of

if TYPE_CHECKING:
    from nemeton.http.loop_client import LoopHttpClient

log = logging.getLogger(__name__)

_MAX_HEAD = 64 * 1024
_MAX_BODY = 512 * 1024 * 1024
_WITHOUT_BODY = frozenset({204, 304})

#: Called once, on the loop, with the answer (of any status) or with `HttpClientError`.
OnAnswer = Callable[["HttpResponse | HttpClientError"], None]


@define(eq=False)
class Exchange:
    """One request, from its beginning until ``done`` was called. ``deadline`` is on the clock of the loop."""

    method: str
    origin: str
    target: str
    data: bytes
    deadline: float
    done: OnAnswer
    connection: Connection | None = None
    connecting: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """What was asked for."""
        return self.origin + self.target

    def cancel(self) -> None:
        """Give it up: ``done`` is not called any more. On the loop."""
        self.done = _ignored
        if self.connecting is not None:
            self.connecting.cancel()
        if self.connection is not None:
            self.connection.close()

    def fail(self, failure: Exception, *, unsent: bool = False) -> None:
        """It came to nothing."""
        error = HttpClientError.of(self.method, self.url, failure, unsent=unsent)
        error.__cause__ = failure
        self.end(error)

    def end(self, answer: HttpResponse | HttpClientError) -> None:
        """This came of it."""
        self.connecting = self.connection = None
        done, self.done = self.done, _ignored
        try:
            done(answer)
        except Exception:
            log.exception("What was to follow from %s %s has failed", self.method, self.url)


def _ignored(answer: object) -> None:
    """Of those who have given up."""


@frozen
class _Head:
    """The head of an answer, and what it says of the body. ``length``: None where only the end of the body shows it."""

    status: int
    headers: Headers
    length: int | None
    is_chunked: bool
    is_zipped: bool
    is_last: bool


@lru_cache(maxsize=1024)
def _head_of(head: bytes) -> _Head:
    """Take a head apart; those of a fleet's answers are the same for a second at a time. Raises ValueError."""
    first, _, lines = head.partition(b"\r\n")
    status, headers = status_of(first), headers_of(lines)
    length = headers.tokens("content-length")
    return _Head(
        status,
        headers,
        length=0 if status in _WITHOUT_BODY else int(length) if length else None,
        is_chunked="chunked" in headers.tokens("transfer-encoding"),
        is_zipped="gzip" in headers.tokens("content-encoding"),
        is_last="close" in headers.tokens("connection"),
    )


@define(eq=False, slots=False)
class Connection(asyncio.BufferedProtocol):
    """One connection, one exchange at a time.

    What comes is read into a buffer that all connections of the loop share: a plain `asyncio.Protocol` is given new
    bytes, for which a quarter of a megabyte is taken and given back each time, a third of what an exchange costs.
    """

    _client: LoopHttpClient
    origin: str
    _transport: asyncio.Transport | None = None
    _exchange: Exchange | None = None
    _buffer: bytearray = field(factory=bytearray)
    _head: _Head | None = None
    _parts: list[bytes] = field(factory=list)
    _parts_size: int = 0
    _exchanges: int = 0
    _alarm: asyncio.TimerHandle | None = None
    """Rings at the deadline of this exchange, or of one before: then it is set anew. One for each would cost more."""

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """Send the request; the answer, or what goes wrong, is the exchange's."""
        if self._transport is None:  # the server has closed it as soon as it was there
            exchange.fail(HttpClientError("The connection broke"))
            return
        self._exchange, exchange.connection = exchange, self
        self._exchanges += 1
        if self._alarm is None or self._alarm.when() > exchange.deadline:
            self._set_alarm(exchange, loop)
        self._transport.write(exchange.data)

    def _set_alarm(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(exchange.deadline, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        exchange = self._exchange
        if exchange is None:
            return
        if loop.time() < exchange.deadline:
            self._set_alarm(exchange, loop)
        else:
            self._fail(TimeoutError("no answer in time"))

    def _fail(self, failure: Exception) -> None:
        """The exchange has failed, and with it the connection."""
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None:
            exchange.fail(failure)

    def close(self) -> None:
        """End it; an exchange that is under way fails."""
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._transport = cast(asyncio.Transport, transport)  # loops of other makes have transports of their own
        self._client.connections.add(self)

    def connection_lost(self, failure: Exception | None) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._client.connections.discard(self)
        self._transport = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        exchange, head = self._exchange, self._head
        if exchange is None:
            return
        if head is not None and head.length is None and not head.is_chunked and failure is None:
            self._done(head, bytes(self._buffer))
        elif self._exchanges > 1 and head is None and not self._buffer and exchange.done is not _ignored:
            self._exchange = exchange.connection = None  # a kept connection was closed before anything came
            self._client.begin(exchange, asyncio.get_running_loop())
        else:
            self._fail(HttpClientError("The connection broke"))

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`."""
        return self._client.received

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        try:
            if self._head is not None or self._buffer or not self._take_whole(bytes(self._client.received[:nbytes])):
                self._buffer += self._client.received[:nbytes]
                self._parse()
        except ValueError as failure:
            self._fail(failure)

    # ---- answers

    def _take_whole(self, data: bytes) -> bool:
        """Take an answer that has come at once, as nearly all do; False when it is none of those."""
        end = data.find(b"\r\n\r\n")
        if end < 0 or self._exchange is None:
            return False
        head = _head_of(data[:end])
        if head.is_chunked or head.status < 200 or head.length != len(data) - end - 4:
            return False
        self._done(head, data[end + 4 :])
        return True

    def _parse(self) -> None:
        head = self._head or self._parse_head()
        if head is None:
            return
        if head.is_chunked:
            self._parse_chunks(head)
        elif head.length is not None and len(self._buffer) >= head.length:
            body = bytes(self._buffer[: head.length])
            del self._buffer[: head.length]
            self._done(head, body)
        elif len(self._buffer) > _MAX_BODY:
            raise ValueError("the body of the answer is too large")

    def _parse_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise ValueError("the head of the answer is too large")
            return None
        head = _head_of(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if self._exchange is None:
            raise ValueError("an answer that nobody asked for")
        if 100 <= head.status < 200:
            return self._parse_head()
        self._head = head
        return head

    def _parse_chunks(self, head: _Head) -> None:
        at = 0
        while (end := self._buffer.find(b"\r\n", at)) >= 0:
            size = int(bytes(self._buffer[at:end]).partition(b";")[0], 16)
            after = end + 2 + size
            if size > _MAX_BODY or self._parts_size > _MAX_BODY:
                raise ValueError("the body of the answer is too large")
            if len(self._buffer) < after + 2:
                break
            self._parts.append(bytes(self._buffer[end + 2 : after]))
            self._parts_size += size
            at = after + 2
            if size == 0:
                body, self._parts, self._parts_size = b"".join(self._parts), [], 0
                del self._buffer[:at]
                self._done(head, body)
                return
        del self._buffer[:at]

    def _done(self, head: _Head, body: bytes) -> None:
        exchange, self._exchange, self._head = self._exchange, None, None
        if head.is_zipped:
            try:
                body = zlib.decompress(body, wbits=31)
            except zlib.error as failure:
                self._exchange = exchange
                raise ValueError(f"broken gzip data: {failure}") from failure
        if head.is_last:
            self.close()
        else:
            self._client.keep(self)
        if exchange is not None:
            exchange.end(HttpResponse(head.status, head.headers, exchange.url, body, None, self._client.json))
