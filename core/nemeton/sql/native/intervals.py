"""Conditions on ``__time`` become the intervals of the query instead of filters."""

from __future__ import annotations

from attrs import frozen

from nemeton.sql.rex import Call, InputRef, Literal, Rex
from nemeton.time import ETERNITY, Interval, condense

_FLIP = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@frozen
class TimeRange:
    """A set of instants as intervals, ascending and apart."""

    intervals: tuple[Interval, ...]

    def intersect(self, other: TimeRange) -> TimeRange:
        """The instants that are in both."""
        found = [
            Interval(max(a.start, b.start), min(a.end, b.end))
            for a in self.intervals
            for b in other.intervals
            if max(a.start, b.start) < min(a.end, b.end)
        ]
        return TimeRange(tuple(condense(found)))

    def unite(self, other: TimeRange) -> TimeRange:
        """The instants that are in either."""
        return TimeRange(tuple(condense([*self.intervals, *other.intervals])))

    def complement(self) -> TimeRange:
        """The instants that are in none of these intervals."""
        gaps: list[Interval] = []
        start = ETERNITY.start
        for interval in self.intervals:
            if start < interval.start:
                gaps.append(Interval(start, interval.start))
            start = interval.end
        if start < ETERNITY.end:
            gaps.append(Interval(start, ETERNITY.end))
        return TimeRange(tuple(gaps))


ALL_TIME = TimeRange((ETERNITY,))


def split_time(conditions: list[Rex], time_index: int | None) -> tuple[TimeRange, list[Rex]]:
    """The time range that the conjuncts allow, and the conjuncts that say more than that."""
    times, rest = ALL_TIME, []
    for condition in conditions:
        found = None if time_index is None else _range_of(condition, time_index)
        if found is None:
            rest.append(condition)
        else:
            times = times.intersect(found)
    return times, rest


def _range_of(rex: Rex, time_index: int) -> TimeRange | None:
    """The range that is exactly this condition; None when it is about anything else."""
    if not isinstance(rex, Call):
        return None
    if rex.op in ("AND", "OR"):
        parts = [_range_of(arg, time_index) for arg in rex.args]
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        total = known[0]
        for part in known[1:]:
            total = total.intersect(part) if rex.op == "AND" else total.unite(part)
        return total
    if rex.op == "NOT":
        inner = _range_of(rex.args[0], time_index)
        return None if inner is None else inner.complement()
    if rex.op in _FLIP:
        return _comparison(rex, time_index)
    return None


def _comparison(rex: Call, time_index: int) -> TimeRange | None:
    left, right = rex.args
    op = rex.op
    if isinstance(left, Literal):
        left, right, op = right, left, _FLIP[op]
    if not isinstance(left, InputRef) or left.index != time_index:
        return None
    if not isinstance(right, Literal) or not isinstance(right.value, int) or isinstance(right.value, bool):
        return None
    value = min(max(right.value, ETERNITY.start), ETERNITY.end - 1)
    if op == "=":
        return TimeRange((Interval(value, value + 1),))
    if op in ("<", "<="):
        end = value if op == "<" else value + 1
        return TimeRange((Interval(ETERNITY.start, end),) if end > ETERNITY.start else ())
    start = value if op == ">=" else value + 1
    return TimeRange((Interval(start, ETERNITY.end),) if start < ETERNITY.end else ())
