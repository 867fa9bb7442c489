"""The locks of batch tasks: which kind, on which intervals, and the versions that come with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.errors import invalid_input, runtime_failure, timeout
from nemeton.indexing.actions import LockAcquireAction, LockListAction, LockTryAcquireAction
from nemeton.model import TaskLock, TaskLockType
from nemeton.time import Interval, condense

if TYPE_CHECKING:
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.schema import GranularitySpec
    from nemeton.spi.indexing import Task, TaskActionClient

_LOCK_TRY_MS = 10_000
_DEFAULT_LOCK_TIMEOUT_MS = 300_000
_ONLY_WHEN_APPENDING = (TaskLockType.SHARED, TaskLockType.APPEND)


def lock_type_of(context: Mapping[str, Any], *, appends: bool) -> TaskLockType:
    """The kind of lock that the context asks for (``useConcurrentLocks``, ``taskLockType``); exclusive as a rule."""
    if is_true(context.get("useConcurrentLocks")):
        return TaskLockType.APPEND if appends else TaskLockType.REPLACE
    given = context.get("taskLockType")
    if given is None:
        kind = TaskLockType.SHARED if is_true(context.get("useSharedLock")) else TaskLockType.EXCLUSIVE
    else:
        kind = TaskLockType(str(given).upper())
    return TaskLockType.EXCLUSIVE if kind in _ONLY_WHEN_APPENDING and not appends else kind


def is_true(value: Any) -> bool:
    """Whether a context's value says yes, as JSON or as text."""
    return value is True or str(value).lower() == "true"


def try_lock_all(
    client: TaskActionClient, granularity: GranularitySpec, kind: TaskLockType, limit: int, intervals: list[Interval]
) -> bool:
    """Lock the intervals, widened to whole segments, one lock per stretch without a gap; False when one is taken.

    ``limit``: ``maxAllowedLockCount``, -1 for none.
    """
    wanted = granularity.segment_intervals(intervals)
    _check_count(len(wanted), limit)
    for interval in wanted:
        lock = client.submit(LockTryAcquireAction(lock_type=kind, interval=interval))
        if lock is None or lock.revoked:
            return False
    return True


def _check_count(count: int, limit: int) -> None:
    if 0 <= limit < count:
        raise invalid_input(f"Number of locks exceeded maxAllowedLockCount [{limit}].")


@define
class IntervalLocks:
    """The locks that a task holds, as it needs more of them. Not thread-safe."""

    client: TaskActionClient
    granularity: GranularitySpec
    kind: TaskLockType
    timeout_ms: int
    limit: int = -1
    check: Callable[[], None] = lambda: None
    _locks: list[TaskLock] = field(init=False, factory=list)

    @classmethod
    def of(
        cls,
        client: TaskActionClient,
        granularity: GranularitySpec,
        context: Mapping[str, Any],
        *,
        appends: bool,
        limit: int = -1,
        check: Callable[[], None] = lambda: None,
    ) -> IntervalLocks:
        """As the task's context says."""
        timeout_ms = int(context.get("taskLockTimeout") or _DEFAULT_LOCK_TIMEOUT_MS)
        return cls(client, granularity, lock_type_of(context, appends=appends), timeout_ms, limit, check)

    @classmethod
    def of_spec(
        cls, spec: IndexIngestionSpec, task: Task, client: TaskActionClient, check: Callable[[], None]
    ) -> IntervalLocks:
        """Those of a task that ingests by this spec."""
        return cls.of(
            client,
            spec.data_schema.granularity_spec,
            task.context,
            appends=spec.io_config.append_to_existing,
            limit=spec.tuning_config.max_allowed_lock_count,
            check=check,
        )

    def lock(self, intervals: Iterable[Interval]) -> None:
        """Make sure that the task holds locks on all these intervals; waits for them within ``taskLockTimeout``."""
        wanted = self.granularity.segment_intervals(condense(intervals))
        self._locks = self._held()
        missing = [interval for interval in wanted if not any(lock.interval.contains(interval) for lock in self._locks)]
        _check_count(len(self._locks) + len(missing), self.limit)
        for interval in missing:
            self._acquire(interval)
        if missing:
            self._locks = self._held()

    def version(self, interval: Interval) -> str:
        """The version of the lock that covers the interval, as known since `lock`."""
        for lock in self._locks:
            if lock.interval.contains(interval) and lock.version is not None:
                return lock.version
        raise runtime_failure(f"The task holds no lock that covers the interval [{interval}]")

    def _held(self) -> list[TaskLock]:
        locks: list[TaskLock] = self.client.submit(LockListAction())
        for lock in locks:
            if lock.revoked:
                raise runtime_failure(f"The lock on [{lock.interval}] was revoked by a task of higher priority")
        return locks

    def _acquire(self, interval: Interval) -> None:
        end = time.monotonic() + self.timeout_ms / 1000
        while True:
            self.check()
            action = LockAcquireAction(
                lock_type=self.kind, interval=interval, timeout_ms=min(_LOCK_TRY_MS, self.timeout_ms)
            )
            if self.client.submit(action) is not None:
                return
            if time.monotonic() >= end:
                raise timeout(
                    f"Failed to get a lock for interval [{interval}] within {self.timeout_ms} ms (taskLockTimeout)"
                )
