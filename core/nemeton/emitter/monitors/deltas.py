"""Counters that only grow, as what they have grown by since the last look."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


class Deltas:
    """Remembers each counter's last value. Not thread-safe: one per monitor."""

    def __init__(self) -> None:
        self._last: dict[Hashable, float] = {}

    def of(self, key: Hashable, value: float) -> float | None:
        """What was added since the last call; None at the first one, and when the counter has started over."""
        last = self._last.get(key)
        self._last[key] = value
        return None if last is None or value < last else value - last

    def of_all(self, group: Hashable, values: Mapping[K, float]) -> dict[K, float]:
        """As `of`, for counters with names; those without a difference yet are left out."""
        found = {name: self.of((group, name), value) for name, value in values.items()}
        return {name: delta for name, delta in found.items() if delta is not None}
