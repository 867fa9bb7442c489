"""The active tasks that a queue keeps: by id in the order they came, by group, and those that wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future

from attrs import define, frozen

from nemeton.indexing.overlord.storage import TaskInfo
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task


@define(eq=False)
class TaskEntry:
    """A task in the queue, and what the store knows of it. ``future`` is set once the runner has it."""

    task: Task
    info: TaskInfo
    future: Future[TaskStatus] | None = None


@frozen
class EndedTasks:
    """What ended tasks are counted by."""

    is_success: bool
    data_source: str
    task_type: str


class TaskEntries:
    """See the module. Not thread-safe: its owner's lock guards it. Nothing here looks at all tasks to find one."""

    def __init__(self) -> None:
        self._entries: dict[str, TaskEntry] = {}
        self._waiting: dict[str, TaskEntry] = {}
        self._ending: set[str] = set()
        self._groups: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._entries

    def __iter__(self) -> Iterator[TaskEntry]:
        return iter(self._entries.values())

    def get(self, task_id: str) -> TaskEntry | None:
        """Return the task's entry."""
        return self._entries.get(task_id)

    def put(self, entry: TaskEntry) -> None:
        """Add a task that waits; one that is there already is left as it is."""
        if entry.task.id not in self._entries:
            self._entries[entry.task.id] = self._waiting[entry.task.id] = entry
            self._groups[entry.task.group_id] += 1

    def pop(self, task_id: str) -> None:
        """Take the task out; unknown ids are fine."""
        self._waiting.pop(task_id, None)
        entry = self._entries.pop(task_id, None)
        if entry is not None:
            self._groups[entry.task.group_id] -= 1
            if not self._groups[entry.task.group_id]:
                del self._groups[entry.task.group_id]

    def clear(self) -> None:
        """Forget all tasks."""
        self._entries.clear()
        self._waiting.clear()
        self._groups.clear()

    @property
    def waiting(self) -> list[TaskEntry]:
        """Tasks that the runner does not have yet, oldest first."""
        return list(self._waiting.values())

    @property
    def has_waiting(self) -> bool:
        """True while there are tasks that the runner does not have yet; may be asked without the lock."""
        return bool(self._waiting)

    def is_waiting(self, task_id: str) -> bool:
        """True while the task is here and nobody has begun with it."""
        return task_id in self._waiting

    def end_waiting(self, task_id: str) -> None:
        """The runner has the task."""
        self._waiting.pop(task_id, None)

    def begin_to_end(self, task_id: str) -> bool:
        """The task's end is going to be recorded; False when it is not here, or somebody is recording it."""
        if task_id in self._ending or task_id not in self._entries:
            return False
        self._ending.add(task_id)
        self._waiting.pop(task_id, None)
        return True

    def is_ending(self, task_id: str) -> bool:
        """True while the task's end is being recorded."""
        return task_id in self._ending

    def stop_ending(self, task_id: str) -> None:
        """Its end was recorded, or recording it failed: then a task that the runner does not have waits again."""
        self._ending.discard(task_id)
        entry = self._entries.get(task_id)
        if entry is not None and entry.future is None:
            self._waiting[task_id] = entry

    def is_group_active(self, group_id: str) -> bool:
        """True while a task of the group is here."""
        return group_id in self._groups
