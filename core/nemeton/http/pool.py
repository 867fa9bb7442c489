"""The bounded pool of threads that runs the handlers of one role."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

log = logging.getLogger(__name__)

T = TypeVar("T")
_Work = Callable[[], None]


class PoolFullError(Exception):
    """All threads are busy and the queue is full."""


@frozen
class PoolState:
    """A pool at one moment."""

    threads: int
    max_threads: int
    pending: int


class HandlerPool:
    """Daemon threads, made when needed, that run work from a bounded queue.

    Not concurrent.futures' pool, because that one has no bound on its queue, and its threads keep a process from ending
    for as long as a handler hangs. Thread-safe.
    """

    def __init__(self, name: str, max_threads: int, queue_size: int) -> None:
        self._name = name
        self._max_threads = max_threads
        self._max_pending = max_threads + queue_size
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._pending = 0
        self._closed = False

    @property
    def pending(self) -> int:
        """How much work is running or waiting."""
        return self._pending

    def state(self) -> PoolState:
        """How many threads there are and may be, and how much work is running or waiting."""
        return PoolState(len(self._threads), self._max_threads, self._pending)

    def submit(self, fn: Callable[[], T], *, always: bool = False) -> concurrent.futures.Future[T]:
        """Run `fn` in a thread. Raises `PoolFullError` at the bound, unless `always` (for the rest of begun work)."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(partial(_settle, future, contextvars.copy_context(), fn), always)
        return future

    def run(self, fn: Callable[[], T], *, always: bool = False) -> asyncio.Future[T]:
        """As `submit`, for the event loop that runs: one hand-over less than a future of both worlds takes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(partial(_settle_on_loop, loop, future, contextvars.copy_context(), fn), always)
        return future

    def _put(self, work: _Work, always: bool) -> None:
        with self._lock:
            if self._closed:
                raise PoolFullError(f"{self._name} is stopping")
            if self._pending >= self._max_pending and not always:
                raise PoolFullError(f"{self._name} is busy: {self._pending} requests are running or waiting")
            self._pending += 1
            if self._pending > len(self._threads) < self._max_threads:
                self._add_thread()
            self._work.put(work)

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._loop, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            # the thread keeps no request alive while it waits for the next one
            del work
            with self._lock:
                self._pending -= 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Take no more work and end the threads; those that are still busy after the timeout are left behind."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
            for _ in threads:
                self._work.put(None)
        for thread in threads:
            thread.join(timeout_s / max(1, len(threads)))
        busy = sum(thread.is_alive() for thread in threads)
        if busy:
            log.warning("%d handler(s) of %s still run after the stop", busy, self._name)


def _settle(future: concurrent.futures.Future[T], context: contextvars.Context, fn: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = context.run(fn)
    except BaseException as failure:  # noqa: BLE001 - it belongs to who waits for the future
        future.set_exception(failure)
    else:
        future.set_result(result)


def _settle_on_loop(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], context: contextvars.Context, fn: Callable[[], T]
) -> None:
    if future.cancelled():
        return
    settle: Callable[[], None]
    try:
        settle = partial(future.set_result, context.run(fn))
    except BaseException as failure:  # noqa: BLE001 - it belongs to who waits for the future
        settle = partial(future.set_exception, _fit_for_future(failure))
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_unless_done, future, settle)


def _unless_done(future: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    if not future.done():
        settle()


def _fit_for_future(failure: BaseException) -> BaseException:
    """A future refuses StopIteration, which would end the coroutine that awaits it without a word."""
    return RuntimeError("a handler raised StopIteration") if isinstance(failure, StopIteration) else failure
