"""News of changed segments, within one process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class SegmentChangeHub:
    """Passes on which data source's segments a transaction has just changed; listeners must not block. Thread-safe.

    It only makes things quicker: whoever misses a change finds it at the next poll.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(data source)`` after every change from now on."""
        with self._lock:
            self._listeners.append(listener)

    def notify(self, data_source: str) -> None:
        """Tell all listeners; their failures are logged."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(data_source)
            except Exception:
                log.exception("A listener for changes of segments failed")
