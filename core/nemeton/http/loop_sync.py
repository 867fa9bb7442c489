"""Following very many servers: each long poll is an exchange of an event loop."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from nemeton.common.clock import Clock
from nemeton.http.change_sync import ChangeSync
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_client import LoopHttpClient
from nemeton.http.loop_connection import Exchange
from nemeton.http.loop_timers import CoarseTimers
from nemeton.http.messages import split_url
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
    whatever the clock says. No coroutine waits for the answers: one thing follows from the other by calls.
    """

    def __init__(
        self,
        loop: EventLoopThread,
        client: LoopHttpClient,
        pool: HandlerPool,
        timers: CoarseTimers,
        json: Json,
        clock: Clock,
        pause: Callable[[], float] = lambda: 0.0,
        **options: Any,
    ) -> None:
        """``options`` are those of `ChangeSync`. ``pause``: after each news, how many seconds until the next poll.

        ``client`` and ``timers`` are those of the loop.
        """
        super().__init__(json, clock, **options)
        self._pause = pause
        self._loop = loop.loop
        self._client = client
        self._pool = pool
        self._timers = timers
        self._origin = split_url(self.base_url)[0]
        self._exchange: Exchange | None = None
        self._due = 0
        """The number of the pause that ends with the next poll; 0 when there is none."""
        self._may_hurry = False

    def start(self) -> None:
        """Begin to follow; once."""
        self._loop.call_soon_threadsafe(self._poll)

    def stop(self) -> None:
        """Follow no more; a poll that hangs is given up."""
        self._stopping.set()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it all polls
            self._loop.call_soon_threadsafe(self._give_up)

    def hurry(self, within_s: float) -> None:
        """Let a pause after news last no longer than so many seconds from now: there will be more. On the loop."""
        if self._due and self._may_hurry:
            self._due = min(self._due, self._timers.after(within_s, self._rung))

    # ---- on the loop

    def _poll(self) -> None:
        if self._stopping.is_set():
            return
        try:
            target = split_url(self._ask())[1]
            self._exchange = self._client.ask(
                "GET", self._origin, target, self._answered, headers=_AS_JSON, timeout_s=self._patience_s
            )
        except Exception as failure:  # noqa: BLE001 - logged there, and retried
            self._poll_again_after(failure)

    def _answered(self, answer: HttpResponse | HttpClientError) -> None:
        self._exchange = None
        try:
            if isinstance(answer, HttpClientError):
                raise answer
            if self._is_small(answer) and self._take_at_once(answer):
                self._go_on(answer)
            else:
                taken = self._pool.submit(partial(self._take, answer), always=True)
                taken.add_done_callback(partial(self._hand_back, answer))
        except Exception as failure:  # noqa: BLE001 - logged there, and retried
            self._poll_again_after(failure)

    def _take_at_once(self, answer: HttpResponse) -> bool:
        """False when that would have meant to wait, and nothing was done."""
        try:
            self._take(answer)
        except MustWaitError:
            return False
        return True

    def _hand_back(self, answer: HttpResponse, taken: concurrent.futures.Future[None]) -> None:
        """On the pool's thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._taken, answer, taken)

    def _taken(self, answer: HttpResponse, taken: concurrent.futures.Future[None]) -> None:
        failure = taken.exception()
        if failure is None:
            self._go_on(answer)
        else:
            self._poll_again_after(failure if isinstance(failure, Exception) else RuntimeError(repr(failure)))

    def _go_on(self, answer: HttpResponse) -> None:
        pause = self._pause() if answer.status == 200 else 0.0
        if pause > 0:
            self._rest(pause, may_hurry=True)
        else:
            self._poll()

    def _poll_again_after(self, failure: Exception) -> None:
        self._rest(self._failed(failure), may_hurry=False)

    def _rest(self, seconds: float, *, may_hurry: bool) -> None:
        self._may_hurry = may_hurry
        self._due = self._timers.after(seconds, self._rung)

    def _rung(self, number: int) -> None:
        if number == self._due:
            self._due = 0
            self._poll()

    def _give_up(self) -> None:
        self._due = 0
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _is_small(self, answer: HttpResponse) -> bool:
        return answer.status == 204 or (self._counter is not None and len(answer.body) <= _SMALL)
