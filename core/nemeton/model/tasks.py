"""The state of tasks."""

from __future__ import annotations

import enum

from attrs import field, frozen

from nemeton.json import wire


class TaskState(enum.StrEnum):
    """Whether a task still runs, and how it ended."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"

    @property
    def is_complete(self) -> bool:
        """Whether it has ended."""
        return self is not TaskState.RUNNING

    def __str__(self) -> str:
        return self.value


@frozen
class TaskLocation:
    """Where a task runs: host and ports, -1 where there is none. `TaskLocation.unknown()` before it is placed."""

    host: str | None = None
    port: int = -1
    tls_port: int = -1

    @classmethod
    def unknown(cls) -> TaskLocation:
        """Not placed."""
        return cls()

    @property
    def is_known(self) -> bool:
        """Whether it is placed."""
        return self.host is not None

    @property
    def url(self) -> str | None:
        """Where its HTTP API is; None before it is placed."""
        if self.host is None:
            return None
        return f"https://{self.host}:{self.tls_port}" if self.tls_port > 0 else f"http://{self.host}:{self.port}"


MAX_ERROR_MSG_LENGTH = 100


@frozen
class TaskStatus:
    """How far a task is: ``duration`` in milliseconds (-1 until it has ended)."""

    id: str
    status: TaskState = field(metadata=wire("status", aliases=("statusCode",)))
    duration: int = -1
    error_msg: str | None = None
    location: TaskLocation = field(factory=TaskLocation)

    @classmethod
    def running(cls, task_id: str) -> TaskStatus:
        """It runs or waits."""
        return cls(task_id, TaskState.RUNNING)

    @classmethod
    def success(cls, task_id: str, location: TaskLocation | None = None, error_msg: str | None = None) -> TaskStatus:
        """It has done its work."""
        return cls(task_id, TaskState.SUCCESS, error_msg=error_msg, location=location or TaskLocation())

    @classmethod
    def failure(cls, task_id: str, error_msg: str | None, location: TaskLocation | None = None) -> TaskStatus:
        """It has failed; a long reason is cut, the log holds the whole."""
        if error_msg is not None and len(error_msg) > MAX_ERROR_MSG_LENGTH:
            error_msg = error_msg[:MAX_ERROR_MSG_LENGTH] + "..."
        return cls(task_id, TaskState.FAILED, error_msg=error_msg, location=location or TaskLocation())

    @property
    def is_complete(self) -> bool:
        """Whether it has ended."""
        return self.status.is_complete

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status is TaskState.RUNNING

    @property
    def is_success(self) -> bool:
        """Whether it has done its work."""
        return self.status is TaskState.SUCCESS

    @property
    def is_failure(self) -> bool:
        """Whether it has failed."""
        return self.status is TaskState.FAILED

    def with_duration(self, millis: int) -> TaskStatus:
        """The same with the time that it took."""
        return TaskStatus(self.id, self.status, millis, self.error_msg, self.location)

    def with_location(self, location: TaskLocation) -> TaskStatus:
        """The same at that place."""
        return TaskStatus(self.id, self.status, self.duration, self.error_msg, location)
