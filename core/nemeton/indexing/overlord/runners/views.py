"""What a runner with a fleet of workers shows of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from nemeton.indexing.overlord.runners.state import RunnerState
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.model import TaskLocation, Worker
from nemeton.spi.indexing import ImmutableWorkerInfo, RunnerTaskState, Task, WorkerTaskRunner


class FleetView(WorkerTaskRunner):
    """The half of the runner that answers questions; copies under the lock, nothing else."""

    _state: RunnerState

    # ---- workers

    def get_workers(self) -> Collection[ImmutableWorkerInfo]:
        """See :class:`WorkerTaskRunner`."""
        with self._state.lock:
            return [holder.info for holder in self._state.fleet.holders()]

    def get_lazy_workers(self) -> Collection[Worker]:
        """See :class:`WorkerTaskRunner`."""
        with self._state.lock:
            return self._state.fleet.lazy_workers

    def mark_workers_lazy(
        self, is_lazy_worker: Callable[[ImmutableWorkerInfo], bool], max_lazy_workers: int
    ) -> Collection[Worker]:
        """See :class:`WorkerTaskRunner`. The lock keeps tasks from being assigned meanwhile."""
        with self._state.lock:
            fleet, items = self._state.fleet, self._state.items
            fleet.mark_lazy(lambda holder: not items.running_on(holder.host), is_lazy_worker, max_lazy_workers)
            return fleet.lazy_workers

    def get_pending_task_payloads(self) -> Collection[Task]:
        """See :class:`WorkerTaskRunner`."""
        return [item.task for item in self.get_pending_tasks() if item.task is not None]

    def get_blacklisted_workers(self) -> Collection[ImmutableWorkerInfo]:
        """See :class:`WorkerTaskRunner`."""
        with self._state.lock:
            return [holder.info for holder in self._state.fleet.blacklist.holders()]

    # ---- tasks

    def get_known_tasks(self) -> Collection[RemoteWorkItem]:
        """See :class:`TaskRunner`."""
        with self._state.lock:
            return self._state.items.all()

    def get_running_tasks(self) -> Collection[RemoteWorkItem]:
        """See :class:`TaskRunner`."""
        with self._state.lock:
            return self._state.items.in_state(ItemState.RUNNING)

    def get_pending_tasks(self) -> Collection[RemoteWorkItem]:
        """See :class:`TaskRunner`."""
        with self._state.lock:
            return self._state.items.in_state(ItemState.PENDING_WORKER_ASSIGN, ItemState.PENDING)

    def get_runner_task_state(self, task_id: str) -> RunnerTaskState | None:
        """See :class:`TaskRunner`."""
        item = self._state.items.get(task_id)
        return None if item is None else item.state.runner_state

    def get_task_location(self, task_id: str) -> TaskLocation:
        """See :class:`TaskRunner`."""
        item = self._state.items.get(task_id)
        return TaskLocation() if item is None else item.location

    # ---- slots

    def total_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return by_category((info.worker, info.worker.capacity) for info in self.get_workers())

    def idle_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`: of the workers that may get tasks now."""
        with self._state.lock:
            return by_category((info.worker, info.available_capacity) for info in self._state.fleet.eligible.values())

    def used_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return by_category((info.worker, info.curr_capacity_used) for info in self.get_workers())

    def total_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return sum(info.worker.capacity for info in self.get_workers())

    def used_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return sum(info.curr_capacity_used for info in self.get_workers())


def by_category(workers: Iterable[tuple[Worker, int]]) -> dict[str, int]:
    """Sum up numbers of slots by the workers' category."""
    totals: dict[str, int] = {}
    for worker, slots in workers:
        totals[worker.category] = totals.get(worker.category, 0) + slots
    return totals
