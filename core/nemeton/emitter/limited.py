"""Warnings that may come in floods, and must not fill the log."""

from __future__ import annotations

import logging
import threading
from typing import Any

from nemeton.common.clock import Clock


class RateLimitedWarning:
    """Logs the first warning at once, then at most one per period, with the number of those kept back. Thread-safe."""

    def __init__(self, log: logging.Logger, clock: Clock, period_s: float = 10.0) -> None:
        self._log = log
        self._clock = clock
        self._period_s = period_s
        self._next = float("-inf")
        self._held_back = 0
        self._lock = threading.Lock()

    def warn(self, message: str, *args: Any) -> None:
        """Log, or count what is not logged."""
        now = self._clock.monotonic()
        with self._lock:
            if now < self._next:
                self._held_back += 1
                return
            held_back, self._held_back = self._held_back, 0
            self._next = now + self._period_s
        if held_back:
            message, args = f"{message} (and %d more since the last such warning)", (*args, held_back)
        self._log.warning(message, *args)
