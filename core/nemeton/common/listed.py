"""Many things in one line of a log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen


@frozen
class Listed:
    """An argument of a log line: each of the things as `shown` tells it, spelt out only when the line is written."""

    things: Sequence[Any]
    shown: Callable[[Any], str]

    def __str__(self) -> str:
        return ", ".join(map(self.shown, self.things))
