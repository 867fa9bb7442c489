"""What a worker tells the Overlord of its tasks: over HTTP as history items, in ZooKeeper as status nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import TaskLocation, TaskState, TaskStatus
from nemeton.spi.indexing import Task, TaskResource


@frozen(kw_only=True)
class TaskAnnouncement:
    """A task as its worker sees it (Druid: ``TaskAnnouncement``).

    On the wire the location that counts is ``taskLocation``; the one within ``taskStatus`` stays unknown.
    """

    id: str
    type: str | None = None
    status: TaskState
    task_status: TaskStatus
    task_resource: TaskResource
    task_location: TaskLocation = field(factory=TaskLocation)
    task_data_source: str | None = None

    @classmethod
    def of(cls, task: Task, status: TaskStatus, location: TaskLocation | None = None) -> TaskAnnouncement:
        """Announce the task with its status; the location, where there is one, is that of its peon."""
        return cls(
            id=task.id,
            type=task.type,
            status=status.status,
            task_status=status.with_location(TaskLocation()),
            task_resource=task.resource or TaskResource(availability_group=task.id),
            task_location=location or TaskLocation(),
            task_data_source=task.data_source,
        )

    def with_status(self, status: TaskStatus, location: TaskLocation | None = None) -> TaskAnnouncement:
        """The same task with another status; without ``location`` it keeps the one it has."""
        return evolve(
            self,
            status=status.status,
            task_status=status.with_location(TaskLocation()),
            task_location=location or self.task_location,
        )

    @classmethod
    def from_json(cls, value: Any, json: Any) -> TaskAnnouncement:
        """From Druid's form, in which all but ``status`` and the id may be missing (old workers)."""
        if not isinstance(value, dict):
            raise invalid_input("a task announcement must be an object")
        given: dict[str, Any] = value.get("taskStatus") or {}
        task_id = value.get("id") or given.get("id")
        if not task_id:
            raise invalid_input("id: required in a task announcement")
        status = _status(given, json) if given else TaskStatus(task_id, TaskState(value.get("status", "RUNNING")))
        return cls(
            id=task_id,
            type=value.get("type"),
            status=status.status,
            task_status=status,
            task_resource=_resource(value.get("taskResource"), task_id, json),
            task_location=_location(value.get("taskLocation"), json),
            task_data_source=value.get("taskDataSource"),
        )


# ---- the usual forms, which a large fleet sends thousands of times a second, are read without the converter

_NOWHERE = TaskLocation()
_NOWHERE_AS_SENT = {"host": None, "port": -1, "tlsPort": -1}
_STATES = {state.value: state for state in TaskState}


def _location(value: Any, json: Any) -> TaskLocation:
    if not value or value == _NOWHERE_AS_SENT:
        return _NOWHERE
    if type(value) is dict and len(value) == 3:
        host, port, tls_port = value.get("host"), value.get("port"), value.get("tlsPort")
        if type(host) is str and type(port) is type(tls_port) is int:
            return TaskLocation(host, port, tls_port)
    return cast(TaskLocation, json.structure(value, TaskLocation))


def _status(value: Any, json: Any) -> TaskStatus:
    if type(value) is dict and len(value) == 5 and value.get("errorMsg", "") is None and "location" in value:
        id_, name, millis = value.get("id"), value.get("status"), value.get("duration")
        if type(id_) is type(name) is str and type(millis) is int and name in _STATES:
            return TaskStatus(id_, _STATES[name], millis, None, _location(value["location"], json))
    return cast(TaskStatus, json.structure(value, TaskStatus))


def _resource(value: Any, task_id: str, json: Any) -> TaskResource:
    if not value:
        return TaskResource(availability_group=task_id)
    if type(value) is dict and len(value) == 2:
        group, capacity = value.get("availabilityGroup"), value.get("requiredCapacity")
        if type(group) is str and type(capacity) is int:
            return TaskResource(availability_group=group, required_capacity=capacity)
    return cast(TaskResource, json.structure(value, TaskResource))


@frozen
class WorkerHistoryItem:
    """One change in a worker's life, as ``GET /druid-internal/v1/worker`` tells it; a closed family of three."""

    @classmethod
    def from_json(cls, value: Any, json: Any) -> WorkerHistoryItem:
        """From Druid's form. Raises ``DruidException`` for a type that is none of the three."""
        kind = value.get("type") if isinstance(value, dict) else None
        if kind == "taskUpdate":
            return TaskUpdate(json.structure(value["taskAnnouncement"], TaskAnnouncement))
        if kind == "taskRemoval":
            return TaskRemoval(value["taskId"])
        if kind == "metadata":
            return WorkerMetadata(bool(value.get("disabled")))
        raise invalid_input(f"type: [{kind}] is no item of a worker's history")


def without_overtaken(changes: Sequence[Any]) -> Sequence[Any]:
    """The changes of one answer, as they came, without those that say RUNNING of a task of which the next says it, too.

    A task that starts is told of twice within milliseconds, and only the second knows its place.
    """
    if len(changes) < 2:
        return changes
    left: list[Any] = []
    runs: set[str] = set()  # later in the answer, and nothing else of the task before that
    for change in reversed(changes):
        if not isinstance(change, dict):
            return changes  # who reads them says what is wrong
        task = change.get("taskAnnouncement")
        task_id = task.get("id") if isinstance(task, dict) else change.get("taskId")
        if not isinstance(task_id, str):
            left.append(change)
        elif isinstance(task, dict) and task.get("status") == "RUNNING":
            if task_id not in runs:
                left.append(change)
                runs.add(task_id)
        else:
            left.append(change)
            runs.discard(task_id)
    left.reverse()
    return left


@frozen
class TaskUpdate(WorkerHistoryItem):
    """A task that is new, or has changed."""

    task_announcement: TaskAnnouncement

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        return {"type": "taskUpdate", "taskAnnouncement": json.unstructure(self.task_announcement)}


@frozen
class TaskRemoval(WorkerHistoryItem):
    """A completed task that the worker has forgotten."""

    task_id: str

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        return {"type": "taskRemoval", "taskId": self.task_id}


@frozen
class WorkerMetadata(WorkerHistoryItem):
    """Whether the worker is disabled; the first item of every full snapshot."""

    disabled: bool

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        return {"type": "metadata", "disabled": self.disabled}
