"""``TaskQueueFactory``: what every term's queue is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.config import DefaultTaskConfig, TaskLockConfig, TaskQueueConfig
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.queue import TaskQueue
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.json import Json
from nemeton.spi.indexing import Task, TaskActionClient, TaskContextEnricher, TaskRunner


class TaskQueueFactory:
    """Makes the queue of each term."""

    def __init__(
        self,
        config: TaskQueueConfig,
        default_task_config: DefaultTaskConfig,
        lock_config: TaskLockConfig,
        storage: TaskStorage,
        lockbox: TaskLockbox,
        enrichers: list[TaskContextEnricher],
        emitter: ServiceEmitter,
        json: Json,
        clock: Clock,
    ) -> None:
        self._make = partial(
            TaskQueue,
            config=config,
            default_task_config=default_task_config,
            lock_config=lock_config,
            storage=storage,
            lockbox=lockbox,
            json=json,
            clock=clock,
            enrichers=enrichers,
            emitter=emitter,
        )

    def make(
        self,
        runner: TaskRunner,
        action_clients: Callable[[Task], TaskActionClient],
        on_groups_end: Callable[[Sequence[Task]], object],
    ) -> TaskQueue:
        """A queue that is not started; ``on_groups_end`` hears of the last tasks of groups."""
        return self._make(runner=runner, action_clients=action_clients, on_groups_end=on_groups_end)
