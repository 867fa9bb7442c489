"""Following very many servers: each long poll is a coroutine on an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from nemeton.common.clock import Clock
from nemeton.http.change_sync import ChangeSync
from nemeton.http.client import HttpResponse
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_client import LoopHttpClient
from nemeton.http.pool import HandlerPool
from nemeton.json import Json

T = TypeVar("T")

#: A larger answer is read on a thread of the pool, so that others are not kept waiting.
_SMALL = 32 * 1024
#: Workers speak both, and JSON is read in a tenth of the time that Smile takes here.
_AS_JSON = {"Accept": "application/json"}


class MustWaitError(Exception):
    """A listener cannot take the changes without waiting. It has changed nothing, and is called again on a thread."""


class LoopChangeSyncer(ChangeSync[T]):
    """As `ChangeRequestHttpSyncer`, without a thread of its own.

    The listener hears of full lists on a thread of the pool, and of small changes on the loop: there `delta_sync` must
    not wait for anything, but raises `MustWaitError` when it would have to. Pauses after failures are in real time,
    whatever the clock says.
    """

    def __init__(
        self,
        loop: EventLoopThread,
        client: LoopHttpClient,
        pool: HandlerPool,
        json: Json,
        clock: Clock,
        pause: Callable[[], float] = lambda: 0.0,
        **options: Any,
    ) -> None:
        """``options`` are those of `ChangeSync`. ``pause``: after each news, how many seconds until the next poll."""
        super().__init__(json, clock, **options)
        self._pause = pause
        self._loop = loop
        self._client = client
        self._pool = pool
        self._running: concurrent.futures.Future[None] | None = None
        self._resting: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to follow; once."""
        self._running = self._loop.submit(self._follow())

    def stop(self) -> None:
        """Follow no more; a poll that hangs is given up."""
        self._stopping.set()
        if self._running is not None:
            self._running.cancel()

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                answer = await self._client.request("GET", self._ask(), timeout_s=self._patience_s, headers=_AS_JSON)
                if not self._is_small(answer) or not self._take_at_once(answer):
                    await asyncio.wrap_future(self._pool.submit(partial(self._take, answer), always=True))
                if answer.status == 200 and (pause := self._pause()) > 0:
                    await self._rest(pause)
            except Exception as failure:  # noqa: BLE001 - logged there, and retried
                await asyncio.sleep(self._failed(failure))

    def hurry(self, within_s: float) -> None:
        """Let a pause after news last no longer than so many seconds from now: there will be more. On the loop."""
        if self._resting is not None:
            self._resting.get_loop().call_later(within_s, _end, self._resting)

    async def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._resting = loop.create_future()
        alarm = loop.call_later(seconds, _end, self._resting)
        try:
            await self._resting
        finally:
            self._resting = None
            alarm.cancel()

    def _take_at_once(self, answer: HttpResponse) -> bool:
        """On the loop; False when that would have meant to wait, and nothing was done."""
        try:
            self._take(answer)
        except MustWaitError:
            return False
        return True

    def _is_small(self, answer: HttpResponse) -> bool:
        return answer.status == 204 or (self._counter is not None and len(answer.body) <= _SMALL)


def _end(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)
