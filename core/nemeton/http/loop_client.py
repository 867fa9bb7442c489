"""A client for very many small exchanges with very many servers: long polls of a fleet, tasks for its workers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

from nemeton.http.client import HttpResponse
from nemeton.http.loop_connection import Connection, Exchange, OnAnswer
from nemeton.http.messages import HttpClientError, address_of, request_bytes, split_url
from nemeton.json import Json
from nemeton.spi.http import SMILE

_IDLE_PER_HOST = 4
_RECEIVED = 64 * 1024


class LoopHttpClient:
    """HTTP/1.1 with kept connections on one event loop; it is used there and nowhere else.

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
        self.json = json
        self._credentials = credentials
        self._connect_timeout_s = connect_timeout_s
        self._idle: dict[str, list[Connection]] = {}
        self.connections: set[Connection] = set()
        self.received = memoryview(bytearray(_RECEIVED))
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
        sent = dict(headers) if headers else {}
        if smile:
            sent.setdefault("Accept", SMILE)
            sent.setdefault("Content-Type", SMILE)
        waiter: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()

        def done(answer: HttpResponse | HttpClientError) -> None:
            if waiter.done():
                return
            if isinstance(answer, HttpClientError):
                waiter.set_exception(answer)
            else:
                waiter.set_result(answer)

        exchange = self.ask(method, *split_url(url), done, body=body, headers=sent, timeout_s=timeout_s)
        try:
            return await waiter
        finally:
            if not waiter.done() or waiter.cancelled():
                exchange.cancel()

    def ask(
        self,
        method: str,
        origin: str,
        target: str,
        done: OnAnswer,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> Exchange:
        """Begin an exchange and return; ``done``, which must not wait, hears what came of it.

        ``origin`` and ``target`` are as `split_url` gives them. A coroutine for each exchange would cost more than all
        that is done here.
        """
        credentials = self._credentials()
        sent = {**headers, **credentials} if headers else credentials
        loop = asyncio.get_running_loop()
        data = request_bytes(method, target, origin, sent, body)
        exchange = Exchange(method, origin, target, data, loop.time() + timeout_s, done)
        self.begin(exchange, loop)
        return exchange

    def begin(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """Send it on a kept connection, or on a new one. For connections."""
        idle = self._idle.get(exchange.origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                connection.begin(exchange, loop)
                return
        exchange.connecting = loop.create_task(self._begin_anew(exchange, loop))

    async def _begin_anew(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        try:
            connection = await self._connect(exchange.origin, exchange.deadline - loop.time(), loop)
        except Exception as failure:  # noqa: BLE001 - it belongs to who has asked
            exchange.fail(failure, unsent=True)
        else:
            exchange.connecting = None
            connection.begin(exchange, loop)

    async def _connect(self, origin: str, timeout_s: float, loop: asyncio.AbstractEventLoop) -> Connection:
        host, port = address_of(origin)
        tls = self._tls_context() if origin.startswith("https:") else None
        try:
            async with asyncio.timeout(min(timeout_s, self._connect_timeout_s)):
                _, connection = await loop.create_connection(lambda: Connection(self, origin), host, port, ssl=tls)
        except (OSError, TimeoutError) as failure:
            raise HttpClientError(f"No connection: {failure!r}") from failure
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def keep(self, connection: Connection) -> None:
        """Take back a connection that is free again. For connections."""
        if connection.is_open:
            idle = self._idle.get(connection.origin)
            if idle is None:
                idle = self._idle[connection.origin] = []
            if len(idle) < _IDLE_PER_HOST:
                idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close all connections; exchanges that are under way fail. On the loop's thread."""
        self._idle.clear()
        for connection in list(self.connections):
            connection.close()
