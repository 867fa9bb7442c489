"""Acting in the name of the supervisor task."""

from __future__ import annotations

from typing import TypeVar

from attrs import frozen

from nemeton.indexing.actions import SurrogateAction
from nemeton.spi.indexing import TaskAction, TaskActionClient

T = TypeVar("T")


@frozen
class SurrogateTaskActionClient:
    """Has the Overlord perform each action in the name of another task of the group (see `TaskActionClient`)."""

    surrogate_id: str
    delegate: TaskActionClient

    def submit(self, action: TaskAction[T]) -> T:
        """Perform the action; what that raises and returns."""
        result: T = self.delegate.submit(SurrogateAction(surrogate_id=self.surrogate_id, task_action=action))
        return result
