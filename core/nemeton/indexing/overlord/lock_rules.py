"""Which locks may stand beside each other: one table, asked from one place.

Only locks of one data source whose intervals overlap, and that are not revoked, are ever compared. ``held`` is a lock
that is there, ``asked`` one that is wanted. Segment locks will add rows to :data:`COEXIST` by granularity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from nemeton.common.errors import defensive
from nemeton.model import DataSegment, LockGranularity, TaskLock, TaskLockType
from nemeton.time import Interval

#: The version of APPEND locks: appended segments take that of the segments they join.
APPEND_VERSION = "1970-01-01T00:00:00.000Z"


@frozen(kw_only=True)
class LockRequest:
    """A wish for a lock. ``version`` is given only when a stored lock is taken up again."""

    granularity: LockGranularity = LockGranularity.TIME_CHUNK
    type: TaskLockType
    group_id: str
    data_source: str
    interval: Interval
    priority: int
    version: str | None = None


def _always(held: Interval, asked: Interval) -> bool:
    return True


def _held_lies_within(held: Interval, asked: Interval) -> bool:
    return asked.contains(held)


def _held_encloses(held: Interval, asked: Interval) -> bool:
    return held.contains(asked)


#: (type held, type asked) → condition on the intervals under which both may be there. What is not listed never may.
COEXIST: Mapping[tuple[TaskLockType, TaskLockType], Callable[[Interval, Interval], bool]] = {
    (TaskLockType.SHARED, TaskLockType.SHARED): _always,
    (TaskLockType.APPEND, TaskLockType.APPEND): _always,
    (TaskLockType.APPEND, TaskLockType.REPLACE): _held_lies_within,
    (TaskLockType.REPLACE, TaskLockType.APPEND): _held_encloses,
}


def can_coexist(held: TaskLock, asked: LockRequest) -> bool:
    """True when ``asked`` may be granted beside ``held``, which overlaps it."""
    if held.revoked:
        return True
    condition = COEXIST.get((held.type, asked.type))
    return condition is not None and condition(held.interval, asked.interval)


def is_reusable(held: TaskLock, asked: LockRequest) -> bool:
    """True when a task of the same group can simply join ``held``: same kind, and the interval lies within."""
    return (
        held.type == asked.type
        and held.granularity == asked.granularity
        and held.group_id == asked.group_id
        and held.interval.contains(asked.interval)
    )


def can_revoke(held: TaskLock, asked: LockRequest) -> bool:
    """True when ``asked`` has the right to take ``held`` away: strictly higher priority."""
    return asked.priority > held.priority


def check_locks_cover_segments(locks: Sequence[TaskLock], segments: Iterable[DataSegment]) -> None:
    """Raise unless each segment lies within a lock whose version allows it (Druid: ``checkLockCoversSegments``)."""
    for segment in segments:
        covered = any(
            lock.data_source == segment.data_source
            and lock.interval.contains(segment.interval)
            and (lock.type is TaskLockType.APPEND or (lock.version or "") >= segment.version)
            for lock in locks
        )
        if not covered:
            raise defensive(f"Segment[{segment.id}] is not covered by the locks of its task: {list(map(str, locks))}")
