"""Sending answers: headers as Druid's, gzip when asked, streams with backpressure and a bound on idling."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any

from attrs import evolve

from nemeton.common.closing import close_if_possible
from nemeton.http.config import ServerConfig
from nemeton.http.errors import error_response
from nemeton.http.pool import HandlerPool
from nemeton.spi.http import JSON, Request, Response, StreamingResponse

log = logging.getLogger(__name__)

_COMPRESS_FROM_BYTES = 256
_ON_LOOP_BYTES = 64 * 1024
_ON_LOOP_ITEMS = 50
_PLAIN = (str, int, float, type(None))
_BATCH_BYTES = 256 * 1024
_BATCH_SECONDS = 0.05


class Sender:
    """Sends one answer. Of the event loop's thread; iterators and big compressions run in the pool."""

    def __init__(
        self,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        request: Request,
        pool: HandlerPool,
        config: ServerConfig,
        dump: Callable[[Response], bytes],
    ) -> None:
        self._send = send
        self._request = request
        self._pool = pool
        self._config = config
        self._dump = dump
        self._idle_s = config.max_idle_time.to_seconds()

    async def send(self, response: Response | StreamingResponse) -> None:
        """Send it. An answer that cannot be made is replaced by an error as long as nothing was sent."""
        if isinstance(response, StreamingResponse):
            await self._send_stream(response)
            return
        try:
            body = await self._encode(response)
        except Exception as failure:  # noqa: BLE001 - e.g. a result that JSON cannot hold
            response = error_response(failure, what=f"{self._request.method} {self._request.path}")
            body = self._dump(response)
        await self._send_whole(response.status, response.headers, response.media_type or (JSON if body else None), body)

    async def _encode(self, response: Response) -> bytes:
        if response.json is not None:
            return await self._encode_json(response)
        if isinstance(response.body, str):
            return response.body.encode()
        return response.body or b""

    async def _encode_json(self, response: Response) -> bytes:
        if _is_small(response.json):
            return self._dump(response)
        return await self._pool.run(lambda: self._dump(response), always=True)

    async def _send_whole(self, status: int, headers: Mapping[str, str], media_type: str | None, body: bytes) -> None:
        extra = dict(headers)
        if len(body) >= _COMPRESS_FROM_BYTES and self._may_compress(extra):
            level = self._config.compression_level
            if len(body) <= _ON_LOOP_BYTES:
                body = _gzip(body, level)
            else:
                whole = body
                body = await self._pool.run(lambda: _gzip(whole, level), always=True)
            extra |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding, User-Agent"}
        if status not in (204, 304):
            extra["Content-Length"] = str(len(body))
        start = self._start(status, extra, media_type)
        await self._timed(start, {"type": "http.response.body", "body": body, "more_body": False})

    async def _send_stream(self, response: StreamingResponse) -> None:
        gzip = response.compress and self._may_compress(response.headers)
        compressor = zlib.compressobj(self._config.compression_level, zlib.DEFLATED, 31) if gzip else None
        pieces = self._pieces(response.iterator, compressor)
        async with contextlib.aclosing(pieces):
            try:
                first = await anext(pieces, b"")
            except Exception as failure:  # noqa: BLE001 - nothing was sent yet, so it can still be told
                await self.send(error_response(failure, what=f"{self._request.method} {self._request.path}"))
                return
            extra = dict(response.headers)
            if gzip:
                extra |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding, User-Agent"}
            await self._timed(self._start(response.status, extra, response.media_type))
            await self._piece(first, more=True)
            try:
                async for piece in pieces:
                    await self._piece(piece, more=True)
            except Exception:
                # returning without the last piece makes the server cut the connection
                log.exception("%s %s failed while its answer was sent", self._request.method, self._request.path)
                return
            await self._piece(b"", more=False)

    def _may_compress(self, headers: Mapping[str, str]) -> bool:
        if any(name.lower() == "content-encoding" for name in headers):
            return False
        accepted = self._request.headers.get("accept-encoding", "").lower()
        return any(_is_gzip(part) for part in accepted.split(","))

    def _start(self, status: int, headers: Mapping[str, str], media_type: str | None) -> MutableMapping[str, Any]:
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        names = {name.lower() for name in headers}
        if media_type is not None and "content-type" not in names:
            raw.append((b"content-type", media_type.encode("latin-1")))
        if self._request.method == "GET" and "cache-control" not in names:
            raw.append((b"cache-control", b"no-cache, no-store, max-age=0"))
        return {"type": "http.response.start", "status": status, "headers": raw}

    async def _piece(self, body: bytes, *, more: bool) -> None:
        if body or not more:
            await self._timed({"type": "http.response.body", "body": body, "more_body": more})

    async def _timed(self, *messages: MutableMapping[str, Any]) -> None:
        """Send; a client that takes nothing for ``maxIdleTime`` is given up."""
        async with asyncio.timeout(self._idle_s):
            for message in messages:
                await self._send(message)

    async def _pieces(
        self, iterator: Iterable[bytes] | AsyncIterator[bytes], compressor: zlib._Compress | None
    ) -> AsyncGenerator[bytes, None]:
        if isinstance(iterator, AsyncIterator):
            async with contextlib.aclosing(_compressed(iterator, compressor)) as compressed:
                async for piece in compressed:
                    yield piece
            return
        puller = _Puller(iterator, compressor)
        try:
            while not puller.done:
                yield await self._pool.run(puller.pull, always=True)
        finally:
            if not puller.done:
                self._request.cancelled.set()
            with contextlib.suppress(Exception):
                self._pool.submit(puller.close, always=True)


def begun(response: StreamingResponse) -> Response | StreamingResponse:
    """The answer with its first pieces taken, in this thread; a whole one if those were all.

    Small answers then cost no second thread, and are not sent piece by piece.
    """
    if isinstance(response.iterator, AsyncIterator) or not response.compress:
        return response
    puller = _Puller(response.iterator, None)
    try:
        first = puller.pull()
    except BaseException:
        puller.close()
        raise
    if puller.done:
        puller.close()
        return Response(response.status, first, headers=response.headers, media_type=response.media_type)
    return evolve(response, iterator=_Resumed(first, puller))


class _Resumed:
    """What is left of an answer that has begun; no generator, whose ``close`` does nothing before it is first asked."""

    def __init__(self, first: bytes, puller: _Puller) -> None:
        self._first = first
        self._puller = puller

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield self._first
            while not self._puller.done:
                yield self._puller.pull()
        finally:
            self.close()

    def close(self) -> None:
        self._puller.close()


class _Puller:
    """Takes batches from an iterator in pool threads, one at a time, and closes it after the last one."""

    def __init__(self, iterator: Iterable[bytes], compressor: zlib._Compress | None) -> None:
        self._source = iterator
        self._iterator: Iterator[bytes] | None = None
        self._compressor = compressor
        self._lock = threading.Lock()
        self.done = False

    def pull(self) -> bytes:
        """The next pieces, joined: as much as comes quickly, up to a size that is worth a thread's while."""
        pieces: list[bytes] = []
        with self._lock:
            if self._iterator is None:
                self._iterator = iter(self._source)
            size, until = 0, time.monotonic() + _BATCH_SECONDS
            while size < _BATCH_BYTES and time.monotonic() < until:
                piece = next(self._iterator, None)
                if piece is None:
                    self.done = True
                    break
                size += len(piece)
                pieces.append(piece)
            return self._compress(b"".join(pieces))

    def _compress(self, body: bytes) -> bytes:
        if self._compressor is None:
            return body
        out = self._compressor.compress(body)
        return out + self._compressor.flush(zlib.Z_FINISH if self.done else zlib.Z_SYNC_FLUSH)

    def close(self) -> None:
        """Close the iterator, after a pull that is still under way."""
        with self._lock:
            self.done = True
            for closable in (self._iterator, self._source):
                close_if_possible(closable)


async def _compressed(pieces: AsyncIterator[bytes], compressor: zlib._Compress | None) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            if compressor is None:
                yield piece
            else:
                yield compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if compressor is not None:
            yield compressor.flush(zlib.Z_FINISH)
    finally:
        aclose = getattr(pieces, "aclose", None)
        if aclose is not None:
            await aclose()


def _is_small(value: Any) -> bool:
    """Whether it takes no time to write; objects that are not plain data may be of any size."""
    left, seen = [value], 0
    while left:
        each = left.pop()
        seen += 1
        if isinstance(each, dict | list | tuple):
            if seen + len(left) + len(each) > _ON_LOOP_ITEMS:
                return False
            left += each.values() if isinstance(each, dict) else each
        elif not isinstance(each, _PLAIN):
            return False
    return True


def _gzip(body: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


def _is_gzip(coding: str) -> bool:
    name, _, parameters = coding.strip().partition(";")
    return name.strip() in ("gzip", "*") and parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
