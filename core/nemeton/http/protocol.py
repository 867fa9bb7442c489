"""HTTP/1.1 as llhttp parses it, with the bound on the size of a request's head that Jetty has too."""

from __future__ import annotations

import asyncio
from asyncio import Transport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BY_ITSELF_BYTES = 64 * 1024


class GatheringTransport:
    """Sends together what is written in one turn of the event loop.

    The head and the body of an answer come one after the other: sent so, they wake the client twice.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """See `Transport`; what is large is not copied."""
        if len(data) >= _BY_ITSELF_BYTES:
            self._flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """See `Transport`: what was written is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))


class HeadTooLargeError(Exception):
    """More than ``druid.server.http.maxRequestHeaderSize``; the parser passes it on as a malformed request."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol; a head of more bytes than the configuration allows is answered with 400, and the end."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # narrowed, as uvicorn does
        """No request has begun."""
        self._limit = self.config.h11_max_incomplete_event_size or 0
        self._head_bytes = 0
        """Of what the parser has given so far."""
        self._unread_bytes = 0
        """Of what came of a head that is not at its end: one that is all one header is not given before that."""
        self._in_head = False
        super().connection_made(cast(Transport, GatheringTransport(transport)))

    def data_received(self, data: bytes) -> None:
        """A head that is not complete may not grow for ever, in whatever pieces it comes."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._unread_bytes += len(data)
            if self._unread_bytes > self._limit:
                self.send_400_response("Request header is too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_bytes, self._unread_bytes, self._in_head = 0, 0, True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """The target counts too."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """So does each header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> Any:
        """The head is at its end."""
        self._in_head = False
        return super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limit:
            raise HeadTooLargeError(f"more than {self._limit} bytes")
