"""Passing a request on and its answer back, piece by piece and at the pace of the slower side."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.common.errors import DruidException
from nemeton.http.body import ClientGoneError
from nemeton.http.loop import EventLoopThread
from nemeton.lifecycle import lifecycle_stop
from nemeton.server.router.config import RouterHttpConfig
from nemeton.spi.http import Request, Response, StreamingResponse

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

_PIECE_BYTES = 64 * 1024
_CONNECT_TIMEOUT_S = 5.0
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class _Body:
    """The caller's body on its way; knows whether any of it is gone."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream()
        self.started = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        self.started = True
        async for piece in self._stream:
            yield piece


class ReverseProxy:
    """Passes requests on. Its coroutines run on the shared event loop; headers and bodies go through unchanged.

    When the caller leaves, the connection to the other service is closed, so that it can stop working.
    """

    def __init__(self, config: RouterHttpConfig, loop: EventLoopThread) -> None:
        self._config = config
        self._loop = loop
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self, request: Request, targets: Sequence[str], path_and_query: str, *, with_body: bool = True
    ) -> StreamingResponse:
        """The answer of the first target that can be reached; another is tried while nothing of the body was sent.

        Raises a DruidException when none can, or when the one that was reached does not answer.
        """
        import aiohttp

        body = _Body(request) if with_body and _has_body(request) else None
        failure: Exception | None = None
        for target in targets:
            try:
                answer = await self._send(request, target + path_and_query, body)
            except TimeoutError as error:
                raise _bad_gateway("TIMEOUT", f"[{target}] did not answer in time") from error
            except ClientGoneError:
                raise
            except (aiohttp.ClientError, OSError) as error:
                failure = error
                log.warning("%s %s: [%s] cannot be reached: %r", request.method, request.path, target, error)
                if body is not None and body.started:
                    break
            else:
                return _passed_back(answer)
        raise _bad_gateway("RUNTIME_FAILURE", f"{list(targets)} cannot be reached: {failure!r}") from failure

    async def whole(self, answer: StreamingResponse) -> Response:
        """An answer of `forward` read to its end, within bounds."""
        pieces = [piece async for piece in answer.iterator]  # type: ignore[union-attr]
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        return Response(answer.status, body=b"".join(pieces), headers=headers)

    async def _send(self, request: Request, url: str, body: _Body | None) -> aiohttp.ClientResponse:
        from yarl import URL

        left_out = _HOP_BY_HOP if body is not None else _HOP_BY_HOP | {"content-length"}
        headers = {name: value for name, value in request.headers.items() if name not in left_out}
        return await self._open_session().request(
            request.method,
            URL(url, encoded=True),
            headers=headers,
            data=body.pieces() if body is not None else None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._config.num_connections),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=self._config.read_timeout.to_seconds()
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    @lifecycle_stop
    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            with contextlib.suppress(Exception):
                self._loop.run(session.close(), 5.0)


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length")
    return "transfer-encoding" in request.headers or (length is not None and length != "0")


def _passed_back(answer: aiohttp.ClientResponse) -> StreamingResponse:
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    headers.pop("Date", None)
    return StreamingResponse(_Pieces(answer), status=answer.status, headers=headers, media_type=None, compress=False)


class _Pieces:
    """The answer's body; closing it early closes the connection, which cancels the work behind it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        piece: Any = await self._answer.content.readany()
        if not piece:
            raise StopAsyncIteration
        return bytes(piece)

    async def aclose(self) -> None:
        self._answer.close() if not self._answer.content.at_eof() else self._answer.release()


def _bad_gateway(category: str, message: str) -> DruidException:
    return DruidException(message, error_code="serviceNotAvailable", category=category, persona="OPERATOR")
