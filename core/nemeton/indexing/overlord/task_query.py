"""What the task API shows of tasks: the store, the queue and the runner put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.indexing.overlord.config import TaskStorageConfig
from nemeton.indexing.overlord.master import NotLeaderError, TaskMaster
from nemeton.indexing.overlord.storage import TaskInfo, TaskStorage
from nemeton.json import wire
from nemeton.model import TaskLocation, TaskState, TaskStatus
from nemeton.spi.indexing import RunnerTaskState, Task, TaskRunner
from nemeton.time import Interval


@frozen(kw_only=True)
class TaskStatusPlus:
    """One task in a list or a status answer."""

    id: str
    group_id: str | None
    type: str | None
    created_time: int = field(metadata=wire("createdTime", as_datetime=True))
    queue_insertion_time: int = field(default=0, metadata=wire("queueInsertionTime", as_datetime=True))
    status_code: TaskState | None = None
    status: TaskState | None = None
    runner_status_code: RunnerTaskState | None = None
    duration: int | None = -1
    location: TaskLocation = field(factory=TaskLocation)
    data_source: str = ""
    error_msg: str | None = None


class TaskQueryTool:
    """Reads only; thread-safe. Works on any Overlord that leads."""

    def __init__(self, storage: TaskStorage, master: TaskMaster, config: TaskStorageConfig, clock: Clock) -> None:
        self._storage = storage
        self._master = master
        self._config = config
        self._clock = clock

    def get_task(self, task_id: str) -> Task | None:
        """Return the task, from the queue or the store."""
        try:
            active = self._master.task_queue.get_active_task(task_id)
        except NotLeaderError:
            active = None
        return active if active is not None else self._storage.get_task(task_id)

    def get_info(self, task_id: str) -> TaskInfo | None:
        """Return what the store knows of the task, without the task itself."""
        return self._storage.get_task_info(task_id)

    def get_payload(self, task_id: str) -> Any | None:
        """Return the task's JSON as stored."""
        return self._storage.get_task_payload(task_id)

    def get_status(self, task_id: str) -> TaskStatusPlus | None:
        """Return the status answer for one task."""
        handed_over = [task_id] if self._master.task_queue.is_handed_over(task_id) else []
        info = self._storage.get_task_info(task_id)
        if info is None:
            return None
        runner = self._master.task_runner
        state = (
            _state(info, runner, handed_over) if info.status.is_running else RunnerTaskState.WAITING
        )  # as Druid says of ended ones
        location = runner.get_task_location(task_id) if info.status.is_running else info.status.location
        return _plus(info, state, location)

    def get_statuses(self, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """Return the statuses of those ids that there are; running ones with their location."""
        runner = self._master.task_runner
        return {
            id_: status.with_location(runner.get_task_location(id_)) if status.is_running else status
            for id_, status in self._storage.get_statuses(task_ids).items()
        }

    def get_list(
        self,
        state: str | None,
        *,
        data_source: str | None = None,
        created: Interval | None = None,
        max_complete: int | None = None,
        task_type: str | None = None,
    ) -> list[TaskStatusPlus]:
        """Return tasks in ``state`` (pending, waiting, running, complete; None: all), ended ones first."""
        # a task that ends in between would be in neither list were the ended ones asked for first
        active = list(self._active(state, data_source)) if state != "complete" else []
        ended = list(self._complete(data_source, created, max_complete)) if state in (None, "complete") else []
        ended_ids = {item.id for item in ended}
        found = ended + [item for item in active if item.id not in ended_ids]
        return [item for item in found if task_type is None or item.type == task_type]

    def _complete(
        self, data_source: str | None, created: Interval | None, limit: int | None
    ) -> Iterable[TaskStatusPlus]:
        threshold = self._clock.now() - self._config.recently_finished_threshold.to_millis()
        infos = self._storage.get_complete_infos(
            data_source=data_source, created=created, created_after=None if created else threshold, limit=limit
        )
        return [_plus(info, RunnerTaskState.NONE, info.status.location) for info in infos]

    def _active(self, state: str | None, data_source: str | None) -> Iterable[TaskStatusPlus]:
        runner = self._master.task_runner
        items = {item.task_id: item for item in runner.get_known_tasks()}
        wanted = None if state is None else RunnerTaskState[state.upper()]
        handed_over = self._master.task_queue.handed_over_task_ids()
        for info in self._master.task_queue.get_active_infos(data_source):
            item = items.get(info.id)
            runner_state = _state(info, runner, handed_over)
            if wanted is None or wanted is runner_state:
                inserted = item.queue_insertion_time if item is not None else 0
                yield _plus(info, runner_state, runner.get_task_location(info.id), inserted)


def _state(info: TaskInfo, runner: TaskRunner, handed_over: Collection[str]) -> RunnerTaskState:
    """What is shown of an active task; it waits only while the queue has not handed it to the runner.

    A runner that has done with a task no longer knows it, a moment before its end is stored: until then it runs.
    ``handed_over`` was asked for before the tasks were, so that a task that ends in between does not seem to wait.
    """
    known = runner.get_runner_task_state(info.id)
    if known is not None and known is not RunnerTaskState.NONE:
        return known
    return RunnerTaskState.RUNNING if info.id in handed_over else RunnerTaskState.WAITING


def _plus(info: TaskInfo, state: RunnerTaskState, location: TaskLocation, inserted: int = 0) -> TaskStatusPlus:
    return TaskStatusPlus(
        id=info.id,
        group_id=info.group_id,
        type=info.type,
        created_time=info.created_time,
        queue_insertion_time=inserted,
        status_code=info.status.status,
        status=info.status.status,
        runner_status_code=state,
        duration=info.status.duration,
        location=location,
        data_source=info.data_source,
        error_msg=info.status.error_msg,
    )
