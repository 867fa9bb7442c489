"""Telling listeners what becomes of a runner's tasks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor

from nemeton.model import TaskLocation, TaskStatus
from nemeton.spi.indexing import TaskRunnerListener

log = logging.getLogger(__name__)


class RunnerListeners:
    """Listeners by id, each with the executor that it is called on. Failures are logged. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, tuple[TaskRunnerListener, Executor | None]] = {}

    def register(self, listener: TaskRunnerListener, executor: Executor | None) -> None:
        """Add a listener; a second one of the same id is a ValueError."""
        with self._lock:
            if listener.listener_id in self._listeners:
                raise ValueError(f"Listener [{listener.listener_id}] is registered already")
            self._listeners[listener.listener_id] = (listener, executor)

    def unregister(self, listener_id: str) -> None:
        """Forget a listener."""
        with self._lock:
            self._listeners.pop(listener_id, None)

    def location_changed(self, task_id: str, location: TaskLocation, *, only: str | None = None) -> None:
        """Tell all, or one, where a task runs."""
        self._tell(lambda listener: listener.location_changed(task_id, location), only)

    def status_changed(self, task_id: str, status: TaskStatus) -> None:
        """Tell all a task's status."""
        self._tell(lambda listener: listener.status_changed(task_id, status), None)

    def _tell(self, what: Callable[[TaskRunnerListener], None], only: str | None) -> None:
        if not self._listeners:
            return
        with self._lock:
            chosen = [pair for id_, pair in self._listeners.items() if only is None or id_ == only]
        for listener, executor in chosen:
            if executor is None:
                _call(what, listener)
            else:
                try:
                    executor.submit(_call, what, listener)
                except RuntimeError:  # it was shut down; who tells must not suffer from that
                    log.debug("Listener [%s] is not told: its executor is shut down", listener.listener_id)


def _call(what: Callable[[TaskRunnerListener], None], listener: TaskRunnerListener) -> None:
    try:
        what(listener)
    except Exception:
        log.exception("Listener [%s] failed", listener.listener_id)
