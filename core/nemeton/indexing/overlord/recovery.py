"""What a queue that starts takes up from the metadata store: tasks and their locks.

The cases and their reasons stand in ``docs/design/crash-safety.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from attrs import frozen

from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.storage import TaskInfo, TaskStorage
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task

log = logging.getLogger(__name__)


@frozen
class RecoveredTasks:
    """The outcome. ``published`` had published before they could be ended, and are ended now."""

    active: list[tuple[TaskInfo, Task]]
    to_fail: list[Task]
    published: list[Task]
    lock_count: int


def recover(storage: TaskStorage, lockbox: TaskLockbox) -> RecoveredTasks:
    """Read the active tasks, end those that are at their end, and take up the locks of the others."""
    stored = storage.get_active_tasks()
    published = [info for info in stored if info.published]
    _finish(storage, published)
    active: list[tuple[TaskInfo, Task]] = []
    for info in stored:
        if info.published:
            continue
        if info.task is None:
            storage.set_status(TaskStatus.failure(info.id, f"Task type [{info.type}] is not known here"))
        else:
            active.append((info, info.task))
    locks = storage.get_all_locks()
    result = lockbox.sync_from_storage([(task, locks.get(task.id, [])) for _, task in active])
    storage.remove_orphaned_locks()
    return RecoveredTasks(
        active, result.tasks_to_fail, [info.task for info in published if info.task is not None], result.lock_count
    )


def _finish(storage: TaskStorage, published: Sequence[TaskInfo]) -> None:
    for info in published:
        log.info("Task [%s] had published before the restart: it is a success", info.id)
        storage.set_status(TaskStatus.success(info.id))
