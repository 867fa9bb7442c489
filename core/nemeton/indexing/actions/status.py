"""Actions by which a task reports itself, and the one that acts in another task's name."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import defensive
from nemeton.json import wire
from nemeton.model import TaskLocation, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox


@json_type("updateStatus")
@frozen(kw_only=True)
class UpdateStatusAction(TaskAction[None]):
    """Tell the runner the task's status (only for runners whose workers do not watch their tasks).

    ``status`` is the deprecated plain text (``running``, ``successful``); ``status_full`` holds where both are given.
    """

    result_type: ClassVar[object] = None

    status: str | None = field(default=None, metadata=wire("status"))
    status_full: TaskStatus | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        status = self.status_full
        if status is None and self.status == "successful":
            status = TaskStatus.success(task.id)
        elif status is None and self.status == "running":
            status = TaskStatus.running(task.id)
        elif status is None:
            status = TaskStatus.failure(task.id, "Error with task")
        if toolbox.task_runner is not None:
            toolbox.task_runner.update_status(task, status)


@json_type("updateLocation")
@frozen(kw_only=True)
class UpdateLocationAction(TaskAction[None]):
    """Tell the runner where the task runs (only for runners whose workers do not watch their tasks)."""

    result_type: ClassVar[object] = None

    task_location: TaskLocation

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> None:
        """See :class:`TaskAction`."""
        if toolbox.task_runner is not None:
            toolbox.task_runner.update_location(task, self.task_location)


@json_type("surrogateAction")
@frozen(kw_only=True)
class SurrogateAction(TaskAction[Any]):
    """Do ``task_action`` in the name of another task of the same group: a sub task in that of its supervisor task."""

    surrogate_id: str
    task_action: TaskAction[Any]

    @property
    def result_type(self) -> object:
        """That of the action inside."""
        return self.task_action.result_type

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> Any:
        """See :class:`TaskAction`."""
        surrogate = toolbox.lockbox.find_active_task(self.surrogate_id)
        if surrogate is None or surrogate.group_id != task.group_id:
            raise defensive(
                f"Can't find surrogate task[{self.surrogate_id}] among the active ones of the group of task[{task.id}]"
            )
        return self.task_action.perform(surrogate, toolbox)
