"""Lock actions: ``lockList``, ``lockTryAcquire``, ``lockAcquire``, ``lockRelease``, and those on single segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.overlord.lock_rules import LockRequest, LockResult
from nemeton.model import TaskLock, TaskLockType
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.time import Interval

_MAX_WAIT_MS = 60_000


def _wait_s(timeout_ms: int) -> float:
    """Seconds to wait: 0 stands for as long as possible, below that nothing is waited for."""
    return min(max(timeout_ms, 0) if timeout_ms else _MAX_WAIT_MS, _MAX_WAIT_MS) / 1000


def _each_once(values: Iterable[int] | None) -> list[int]:
    return list(dict.fromkeys(values or ()))


@json_type("lockList")
@frozen(kw_only=True)
class LockListAction(TaskAction[list[TaskLock]]):
    """All locks of the task, revoked ones too."""

    result_type: ClassVar[object] = list[TaskLock]

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[TaskLock]:
        """See :class:`TaskAction`."""
        locks: list[TaskLock] = toolbox.lockbox.find_locks_for_task(task)
        return locks


@json_type("lockTryAcquire")
@frozen(kw_only=True)
class LockTryAcquireAction(TaskAction[TaskLock | None]):
    """Take a time-chunk lock if it is free now; None when it is not (Druid: ``TimeChunkLockTryAcquireAction``)."""

    result_type: ClassVar[object] = TaskLock | None

    lock_type: TaskLockType = TaskLockType.EXCLUSIVE
    interval: Interval

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> TaskLock | None:
        """See :class:`TaskAction`."""
        lock: TaskLock | None = toolbox.lockbox.try_lock_time_chunk(task, self.lock_type, self.interval)
        return lock


@json_type("lockAcquire")
@frozen(kw_only=True)
class LockAcquireAction(TaskAction[TaskLock | None]):
    """Take a time-chunk lock, waiting up to ``timeout_ms`` for it; None when it is not to be had.

    A call waits for a minute at most, also with 0 (which is for ever in Druid): it holds one of the Overlord's threads.
    Whoever has more patience asks again.
    """

    result_type: ClassVar[object] = TaskLock | None

    lock_type: TaskLockType = TaskLockType.EXCLUSIVE
    interval: Interval
    timeout_ms: int = 0

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> TaskLock | None:
        """See :class:`TaskAction`."""
        lock: TaskLock | None = toolbox.lockbox.lock_time_chunk(
            task, self.lock_type, self.interval, timeout_s=_wait_s(self.timeout_ms)
        )
        return lock


@json_type("segmentLockTryAcquire")
@frozen(kw_only=True)
class SegmentLockTryAcquireAction(TaskAction[list[LockResult]]):
    """Take the locks of some partitions of an interval that are free now; one result for each partition, in order."""

    result_type: ClassVar[object] = list[LockResult]

    lock_type: TaskLockType
    interval: Interval
    version: str
    partition_ids: list[int] = field(converter=_each_once)

    def __attrs_post_init__(self) -> None:
        if not self.partition_ids:
            raise invalid_input("partitionIds is empty")

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> list[LockResult]:
        """See :class:`TaskAction`."""
        return [toolbox.lockbox.try_lock(task, self._request(task, partition)) for partition in self.partition_ids]

    def _request(self, task: Task, partition_id: int) -> LockRequest:
        return LockRequest.of(task, self.lock_type, self.interval, version=self.version, partition_id=partition_id)


@json_type("segmentLockAcquire")
@frozen(kw_only=True)
class SegmentLockAcquireAction(TaskAction[LockResult]):
    """Take the lock of one partition of an interval, waiting up to ``timeout_ms`` (as ``lockAcquire``) for it."""

    result_type: ClassVar[object] = LockResult

    lock_type: TaskLockType
    interval: Interval
    version: str
    partition_id: int = 0
    timeout_ms: int = 0

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> LockResult:
        """See :class:`TaskAction`."""
        request = LockRequest.of(
            task, self.lock_type, self.interval, version=self.version, partition_id=self.partition_id
        )
        result: LockResult = toolbox.lockbox.lock(task, request, timeout_s=_wait_s(self.timeout_ms))
        return result


@json_type("lockRelease")
@frozen(kw_only=True)
class LockReleaseAction(TaskAction[None]):
    """Give back the task's time-chunk locks on exactly ``interval``."""

    result_type: ClassVar[object] = None

    interval: Interval

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        toolbox.lockbox.unlock(task, self.interval)
