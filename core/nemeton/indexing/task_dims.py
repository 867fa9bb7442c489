"""What metrics of a task are told by."""

from __future__ import annotations

from nemeton.spi.indexing import Task


def task_dims(task: Task) -> dict[str, str]:
    """The dimensions that each metric of a task has, as in Druid."""
    return {"taskId": task.id, "taskType": task.type, "groupId": task.group_id, "dataSource": task.data_source}
