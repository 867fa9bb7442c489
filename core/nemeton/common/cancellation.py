"""An event that can end what waits for something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CancelSignal(threading.Event):
    """Set once, when work is to stop. Thread-safe.

    Work looks at it when it can; what makes a blocking call asks to be called, in the thread that sets it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        """Set it, and call who asked for that."""
        super().set()
        for callback in tuple(self._callbacks):
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Inside, the callback is called when the signal is set, or is set already; it may be called twice.

        It must neither wait nor raise.
        """
        self._callbacks.append(callback)
        try:
            if self.is_set():
                callback()
            yield
        finally:
            self._callbacks.remove(callback)
