"""Hook calls with their durations, shown when ``NEMETON_TRACE_EXTENSIONS=1``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

ENV = "NEMETON_TRACE_EXTENSIONS"
log = logging.getLogger(__name__)


def tracing() -> bool:
    """Whether the environment asks for traces."""
    return os.environ.get(ENV, "") not in ("", "0", "false")


@contextmanager
def timed(extension: str, what: str) -> Iterator[None]:
    """Log how long the body took. Only names are logged, never arguments or results: they may hold secrets."""
    if not tracing():
        yield
        return
    started = time.perf_counter()
    outcome = "raised"
    try:
        yield
        outcome = "returned"
    finally:
        _show(f"extension [{extension}]: {what} {outcome} in {(time.perf_counter() - started) * 1000:.2f} ms")


def _show(message: str) -> None:
    # Extensions load before logging is set up; who asked for a trace wants to see that part most of all.
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    log.info(message)
