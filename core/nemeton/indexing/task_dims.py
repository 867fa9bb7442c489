"""What metrics of a task are told by."""

from __future__ import annotations

from typing import Any

from nemeton.spi.indexing import Task


def task_dims(task: Task) -> dict[str, Any]:
    """The dimensions that each metric of a task has, as in Druid; ``tags`` only where its context has them."""
    dims = {"taskId": task.id, "taskType": task.type, "groupId": task.group_id, "dataSource": task.data_source}
    tags = task.context.get("tags")
    return dims if tags is None else {**dims, "tags": tags}
