"""Logging of the program: structured lines on standard error."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime


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
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6]
        return f"{at}Z [{record.levelname.lower():<9}] {record.getMessage()} [{record.name}]"


def configure_logging(level: str | None = None) -> None:
    """Send the logs of all parts through structlog to standard error; JSON lines if ``NEMETON_LOG=json``.

    The level is ``NEMETON_LOG_LEVEL`` unless given.
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
    handler = logging.StreamHandler()
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

    Both are switches of the `logging` module, which its documentation names for this.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
