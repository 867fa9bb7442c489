"""Which locks somebody asks to see: the filters of ``lockedIntervals`` and ``activeLocks``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.locks import is_true
from nemeton.indexing.overlord.lock_rules import priority_of
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.model import TaskLock, TaskLockType
from nemeton.time import Interval


@frozen(kw_only=True)
class LockFilterPolicy:
    """The locks of a data source of at least a priority, on intervals that overlap one of ``intervals`` (None: all).

    ``context`` is that of the task that somebody (compaction) would like to submit: its kind of lock may go with
    APPEND locks, which are then not shown.
    """

    data_source: str
    priority: int = 0
    intervals: list[Interval] | None = None
    context: dict[str, Any] = field(factory=dict)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> LockFilterPolicy:
        """Druid spells it ``datasource`` here."""
        if not isinstance(value, dict) or not isinstance(value.get("datasource"), str):
            raise invalid_input("datasource: is required")
        intervals = value.get("intervals")
        return cls(
            data_source=value["datasource"],
            priority=int(value.get("priority") or 0),
            intervals=None if intervals is None else [Interval.from_json(interval) for interval in intervals],
            context=dict(value.get("context") or {}),
        )

    def select(self, lockbox: TaskLockbox, *, without_appends: bool) -> list[TaskLock]:
        """The locks in force that pass, by interval."""
        return [
            lock
            for lock in lockbox.find_valid_locks(self.data_source)
            if priority_of(lock) >= self.priority
            and not (without_appends and lock.type is TaskLockType.APPEND)
            and (self.intervals is None or any(lock.interval.overlaps(interval) for interval in self.intervals))
        ]


def active_locks(lockbox: TaskLockbox, policies: Iterable[LockFilterPolicy]) -> dict[str, list[TaskLock]]:
    """The locks that pass, by data source; data sources without any are left out."""
    found: dict[str, list[TaskLock]] = {}
    for policy in policies:
        locks = policy.select(lockbox, without_appends=_goes_with_appends(policy.context))
        if locks:
            found.setdefault(policy.data_source, []).extend(locks)
    return found


def _goes_with_appends(context: dict[str, Any]) -> bool:
    """As Druid decides it for ``activeLocks``: by ``useConcurrentLocks``, else by whether the task would append."""
    concurrent = context.get("useConcurrentLocks")
    if concurrent is not None:
        return is_true(concurrent)
    return str(context.get("taskLockType", "")).upper() == TaskLockType.APPEND.value


def locked_intervals(lockbox: TaskLockbox, policies: Iterable[LockFilterPolicy]) -> dict[str, list[Interval]]:
    """The intervals of the locks that pass, each once, by data source; data sources without any are left out.

    Here intervals do not filter, and APPEND locks are left out for a task that would replace (as in Druid).
    """
    found: dict[str, set[Interval]] = {}
    for policy in policies:
        context = policy.context
        replaces = context.get("taskLockType") == TaskLockType.REPLACE.value
        everywhere = LockFilterPolicy(data_source=policy.data_source, priority=policy.priority)
        locks = everywhere.select(lockbox, without_appends=replaces or context.get("useConcurrentLocks") is True)
        if locks:
            found.setdefault(policy.data_source, set()).update(lock.interval for lock in locks)
    return {data_source: sorted(intervals) for data_source, intervals in found.items()}
