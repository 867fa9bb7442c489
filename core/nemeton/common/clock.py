"""Time as a dependency, so that waits and deadlines are tested without sleeping."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from. Safe from any thread."""

    def now(self) -> int:
        """Wall-clock time in milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set, at most ``timeout_s`` seconds; whether it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Wall-clock time in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        time.sleep(max(0.0, seconds))

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set, at most ``timeout_s`` seconds; whether it is set."""
        return event.wait(max(0.0, timeout_s))


class ManualClock:
    """A clock for tests that moves only when told to.

    `sleep` and `wait` block until another thread has `advance`d the clock far enough (or the event is set); a bound of
    ``patience_s`` real seconds keeps a wrong test from hanging.
    """

    def __init__(self, now_ms: int = 1_577_836_800_000, patience_s: float = 30.0) -> None:
        self._now_ms = float(now_ms)
        self._monotonic = 0.0
        self._patience_s = patience_s
        self._moved = threading.Condition()

    def now(self) -> int:
        """Wall-clock time in milliseconds since the epoch."""
        return int(self._now_ms)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move the clock and wake who waits for it."""
        with self._moved:
            self._now_ms += seconds * 1000
            self._monotonic += seconds
            self._moved.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced so far."""
        self.wait(threading.Event(), seconds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the clock has been advanced by ``timeout_s``; whether the event is set."""
        give_up = time.monotonic() + self._patience_s
        with self._moved:
            until = self._monotonic + timeout_s
            while not event.is_set() and self._monotonic < until and time.monotonic() < give_up:
                # setting the event does not notify the condition, hence the short real slices
                self._moved.wait(0.005)
        return event.is_set()
