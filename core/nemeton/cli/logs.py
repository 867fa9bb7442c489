"""Logging of the program: structured lines on standard error."""

from __future__ import annotations

import logging
import os


def configure_logging(level: str | None = None) -> None:
    """Send the logs of all parts through structlog to standard error; JSON lines if ``NEMETON_LOG=json``.

    The level is ``NEMETON_LOG_LEVEL`` unless given.
    """
    import structlog

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
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if as_json else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or os.environ.get("NEMETON_LOG_LEVEL", "INFO"))
    for noisy in ("uvicorn.access", "uvicorn.error", "asyncio", "numba", "sqlalchemy.engine", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
