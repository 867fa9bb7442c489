"""Threads that inherit the context of the thread that starts them, as those of Python 3.14 can."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

_lock = threading.Lock()
_installed = False


def inherit_context() -> None:
    """From now on let every thread of this process see the context variables of the one that starts it.

    For processes in which several tasks run: what a task's own threads do belongs to the task. Cannot be undone, and
    does nothing the second time.
    """
    global _installed
    with _lock:
        if _installed:
            return
        _installed = True
        start = threading.Thread.start

        def start_with_context(self: threading.Thread) -> None:
            context = contextvars.copy_context()
            run: Any = self.run
            self.run = lambda: context.run(run)  # type: ignore[method-assign]
            start(self)

        threading.Thread.start = start_with_context  # type: ignore[method-assign]
