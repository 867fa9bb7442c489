"""Delays between tries: growing, bounded, jittered."""

from __future__ import annotations

import random

from attrs import define, field


@define
class Backoff:
    """Doubling delays from ``initial_s`` to ``max_s`` seconds, each moved by up to ±``jitter`` of itself.

    Not thread-safe: one per loop that retries.
    """

    initial_s: float = 0.1
    max_s: float = 10.0
    jitter: float = 0.5
    _random: random.Random = field(factory=random.Random)
    _tries: int = field(default=0, init=False)

    def next_delay(self) -> float:
        """Seconds to wait before the next try."""
        # 2**64 is beyond any bound; the exponent is capped so that a long outage cannot overflow a float
        delay = min(self.max_s, self.initial_s * 2.0 ** min(self._tries, 64))
        self._tries += 1
        return min(self.max_s, delay * (1 + self.jitter * (2 * self._random.random() - 1)))

    def reset(self) -> None:
        """Start over; call it after a success."""
        self._tries = 0

    @property
    def tries(self) -> int:
        """How many delays were given out since the last reset."""
        return self._tries
