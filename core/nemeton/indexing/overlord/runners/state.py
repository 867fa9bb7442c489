"""What a runner's parts share: its tasks, its workers, and the lock over both."""

from __future__ import annotations

import threading

from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.fleet import Fleet
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.pending import PendingTasks
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem, WorkItems
from nemeton.model import Worker


class RunnerState:
    """Druid's status lock and what it guards; one for each life of a runner.

    Whoever holds `lock` neither calls over the network, nor completes a future, nor calls a listener.
    """

    def __init__(self, config: RemoteTaskRunnerConfig) -> None:
        self.lock = threading.RLock()
        self.items = WorkItems()
        self.pending = PendingTasks()
        self.fleet = Fleet(config)

    def assign(self, item: RemoteWorkItem, holder: WorkerHolder, deadline: float) -> None:
        """The item gets this worker, which gets no other item until it has acknowledged it."""
        self.items.move(item, ItemState.PENDING_WORKER_ASSIGN, holder.worker)
        self.fleet.expect(holder.host, item, deadline)

    def take_back(self, item: RemoteWorkItem) -> bool:
        """The assignment did not come about: the item waits again. False when it has gone on by other ways."""
        self.fleet.settle(item.host, item)
        if item.state is not ItemState.PENDING_WORKER_ASSIGN or self.items.get(item.task_id) is not item:
            return False
        self.items.move(item, ItemState.PENDING)
        item.worker = None
        self.pending.add(item)
        return True

    def runs_on(self, item: RemoteWorkItem, worker: Worker, *, acknowledged: bool) -> None:
        """The worker has the item, by its own word where it is ``acknowledged``."""
        if acknowledged or item.host != worker.host:
            self.fleet.settle(item.host, item)
        self.items.move(item, ItemState.RUNNING, worker)
        item.acknowledged = acknowledged

    def end(self, item: RemoteWorkItem) -> bool:
        """The item has ended; False when that was known."""
        if item.state is ItemState.COMPLETE or self.items.get(item.task_id) is not item:
            return False
        self.fleet.settle(item.host, item)
        self.items.move(item, ItemState.COMPLETE)
        return True

    def forget(self, item: RemoteWorkItem) -> None:
        """Nobody asks for the item any more."""
        self.fleet.settle(item.host, item)
        self.items.remove(item)
        item.state = ItemState.COMPLETE  # for whoever still holds it
