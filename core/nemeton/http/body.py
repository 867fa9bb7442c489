"""Reading request bodies: bounded, inflated, and aware of clients that leave."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


class BodyTooLargeError(Exception):
    """The body, or what it inflates to, is beyond the limit."""


class BodyReader:
    """The body of one request. Of the event loop's thread."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        self._headers = headers
        self._done = False
        self._begun = False
        self._consumed = asyncio.Event()
        if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            self._consumed.set()

    async def read(self, limit: int) -> bytes:
        """The whole body, inflated when it is sent as gzip. Raises `BodyTooLargeError` beyond `limit` bytes."""
        declared = self._headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise BodyTooLargeError(f"The request body has {declared} bytes, more than {limit}")
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise BodyTooLargeError(f"The request body has more than {limit} bytes")
            pieces.append(piece)
        body = b"".join(pieces)
        if body and "gzip" in self._headers.get("content-encoding", "").lower():
            return _inflate(body, limit)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes in; asking for the next piece is what lets the client send more."""
        self._begun = True
        while not self._done:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self._done = not message.get("more_body", False)
            if self._done:
                self._consumed.set()
            if message.get("body"):
                yield message["body"]

    def abandon(self) -> None:
        """Nobody will read the body, if nobody has begun to."""
        if not self._begun:
            self._consumed.set()

    async def gone(self) -> None:
        """Return when the client has left; it is watched for as soon as the body is read or abandoned."""
        await self._consumed.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as failure:
        from nemeton.spi.http import MalformedBodyError

        raise MalformedBodyError(
            f"The request body is not gzip as its Content-Encoding says: {failure}", syntax=False
        ) from None
    if len(inflated) > limit:
        raise BodyTooLargeError(f"The request body inflates to more than {limit} bytes")
    return inflated
