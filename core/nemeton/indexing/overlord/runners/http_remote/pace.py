"""How soon a worker that has just told news is asked for more."""

from __future__ import annotations

import time
from collections.abc import Callable

#: So many answers a second are nothing that anybody would have to be spared.
_FEW_PER_S = 500
#: About so many answers a second are taken from all workers together when there are more than a few.
_MOST_PER_S = 5000
_WINDOW_S = 0.1


class PollPace:
    """At once, but when a large fleet has very much to tell: then each worker is asked a few times a second.

    A task that starts is told of twice within milliseconds, and may be followed by another just then. What comes during
    the pause comes in one answer, which costs little more than each of them would. A small fleet never waits for more
    than a few milliseconds. Used on one thread; ``count_workers`` says how many there are now.
    """

    def __init__(self, count_workers: Callable[[], int], now: Callable[[], float] = time.monotonic) -> None:
        self._count_workers = count_workers
        self._now = now
        self._window_ends = 0.0
        self._answers = self._answers_before = 0

    def pause(self) -> float:
        """Note an answer with news; return the seconds until its worker shall be asked again."""
        now = self._now()
        if now >= self._window_ends:
            self._answers_before = self._answers if now < self._window_ends + _WINDOW_S else 0
            self._answers = 0
            self._window_ends = now + _WINDOW_S
        self._answers += 1
        if max(self._answers, self._answers_before) < _FEW_PER_S * _WINDOW_S:
            return 0.0
        return self._count_workers() / _MOST_PER_S
