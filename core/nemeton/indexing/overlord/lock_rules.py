"""Which locks may stand beside each other: the table, and the few questions that are asked of it.

``held`` is a lock that is there, ``asked`` one that is wanted, both of one data source. Two locks *meet* when they want
the same time or the same partition (:data:`MEET`, by granularity); two that meet may still both be there
(:data:`COEXIST`, by type). Revoked locks meet others, but never stand in their way.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from nemeton.common.errors import defensive
from nemeton.model import DataSegment, LockGranularity, SegmentLock, TaskLock, TaskLockType, TimeChunkLock
from nemeton.spi.indexing import Task
from nemeton.time import Interval

#: The version of APPEND locks: appended segments take that of the segments they join.
APPEND_VERSION = "1970-01-01T00:00:00.000Z"

_TIME_CHUNK, _SEGMENT = LockGranularity.TIME_CHUNK, LockGranularity.SEGMENT
_SHARED, _REPLACE, _APPEND = TaskLockType.SHARED, TaskLockType.REPLACE, TaskLockType.APPEND


@frozen(kw_only=True)
class LockRequest:
    """A wish for a lock: on all of ``interval``, or (with ``partition_id``) on one partition of it.

    ``version`` is given for a partition, whose segment has one, and when a stored lock is taken up again.
    """

    type: TaskLockType
    group_id: str
    data_source: str
    interval: Interval
    priority: int
    version: str | None = None
    partition_id: int | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        lock_type: TaskLockType,
        interval: Interval,
        *,
        version: str | None = None,
        partition_id: int | None = None,
    ) -> LockRequest:
        """The wish of a task."""
        return cls(
            type=lock_type,
            group_id=task.group_id,
            data_source=task.data_source,
            interval=interval,
            priority=task.priority,
            version=version,
            partition_id=partition_id,
        )

    @property
    def granularity(self) -> LockGranularity:
        """What it covers."""
        return _TIME_CHUNK if self.partition_id is None else _SEGMENT

    def to_lock(self, version: str) -> TaskLock:
        """The lock that fulfils it."""
        fields = (self.type, self.group_id, self.data_source, self.interval, version, self.priority, False)
        return TimeChunkLock(*fields) if self.partition_id is None else SegmentLock(*fields, self.partition_id)


@frozen(kw_only=True)
class LockResult:
    """What came of a request: the lock, or None when it cannot be had now. ``revoked``: it was had, and is lost.

    The JSON is the result of the segment lock actions.
    """

    task_lock: TaskLock | None = None
    revoked: bool = False

    @classmethod
    def of(cls, lock: TaskLock) -> LockResult:
        """There is this lock."""
        return cls(task_lock=lock, revoked=lock.revoked)

    @classmethod
    def fail(cls) -> LockResult:
        """Somebody else's lock is in the way."""
        return cls()

    @property
    def is_ok(self) -> bool:
        """Granted, and in force."""
        return self.task_lock is not None and not self.revoked

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """Druid's form; no lock action allocates segments any more."""
        lock = None if self.task_lock is None else self.task_lock.to_tagged_json()
        return {"taskLock": lock, "newSegmentId": None, "revoked": self.revoked}

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> LockResult:
        """From Druid's form."""
        if isinstance(value, LockResult):
            return value
        lock = value.get("taskLock")
        return cls(task_lock=None if lock is None else TaskLock.from_json(lock), revoked=bool(value.get("revoked")))


def _overlap(held: TaskLock, asked: LockRequest) -> bool:
    return held.interval.overlaps(asked.interval)


def _overlap_or_same_partition(held: TaskLock, asked: LockRequest) -> bool:
    """Partitions of one interval are told apart by number; those of other intervals cannot be."""
    if held.interval == asked.interval:
        return partition_of(held) == asked.partition_id
    return held.interval.overlaps(asked.interval)


def _always(held: Interval, asked: Interval) -> bool:
    return True


def _held_lies_within(held: Interval, asked: Interval) -> bool:
    return asked.contains(held)


def _held_encloses(held: Interval, asked: Interval) -> bool:
    return held.contains(asked)


#: (granularity held, granularity asked) → whether they want the same thing.
MEET: Mapping[tuple[LockGranularity, LockGranularity], Callable[[TaskLock, LockRequest], bool]] = {
    (_TIME_CHUNK, _TIME_CHUNK): _overlap,
    (_TIME_CHUNK, _SEGMENT): _overlap,
    (_SEGMENT, _TIME_CHUNK): _overlap,
    (_SEGMENT, _SEGMENT): _overlap_or_same_partition,
}

#: (type held, type asked) → condition on the intervals under which both may be there. What is not listed never may.
COEXIST: Mapping[tuple[TaskLockType, TaskLockType], Callable[[Interval, Interval], bool]] = {
    (_SHARED, _SHARED): _always,
    (_APPEND, _APPEND): _always,
    (_APPEND, _REPLACE): _held_lies_within,
    (_REPLACE, _APPEND): _held_encloses,
}

#: What only time-chunk locks are made for. On partitions such a lock is granted only where nothing is met.
TIME_CHUNK_ONLY = frozenset({_REPLACE, _APPEND})


_SHOWN = 10


def partition_of(lock: TaskLock) -> int | None:
    """The partition that the lock covers; None for all of its interval."""
    return lock.partition_id if isinstance(lock, SegmentLock) else None


def meets(held: TaskLock, asked: LockRequest) -> bool:
    """True when ``held`` covers something of what ``asked`` wants (Druid: ``TaskLock.conflict``)."""
    return MEET[held.granularity, asked.granularity](held, asked)


def can_coexist(held: TaskLock, asked: LockRequest) -> bool:
    """True when ``asked`` may be granted beside ``held``, which it meets."""
    if held.revoked:
        return True
    condition = COEXIST.get((held.type, asked.type))
    return condition is not None and condition(held.interval, asked.interval)


def is_reusable(held: TaskLock, asked: LockRequest) -> bool:
    """True when a task of the same group can simply join ``held``, revoked or not.

    Same kind, and the interval lies within; on partitions only exclusive locks are ever joined, of the same number.
    """
    if (held.type, held.granularity, held.group_id) != (asked.type, asked.granularity, asked.group_id):
        return False
    if held.granularity is _SEGMENT and held.type is not TaskLockType.EXCLUSIVE:
        return False
    return held.interval.contains(asked.interval) and partition_of(held) == asked.partition_id


def is_of_same_group_and_interval(held: TaskLock, asked: LockRequest) -> bool:
    """True when only the kind of lock differs, which the tasks of a group may change while they run."""
    return (held.group_id, held.interval) == (asked.group_id, asked.interval)


def can_revoke(held: TaskLock, asked: LockRequest) -> bool:
    """True when ``asked`` has the right to take ``held`` away: strictly higher priority."""
    return asked.priority > priority_of(held)


def priority_of(lock: TaskLock) -> int:
    """The priority; the lockbox holds no lock without one."""
    assert lock.priority is not None, lock
    return lock.priority


def supersedes(lock: TaskLock, other: TaskLock) -> bool:
    """True when a task that got ``lock`` needs ``other`` no more: APPEND over a wider interval, of the same group.

    That happens when rows are appended after somebody has replaced the segments with such of a coarser granularity.
    """
    return (
        not lock.revoked
        and lock.granularity is other.granularity is _TIME_CHUNK
        and lock.type is other.type is _APPEND
        and lock.group_id == other.group_id
        and (lock.version or "") >= (other.version or "")
        and lock.interval != other.interval
        and lock.interval.contains(other.interval)
    )


def covers(lock: TaskLock, segment: DataSegment) -> bool:
    """True when the holder of ``lock`` may publish, change or delete ``segment``, as far as this lock goes.

    APPEND locks go with every version: the segment joins those that are there.
    """
    if lock.revoked or lock.data_source != segment.data_source or not lock.interval.contains(segment.interval):
        return False
    if isinstance(lock, SegmentLock):
        return (lock.version or "") >= segment.version and lock.partition_id == segment.partition_num
    return lock.type is _APPEND or (lock.version or "") >= segment.version


def check_locks_cover_segments(task: Task, locks: Sequence[TaskLock], segments: Iterable[DataSegment]) -> None:
    """Raise unless the task has locks, and each segment is covered by one (Druid: ``checkLockCoversSegments``).

    As in Druid, of locks that lie within each other only those count that start last before the segment, even revoked.
    """
    by_start: dict[int, list[TaskLock]] = {}
    for lock in locks:
        by_start.setdefault(lock.interval.start, []).append(lock)
    starts = sorted(by_start)

    def is_covered(segment: DataSegment) -> bool:
        place = bisect.bisect_right(starts, segment.interval.start)
        return place > 0 and any(covers(lock, segment) for lock in by_start[starts[place - 1]])

    uncovered = [segment for segment in segments if not is_covered(segment)]
    if uncovered or not locks:
        ids = ", ".join(str(segment.id) for segment in uncovered[:_SHOWN])
        more = f" and {len(uncovered) - _SHOWN} more" if len(uncovered) > _SHOWN else ""
        raise defensive(f"Segments[{ids}]{more} are not covered by locks[{_shown(locks)}] for task[{task.id}]")


def _shown(locks: Iterable[TaskLock]) -> str:
    return ", ".join(str(lock.to_tagged_json()) for lock in locks)
