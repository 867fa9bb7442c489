"""A MiddleManager that is kept running until it is ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.indexing.overlord.provisioning.local.process import LocalWorkerProcess

log = logging.getLogger(__name__)

_LONG_LIFE_S = 60.0


class LocalWorker:
    """Starts a process, and another one when it ends by itself, after a pause that grows. Thread-safe.

    Its successor has the same ports and folder, and takes up the tasks that it can.
    """

    def __init__(
        self, address: str, start: Callable[[], LocalWorkerProcess], clock: Clock, on_end: Callable[[str], object]
    ) -> None:
        """Start the process. ``start`` raises when that cannot be; ``on_end`` is called when all is over."""
        self._address = address
        self._start = start
        self._clock = clock
        self._on_end = on_end
        self._backoff = Backoff(initial_s=1.0, max_s=60.0)
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process = start()
        self._thread = threading.Thread(target=self._keep_running, name=f"worker-{address}", daemon=True)
        self._thread.start()

    def end(self, timeout_s: float) -> None:
        """Ask the process to stop, kill it after the time-out. Returns at once; see `join`."""
        with self._lock:
            if self._ending.is_set():
                return
            self._ending.set()
            process = self._process
        threading.Thread(target=process.end, args=(timeout_s,), name=f"end-{self._address}", daemon=True).start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of it all; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _keep_running(self) -> None:
        while self._live_once():
            pause = self._backoff.next_delay()
            log.info("The worker [%s] is started again in %.1f s", self._address, pause)
            self._clock.wait(self._ending, pause)
            self._start_again()
        log.info("The worker [%s] has ended", self._address)
        self._on_end(self._address)

    def _live_once(self) -> bool:
        """Wait for the end of the process; False when it was to end."""
        began = self._clock.monotonic()
        code = self._process.wait()
        if self._ending.is_set():
            return False
        log.error("The worker [%s] ended with code [%d]:\n%s", self._address, code, self._process.last_words())
        if self._clock.monotonic() - began > _LONG_LIFE_S:
            self._backoff.reset()
        return True

    def _start_again(self) -> None:
        with self._lock:  # whoever ends the worker ends the process that there is
            if self._ending.is_set():
                return
            try:
                self._process = self._start()
            except Exception:
                log.exception("The worker [%s] cannot be started again; it is tried once more", self._address)
