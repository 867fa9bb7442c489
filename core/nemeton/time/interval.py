"""Intervals of time, end exclusive, on int64 milliseconds UTC."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.time.instants import MAX_INSTANT, MIN_INSTANT, format_datetime, parse_datetime
from nemeton.time.period import Period


@frozen(order=True)
class Interval:
    """From ``start`` until before ``end``, both in milliseconds since the epoch. Ordered by start, then end."""

    start: int
    end: int

    def __attrs_post_init__(self) -> None:
        if self.end < self.start:
            raise invalid_input("The end instant must be greater than the start instant")

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read ``start/end``, ``start/period`` or ``period/end``. Raises invalid_input."""
        if isinstance(text, str) and "/" not in text:
            raise invalid_input(f"Format requires a '/' separator: {text}")
        if not isinstance(text, str):
            raise invalid_input(f"Invalid interval [{text}]; expected start/end, start/period or period/end")
        if text.count("/") > 1:
            rest = text.partition("/")[2]
            raise invalid_input(f'Invalid format: "{rest}" is malformed at "{rest[rest.index("/") :]}"')
        return _parse(text)

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> Interval:
        """From its text, or from ``{"start": …, "end": …}``."""
        if isinstance(value, Interval):
            return value
        if isinstance(value, dict) and "start" in value and "end" in value:
            return cls(parse_datetime(value["start"]), parse_datetime(value["end"]))
        return cls.parse(value)

    def to_json(self, json: Any = None) -> str:
        """Its text."""
        return str(self)

    def __str__(self) -> str:
        return _text(self.start, self.end)

    @property
    def duration(self) -> int:
        """Milliseconds."""
        return self.end - self.start

    @property
    def is_empty(self) -> bool:
        """Whether it holds no instant."""
        return self.start == self.end

    def contains(self, other: Interval | int) -> bool:
        """Whether the instant, or every instant of the interval, lies within.

        An empty interval lies within when it is at or after the start and before the end.
        """
        if isinstance(other, int):
            return self.start <= other < self.end
        return self.start <= other.start < self.end and other.end <= self.end

    def overlaps(self, other: Interval) -> bool:
        """Whether they share an instant; for an empty interval: whether it lies inside, not on the edges."""
        return self.start < other.end and other.start < self.end

    def abuts(self, other: Interval) -> bool:
        """Whether one begins where the other ends."""
        return self.end == other.start or other.end == self.start

    def intersection(self, other: Interval) -> Interval | None:
        """What they share; None when they do not overlap."""
        return Interval(max(self.start, other.start), min(self.end, other.end)) if self.overlaps(other) else None

    def gap(self, other: Interval) -> Interval | None:
        """What lies between them; None when they overlap or abut."""
        low, high = min(self.end, other.end), max(self.start, other.start)
        return Interval(low, high) if low < high else None

    def union(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(min(self.start, other.start), max(self.end, other.end))


@functools.lru_cache(maxsize=16_384)
def _parse(text: str) -> Interval:
    """Lists of segments name few intervals many times."""
    left, right = text.split("/")
    if not left or not right:
        raise invalid_input(f"Invalid interval [{text}]; expected start/end, start/period or period/end")
    if left[0] in "Pp":
        if right[0] in "Pp":
            raise invalid_input(f"Interval composed of two durations: {text}")
        end = parse_datetime(right)
        return Interval(Period.parse(left).add_to(end, -1), end)
    start = parse_datetime(left)
    return Interval(start, Period.parse(right).add_to(start) if right[0] in "Pp" else parse_datetime(right))


@functools.lru_cache(maxsize=16_384)
def _text(start: int, end: int) -> str:
    return f"{format_datetime(start)}/{format_datetime(end)}"


ETERNITY = Interval(MIN_INSTANT, MAX_INSTANT)
"""Druid's -146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z."""


def condense(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants in the fewest intervals, ascending: what overlaps or abuts becomes one."""
    out: list[Interval] = []
    for interval in sorted(intervals):
        if out and interval.start <= out[-1].end:
            if interval.end > out[-1].end:
                out[-1] = Interval(out[-1].start, interval.end)
        else:
            out.append(interval)
    return out


def subtract(interval: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """What is left of ``interval`` without the holes, ascending."""
    out: list[Interval] = []
    start = interval.start
    for hole in condense(holes):
        if hole.end <= start or hole.start >= interval.end:
            continue
        if hole.start > start:
            out.append(Interval(start, hole.start))
        start = hole.end
    if start < interval.end:
        out.append(Interval(start, interval.end))
    return out


def umbrella(intervals: Iterable[Interval]) -> Interval:
    """The smallest interval that holds all. Raises ValueError when there are none."""
    given = list(intervals)
    return Interval(min(i.start for i in given), max(i.end for i in given))
