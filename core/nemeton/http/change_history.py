"""The history of changes that a long poll reads: shared by data servers (segments) and workers (tasks)."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, Generic, TypeVar

from attrs import frozen

from nemeton.common.clock import Clock

T = TypeVar("T")

MAX_SIZE = 1000


@frozen
class Counter:
    """A place in the history: how many changes came before, and a hash that tells this history from another's.

    The hash is the time at which the last change was made, as Druid's is.
    """

    counter: int
    hash: int

    def __str__(self) -> str:
        return f"Counter{{counter={self.counter}, hash={self.hash}}}"


@frozen
class ChangeRequestsSnapshot(Generic[T]):
    """The changes since a place, and the place to ask from next; or the news that the asker must start over."""

    counter: Counter | None = None
    requests: list[T] | None = None
    reset_cause: str | None = None

    @property
    def reset_counter(self) -> bool:
        """Whether the asker must start over."""
        return self.reset_cause is not None

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        return {
            "resetCounter": self.reset_counter,
            "resetCause": self.reset_cause,
            "counter": None if self.counter is None else {"counter": self.counter.counter, "hash": self.counter.hash},
            "requests": None if self.requests is None else [json.unstructure(request) for request in self.requests],
        }


class ChangeRequestHistory(Generic[T]):
    """The last changes, bounded, with coroutines that wait for the next ones. Thread-safe.

    ``max_size`` bounds how far behind an asker may be before it has to start over.
    """

    def __init__(self, clock: Clock, max_size: int = MAX_SIZE) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._changes: deque[tuple[Counter, T]] = deque(maxlen=max_size)
        self._oldest = self._last = Counter(0, clock.now())
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._closed = False

    @property
    def last_counter(self) -> Counter:
        """The place after the newest change."""
        return self._last

    def add(self, requests: Iterable[T]) -> None:
        """Append changes and wake who waits."""
        with self._lock:
            for request in requests:
                self._last = Counter(self._last.counter + 1, self._clock.now())
                if len(self._changes) == self._changes.maxlen:
                    self._oldest = self._changes[0][0]
                self._changes.append((self._last, request))
            waiters, self._waiters = self._waiters, []
        _wake(waiters)

    def close(self) -> None:
        """Let everybody who waits go, now and from now on; for when the server stops."""
        with self._lock:
            self._closed = True
            waiters, self._waiters = self._waiters, []
        _wake(waiters)

    def since(self, place: Counter) -> ChangeRequestsSnapshot[T] | None:
        """The changes after the place; None when there are none yet."""
        with self._lock:
            return self._since(place)

    async def wait_since(self, place: Counter, timeout_s: float) -> ChangeRequestsSnapshot[T] | None:
        """As `since`, but waits up to ``timeout_s`` seconds for a change; None when none has come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            event = asyncio.Event()
            with self._lock:
                found = self._since(place)
                if found is not None or self._closed or loop.time() >= deadline:
                    return found
                waiter = (loop, event)
                self._waiters.append(waiter)
            try:
                await asyncio.wait_for(event.wait(), deadline - loop.time())
            except TimeoutError:
                return None
            finally:
                with self._lock:
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)

    def _since(self, place: Counter) -> ChangeRequestsSnapshot[T] | None:
        behind = self._last.counter - place.counter
        if behind < 0:
            return _reset(f"counter[{place}] > last counter[{self._last}]")
        if behind > len(self._changes):
            return _reset(
                f"can't serve request, not enough history is kept. given counter [{place}] and current last counter "
                f"[{self._last}]"
            )
        before = self._oldest if behind == len(self._changes) else self._changes[-behind - 1][0]
        if before.hash != place.hash:
            return _reset(f"counter[{place}] failed to match with [{before}]")
        if behind == 0:
            return None
        newer = islice(self._changes, len(self._changes) - behind, None)
        return ChangeRequestsSnapshot(self._last, [request for _, request in newer])


def _reset(cause: str) -> ChangeRequestsSnapshot[Any]:
    return ChangeRequestsSnapshot(reset_cause=cause)


def _wake(waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    for loop, event in waiters:
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
