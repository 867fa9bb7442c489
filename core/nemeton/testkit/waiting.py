"""Waiting for what other threads do, within a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TIMEOUT_S = 20.0
_STEP_S = 0.01


def eventually(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Return once the condition holds; AssertionError with ``what`` when it does not within the time."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout_s:g} s: {what}")
        pause.wait(_STEP_S)


def never(condition: Callable[[], object], what: str, for_s: float = 0.2) -> None:
    """AssertionError with ``what`` when the condition comes to hold within the time."""
    deadline = time.monotonic() + for_s
    pause = threading.Event()
    while time.monotonic() < deadline:
        if condition():
            raise AssertionError(f"This should not happen: {what}")
        pause.wait(_STEP_S)
