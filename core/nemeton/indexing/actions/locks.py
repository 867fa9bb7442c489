"""Lock actions: ``lockList``, ``lockTryAcquire``, ``lockAcquire``, ``lockRelease``."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import TaskLock, TaskLockType
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox
from nemeton.time import Interval

_MAX_WAIT_MS = 60_000


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

    def __attrs_post_init__(self) -> None:
        if self.timeout_ms < 0:
            raise invalid_input(f"lockAcquire: timeoutMs must not be negative, but is [{self.timeout_ms}]")

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> TaskLock | None:
        """See :class:`TaskAction`."""
        lock: TaskLock | None = toolbox.lockbox.lock_time_chunk(
            task, self.lock_type, self.interval, timeout_s=min(self.timeout_ms or _MAX_WAIT_MS, _MAX_WAIT_MS) / 1000
        )
        return lock


@json_type("lockRelease")
@frozen(kw_only=True)
class LockReleaseAction(TaskAction[None]):
    """Give back the task's locks on exactly ``interval``."""

    result_type: ClassVar[object] = None

    interval: Interval

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        toolbox.lockbox.unlock(task, self.interval)
