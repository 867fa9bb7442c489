"""Work that runs later, or again and again, on one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from attrs import define, field

from nemeton.common.clock import Clock, SystemClock

log = logging.getLogger(__name__)


@define(order=True)
class Scheduled:
    """A handle on scheduled work."""

    due: float
    order: int
    fn: Callable[[], object] = field(order=False)
    delay_s: float | None = field(order=False, default=None)
    cancelled: bool = field(order=False, default=False)

    def cancel(self) -> None:
        """Do not run (again). Work that is running runs to its end."""
        self.cancelled = True


class ScheduledExecutor:
    """Runs functions on one daemon thread at their time, by an injected clock.

    A function that raises is logged and its schedule goes on. Fixed delay is counted from the end of a run, so that
    slow work never piles up. The thread starts with the first work. Thread-safe.
    """

    def __init__(self, name: str, clock: Clock | None = None) -> None:
        """``name`` is the thread's name."""
        self._name = name
        self._clock = clock or SystemClock()
        self._heap: list[Scheduled] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def schedule(self, fn: Callable[[], object], delay_s: float) -> Scheduled:
        """Run once, ``delay_s`` seconds from now. Raises RuntimeError after `shutdown`."""
        return self._add(Scheduled(self._clock.monotonic() + delay_s, next(self._order), fn))

    def schedule_if_running(self, fn: Callable[[], object], delay_s: float) -> bool:
        """As `schedule`; False after `shutdown`, when the work is dropped."""
        try:
            self.schedule(fn, delay_s)
        except RuntimeError:
            return False
        return True

    def schedule_with_fixed_delay(self, fn: Callable[[], object], initial_s: float, delay_s: float) -> Scheduled:
        """Run after ``initial_s`` seconds, then always ``delay_s`` seconds after the end of the last run."""
        return self._add(Scheduled(self._clock.monotonic() + initial_s, next(self._order), fn, delay_s))

    def shutdown(self, timeout_s: float = 5.0) -> None:
        """Drop what is waiting, let running work end, at most ``timeout_s`` seconds. Callable from the work itself."""
        with self._lock:
            self._stopped = True
            self._heap.clear()
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
            if thread.is_alive():
                log.warning("%s is still busy %.1f s after shutdown", self._name, timeout_s)

    def _add(self, work: Scheduled) -> Scheduled:
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"{self._name} is shut down")
            heapq.heappush(self._heap, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
        self._wake.set()
        return work

    def _loop(self) -> None:
        while not self._stopped:
            work, pause = self._next()
            if work is None:
                self._clock.wait(self._wake, pause)
                continue
            if not work.cancelled:
                self._run(work)

    def _next(self) -> tuple[Scheduled | None, float]:
        with self._lock:
            self._wake.clear()
            if self._stopped:
                self._wake.set()
                return None, 0.0
            if not self._heap:
                return None, 3600.0
            pause = self._heap[0].due - self._clock.monotonic()
            return (heapq.heappop(self._heap), 0.0) if pause <= 0 else (None, pause)

    def _run(self, work: Scheduled) -> None:
        try:
            work.fn()
        except Exception:
            log.exception("Scheduled work %r of %s failed", work.fn, self._name)
        if work.delay_s is not None and not work.cancelled:
            work.due = self._clock.monotonic() + work.delay_s
            with self._lock:
                if not self._stopped:
                    heapq.heappush(self._heap, work)
