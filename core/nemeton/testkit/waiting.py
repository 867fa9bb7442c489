"""Waiting for what other threads do, within a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

PATIENCE_S = 20.0
_STEP_S = 0.005


def eventually(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Return once the condition holds; fail the test with ``what`` when it does not within the time."""
    give_up = time.monotonic() + patience_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail(f"{what}: not within {patience_s:g} s")
        pause.wait(_STEP_S)
