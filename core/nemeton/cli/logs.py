"""Logging of the program: structured lines on standard error."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

#: After a line was written, those of so many seconds are written together.
_TOGETHER_S = 0.02


class _LineFormatter(logging.Formatter):
    """Writes what the console renderer would, and the common case, text without more, in a fifth of its time.

    An Overlord with many workers writes thousands of lines a second, some of them while it holds a lock.
    """

    def __init__(self, full: logging.Formatter) -> None:
        super().__init__()
        from structlog.contextvars import get_contextvars

        self._full = full
        self._bound = get_contextvars

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        if not isinstance(record.msg, str) or record.exc_info or record.stack_info or self._bound():
            return self._full.format(record)
        second, micro = divmod(round(record.created * 1e6), 1_000_000)
        at = f"{_format_second(second)}.{micro:06d}Z"
        return f"{at} [{record.levelname.lower():<9}] {record.getMessage()} [{record.name}]"


@lru_cache(maxsize=16)
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


#: What a record is expected to have, without what it says.
_ABSENT = dict.fromkeys(
    ("exc_info", "exc_text", "stack_info", "funcName", "thread", "threadName", "process", "processName", "taskName")
) | {"pathname": "", "filename": "", "module": "", "lineno": 0, "relativeCreated": 0.0}


class _SlimRecord(logging.LogRecord):
    """A record without what no line has: most of the time that a record takes goes into looking that up."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
        **more: Any,
    ) -> None:
        if exc_info or sinfo or not isinstance(args, tuple) or (len(args) == 1 and isinstance(args[0], Mapping)):
            super().__init__(name, level, pathname, lineno, msg, args, exc_info, func, sinfo, **more)
            return
        self.__dict__.update(_ABSENT)
        self.name, self.msg, self.args = name, msg, args
        self.levelname, self.levelno = logging.getLevelName(level), level
        self.created = now = time.time()
        self.msecs = int(now % 1 * 1000)


class _GatheringHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes a line at once when none was written just before, and with those that follow it otherwise.

    Each write lets another thread have the interpreter, which then keeps it for milliseconds: an Overlord that writes
    thousands of lines a second would wait for itself all the time. From the level WARNING on, nothing waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._written_at = 0.0
        self._some_wait = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`; called under its lock."""
        try:
            self._lines.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING or time.monotonic() - self._written_at >= _TOGETHER_S:
                self.flush()
            elif len(self._lines) == 1:
                self._call_writer()
        except Exception:  # noqa: BLE001 - as in the standard library's handlers
            self.handleError(record)

    def _call_writer(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_on, name="log-writer", daemon=True)
            self._thread.start()
        self._some_wait.set()

    def _write_on(self) -> None:
        while self._some_wait.wait():
            self._some_wait.clear()
            time.sleep(_TOGETHER_S)
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - there is nowhere to say so; the next lines are tried again
                continue

    def flush(self) -> None:
        """Write what waits; also called at the end of the process."""
        with self.lock or threading.RLock():
            lines, self._lines = self._lines, []
            if lines:
                self._written_at = time.monotonic()
                self.stream.write("".join(lines))
            super().flush()


def configure_logging(level: str | None = None, *, gathering: bool = False) -> None:
    """Send the logs of all parts through structlog to standard error; JSON lines if ``NEMETON_LOG=json``.

    The level is ``NEMETON_LOG_LEVEL`` unless given. ``gathering``, for servers, which never fork: lines below WARNING
    that come within 20 ms are written together.
    """
    import structlog

    _leave_out_what_no_line_has()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # plain tracebacks: those with the values of variables would show passwords
    as_json = os.environ.get("NEMETON_LOG") == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = _GatheringHandler() if gathering else logging.StreamHandler()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([structlog.processors.format_exc_info] if as_json else []),
            renderer,
        ],
    )
    handler.setFormatter(formatter if as_json else _LineFormatter(formatter))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or os.environ.get("NEMETON_LOG_LEVEL", "INFO"))
    for noisy in ("uvicorn.access", "uvicorn.error", "asyncio", "numba", "sqlalchemy.engine", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _leave_out_what_no_line_has() -> None:
    """Where in the code a line comes from, and from which thread: finding that out takes half of a line's time.

    The first two are switches of the `logging` module, which its documentation names for this.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.setLogRecordFactory(_SlimRecord)
