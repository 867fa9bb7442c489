"""The locks that tasks hold on intervals, or on single partitions, of a data source."""

from __future__ import annotations

import enum
from typing import Any

from attrs import evolve, frozen

from nemeton.common.errors import invalid_input
from nemeton.time import Interval


class TaskLockType(enum.StrEnum):
    """What other locks on the same interval a lock goes with."""

    EXCLUSIVE = "EXCLUSIVE"
    SHARED = "SHARED"
    REPLACE = "REPLACE"
    APPEND = "APPEND"

    def __str__(self) -> str:
        return self.value


class LockGranularity(enum.StrEnum):
    """What a lock covers: all of an interval, or one partition of it."""

    TIME_CHUNK = "TIME_CHUNK"
    SEGMENT = "SEGMENT"

    @classmethod
    def _missing_(cls, value: object) -> LockGranularity | None:
        text = str(value)
        return cls.__members__.get(text.upper()) or next((each for each in cls if each.tag == text), None)

    @property
    def tag(self) -> str:
        """How it is spelled in locks; in requests it is spelled as here."""
        return "timeChunk" if self is LockGranularity.TIME_CHUNK else "segment"

    def __str__(self) -> str:
        return self.value


@frozen
class TaskLock:
    """A lock of a data source, held by the tasks of a group: a :class:`TimeChunkLock` or a :class:`SegmentLock`.

    ``version`` None: not decided yet. ``priority`` None: that of the task (only in stores that old Druids have left).
    """

    type: TaskLockType
    group_id: str
    data_source: str
    interval: Interval
    version: str | None = None
    priority: int | None = None
    revoked: bool = False

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> TaskLock:
        """From Druid's form. Answers to actions leave the granularity out: who has a partition is a segment lock."""
        if isinstance(value, TaskLock):
            return value
        for required in ("groupId", "dataSource", "interval"):
            if not isinstance(value, dict) or value.get(required) is None:
                raise invalid_input(f"{required}: required in a lock")
        common = {
            "type": TaskLockType(value.get("type") or "EXCLUSIVE"),
            "group_id": value["groupId"],
            "data_source": value["dataSource"],
            "interval": Interval.from_json(value["interval"]),
            "version": value.get("version"),
            "priority": None if value.get("priority") is None else int(value["priority"]),
            "revoked": bool(value.get("revoked")),
        }
        if value.get("granularity") == LockGranularity.SEGMENT.tag or value.get("partitionId") is not None:
            return SegmentLock(**common, partition_id=int(value.get("partitionId") or 0))
        return TimeChunkLock(**common)

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """Druid's form in answers to actions, without the granularity."""
        return {
            "type": self.type.value,
            "groupId": self.group_id,
            "dataSource": self.data_source,
            "interval": str(self.interval),
            "version": self.version,
            "priority": self.priority,
            "revoked": self.revoked,
        }

    def to_tagged_json(self) -> dict[str, Any]:
        """Druid's form everywhere else: in the store, in ``activeLocks``, in the results of segment lock actions."""
        return {"granularity": self.granularity.tag, **self.to_json()}

    @property
    def granularity(self) -> LockGranularity:
        """What it covers."""
        return LockGranularity.TIME_CHUNK

    def revoked_copy(self) -> TaskLock:
        """The same lock, taken away."""
        return evolve(self, revoked=True)

    def with_priority(self, priority: int) -> TaskLock:
        """The same with that priority."""
        return evolve(self, priority=priority)


@frozen
class TimeChunkLock(TaskLock):
    """A lock on all of an interval."""


@frozen
class SegmentLock(TaskLock):
    """A lock on one partition of an interval; ``version`` is that of the segment."""

    partition_id: int = 0

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """See the base class."""
        fields = super().to_json()
        tail = {name: fields.pop(name) for name in ("priority", "revoked")}
        return {**fields, "partitionId": self.partition_id, **tail}

    @property
    def granularity(self) -> LockGranularity:
        """See the base class."""
        return LockGranularity.SEGMENT
