"""A log file for each task of a process that runs several."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nemeton.common.thread_context import inherit_context

_LOG_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s [%(threadName)s] %(name)s - %(message)s"
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S"

_current: contextvars.ContextVar[TaskLog | None] = contextvars.ContextVar("nemeton-task-log", default=None)


class TaskLogFormatter(logging.Formatter):
    """How tasks' logs look, in a peon and elsewhere: UTC, level, thread, logger, message."""

    converter = time.gmtime  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(_LOG_FORMAT, _DATE_FORMAT)


class TaskLog:
    """One task's file; open from the first record to `close`."""

    def __init__(self, path: Path) -> None:
        self._handler = logging.FileHandler(path, delay=True, encoding="utf-8")
        self._handler.setFormatter(TaskLogFormatter())
        self._open = True

    def write(self, record: logging.LogRecord) -> None:
        """Add a record; after `close` it is dropped: a thread may outlive its task."""
        if self._open:
            self._handler.handle(record)

    def close(self) -> None:
        """End it."""
        self._open = False
        self._handler.close()


class _Router(logging.Handler):
    """Gives each record to the log of the task that it is about, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        task_log = _current.get()
        if task_log is not None:
            task_log.write(record)


_lock = threading.Lock()
_router: _Router | None = None


def route_task_logs() -> None:
    """From now on write what tasks log to their own files too, and let their threads count as theirs. Idempotent."""
    global _router
    inherit_context()
    with _lock:
        if _router is None:
            _router = _Router()
            logging.getLogger().addHandler(_router)


@contextmanager
def task_log(path: Path) -> Iterator[None]:
    """Write what this thread logs, and the threads that it starts, to the file."""
    log = TaskLog(path)
    token = _current.set(log)
    try:
        yield
    finally:
        _current.reset(token)
        log.close()
