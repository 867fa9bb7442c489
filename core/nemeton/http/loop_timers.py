"""Very many short pauses on one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_TICK_S = 0.005


class CoarseTimers:
    """Pauses to the next 5 ms: one timer of the loop for all that end together.

    A loop orders its timers by comparing them in Python, which with a thousand of them costs as much as sending a
    request. Used on one loop.
    """

    def __init__(self) -> None:
        self._due: dict[int, list[Callable[[int], object]]] = {}

    def after(self, seconds: float, call: Callable[[int], object]) -> int:
        """Call it after so many seconds, or a little later, with the number that is returned here.

        By that number who has changed their mind in between knows an old call.
        """
        loop = asyncio.get_running_loop()
        tick = int((loop.time() + seconds) / _TICK_S) + 1
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = []
            loop.call_at(tick * _TICK_S, self._ring, tick)
        due.append(call)
        return tick

    def _ring(self, tick: int) -> None:
        for call in self._due.pop(tick):
            try:
                call(tick)
            except Exception:
                log.exception("What was to follow after a pause has failed")
