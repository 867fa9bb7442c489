"""What a worker's runner knows of one task."""

from __future__ import annotations

from concurrent.futures import Future

from attrs import define, field

from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.model import TaskLocation, TaskStatus
from nemeton.spi.indexing import Task


@define(eq=False)
class WorkItem:
    """A task in the hands of a runner; satisfies ``TaskRunnerWorkItem``.

    ``abandoned``: the runner has been stopped since. Its thread may end in the next life, and must not touch that.
    """

    task: Task
    created_time: int
    queue_insertion_time: int
    result: Future[TaskStatus] = field(factory=Future)
    location: TaskLocation = field(factory=TaskLocation)
    running: bool = False
    stop_reason: str | None = None
    task_dir: TaskDir | None = None
    started_at: float = 0.0
    abandoned: bool = False

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def task_type(self) -> str:
        """The task's type name."""
        return self.task.type

    @property
    def data_source(self) -> str:
        """The task's data source."""
        return self.task.data_source
