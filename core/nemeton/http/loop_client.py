"""A client for very many small exchanges with very many servers: long polls of a fleet, tasks for its workers."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Mapping

from attrs import define, field

from nemeton.http.client import HttpResponse
from nemeton.http.messages import Headers, HttpClientError, address_of, headers_of, request_bytes, split_url, status_of
from nemeton.json import Json
from nemeton.spi.http import SMILE

_MAX_HEAD = 64 * 1024
_MAX_BODY = 512 * 1024 * 1024
_IDLE_PER_HOST = 4
_RECEIVED = 64 * 1024
_WITHOUT_BODY = frozenset({204, 304})


class LoopHttpClient:
    """HTTP/1.1 with kept connections on one event loop; its coroutines run there and nowhere else.

    An exchange costs a fraction of what it costs with `HttpClient`, and waiting for an answer costs no thread. It
    neither follows redirects nor streams. A request for which a kept connection turns out to have been closed by the
    server is sent once more on a new one: send only what may arrive twice.
    """

    def __init__(
        self,
        *,
        json: Json | None = None,
        credentials: Callable[[], Mapping[str, str]] = dict,
        connect_timeout_s: float = 5.0,
    ) -> None:
        """``credentials`` gives headers for every request: those of the role's `Escalator`."""
        self._json = json
        self._credentials = credentials
        self._connect_timeout_s = connect_timeout_s
        self._idle: dict[str, list[_Connection]] = {}
        self._all: set[_Connection] = set()
        self._received = memoryview(bytearray(_RECEIVED))
        self._tls: ssl.SSLContext | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        smile: bool = False,
    ) -> HttpResponse:
        """One exchange, all of it within ``timeout_s``. Any status is an answer; `HttpClientError` if there is none."""
        origin, target = split_url(url)
        sent = dict(headers) if headers else {}
        if smile:
            sent.setdefault("Accept", SMILE)
            sent.setdefault("Content-Type", SMILE)
        sent.update(self._credentials())
        data = request_bytes(method, target, origin, sent, body)
        try:
            answer = await self._exchange(origin, data, timeout_s)
        except HttpClientError as failure:
            raise HttpClientError.of(method, url, failure, unsent=failure.unsent) from failure
        except (OSError, TimeoutError, ValueError) as failure:
            raise HttpClientError.of(method, url, failure, unsent=False) from failure
        return HttpResponse(answer.status, answer.headers, url, answer.body, None, self._json)

    async def _exchange(self, origin: str, data: bytes, timeout_s: float) -> _Answer:
        deadline = asyncio.get_running_loop().time() + timeout_s
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                try:
                    return await self._send(connection, origin, data, deadline)
                except _StaleConnectionError:
                    continue
        return await self._send(await self._connect(origin, timeout_s), origin, data, deadline)

    async def _send(self, connection: _Connection, origin: str, data: bytes, deadline: float) -> _Answer:
        try:
            answer = await connection.exchange(data, deadline)
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            idle = self._idle.get(origin)
            if idle is None:
                idle = self._idle[origin] = []
            if len(idle) < _IDLE_PER_HOST:
                idle.append(connection)
                return answer
        connection.close()
        return answer

    async def _connect(self, origin: str, timeout_s: float) -> _Connection:
        host, port = address_of(origin)
        tls = self._tls_context() if origin.startswith("https:") else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(timeout_s, self._connect_timeout_s)):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._all, self._received), host, port, ssl=tls
                )
        except (OSError, TimeoutError) as failure:
            error = HttpClientError(f"No connection: {failure!r}")
            error.unsent = True
            raise error from failure
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def close(self) -> None:
        """Close all connections; exchanges that are under way fail. On the loop's thread."""
        self._idle.clear()
        for connection in list(self._all):
            connection.close()


class _StaleConnectionError(Exception):
    """A kept connection was closed before anything of an answer came."""


@define(eq=False)
class _Answer:
    status: int
    headers: Headers
    body: bytes = b""


@define(eq=False, slots=False)
class _Connection(asyncio.BufferedProtocol):
    """One connection, one exchange at a time.

    What comes is read into ``_received``, which all connections of the loop share: a plain `asyncio.Protocol` is given
    new bytes, for which a quarter of a megabyte is taken and given back each time, a third of what an exchange costs.
    """

    all: set[_Connection]
    _received: memoryview
    _transport: asyncio.Transport | None = None
    _waiter: asyncio.Future[_Answer] | None = None
    _buffer: bytearray = field(factory=bytearray)
    _answer: _Answer | None = None
    _length: int | None = None
    """Bytes of the body; None: as many as come before the connection ends."""
    _chunked: bool = False
    _parts: list[bytes] = field(factory=list)
    _parts_size: int = 0
    _exchanges: int = 0
    _deadline: float = 0.0
    _alarm: asyncio.TimerHandle | None = None
    """Rings at the deadline of this exchange, or of one before: then it is set anew. One for each would cost more."""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, data: bytes, deadline: float) -> _Answer:
        """``deadline`` on the clock of the loop; raises TimeoutError."""
        assert self._transport is not None
        self._exchanges += 1
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._deadline = deadline
        if self._alarm is None or self._alarm.when() > deadline:
            self._set_alarm(loop)
        self._transport.write(data)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(self._deadline, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done():
            return
        if loop.time() < self._deadline:
            self._set_alarm(loop)
        else:
            self._waiter.set_exception(TimeoutError("no answer in time"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.all.add(self)

    def connection_lost(self, failure: Exception | None) -> None:
        self.all.discard(self)
        self._transport = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._answer is not None and self._length is None and not self._chunked and failure is None:
            self._done(bytes(self._buffer))
        elif self._waiter is not None and not self._waiter.done():
            is_stale = self._exchanges > 1 and self._answer is None and not self._buffer
            error: Exception = _StaleConnectionError() if is_stale else HttpClientError("The connection broke")
            self._waiter.set_exception(error)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer += self._received[:nbytes]
        try:
            self._parse()
        except ValueError as failure:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(failure)
            self.close()

    # ---- answers

    def _parse(self) -> None:
        if self._answer is None and not self._parse_head():
            return
        if self._chunked:
            self._parse_chunks()
        elif self._length is not None and len(self._buffer) >= self._length:
            body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._done(body)
        elif len(self._buffer) > _MAX_BODY:
            raise ValueError("the body of the answer is too large")

    def _parse_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise ValueError("the head of the answer is too large")
            return False
        first, _, lines = bytes(self._buffer[:end]).partition(b"\r\n")
        del self._buffer[: end + 4]
        status = status_of(first)
        if self._waiter is None:
            raise ValueError("an answer that nobody asked for")
        if 100 <= status < 200:
            return self._parse_head()
        self._answer = _Answer(status, headers_of(lines))
        headers = self._answer.headers
        self._chunked = "chunked" in headers.tokens("transfer-encoding")
        length = headers.tokens("content-length")
        self._length = 0 if status in _WITHOUT_BODY else int(length) if length else None
        return True

    def _parse_chunks(self) -> None:
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
                self._done(body)
                return
        del self._buffer[:at]

    def _done(self, body: bytes) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        is_last = "close" in answer.headers.tokens("connection")
        if "gzip" in answer.headers.tokens("content-encoding"):
            try:
                body = zlib.decompress(body, wbits=31)
            except zlib.error as failure:
                raise ValueError(f"broken gzip data: {failure}") from failure
        answer.body = body
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)
        if is_last:
            self.close()
