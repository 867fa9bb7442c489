"""Tasks on the unused segments within one interval, which they lock."""

from __future__ import annotations

from attrs import frozen

from nemeton.common.errors import defensive, invalid_input
from nemeton.indexing.actions import LockListAction, LockTryAcquireAction, RetrieveUnusedSegmentsAction
from nemeton.model import DataSegment, TaskLock, TaskLockType
from nemeton.spi.indexing import Task, TaskActionClient
from nemeton.spi.task_ids import new_task_id
from nemeton.time import Interval, format_datetime


@frozen(kw_only=True, slots=False)
class FixedIntervalTask(Task):
    """Locks ``interval`` as a whole before it runs (Druid: ``AbstractFixedIntervalTask``)."""

    data_source: str
    interval: Interval

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.interval.is_empty:
            raise invalid_input("interval empty")

    @property
    def lock_type(self) -> TaskLockType:
        """The kind of lock."""
        return TaskLockType.EXCLUSIVE

    def default_id(self) -> str:
        """Return ``<type>_<dataSource>_<suffix>_<start>_<end>_<time>``, as Druid does."""
        ends = (format_datetime(self.interval.start), format_datetime(self.interval.end))
        return new_task_id(self.type, self.data_source, *ends)

    def is_ready(self, client: TaskActionClient) -> bool:
        """True when the interval is locked."""
        lock = client.submit(LockTryAcquireAction(lock_type=self.lock_type, interval=self.interval))
        return lock is not None and not lock.revoked

    def unused_segments(self, client: TaskActionClient) -> list[DataSegment]:
        """All unused segments within the interval. Raises when one is newer than the task's lock."""
        version = self._lock(client).version or ""
        action = RetrieveUnusedSegmentsAction(data_source=self.data_source, interval=self.interval)
        segments = client.submit(action)
        for segment in segments:
            if segment.version > version:
                raise defensive(
                    f"Unused segment[{segment.id}] has version[{segment.version}] > task version[{version}]"
                )
        return segments

    def _lock(self, client: TaskActionClient) -> TaskLock:
        locks = client.submit(LockListAction())
        if [lock.interval for lock in locks] != [self.interval]:
            held = ", ".join(str(lock.interval) for lock in locks)
            raise defensive(f"Lock interval[{held}] != task interval[{self.interval}]")
        return locks[0]
