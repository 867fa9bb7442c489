"""Worker select strategies of core, and the dynamic configuration that chooses among them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task, WorkerSelectStrategy, WorkerTaskRunnerConfig

Choose = Callable[[Iterable[ImmutableWorkerInfo]], ImmutableWorkerInfo | None]


@frozen(kw_only=True)
class AffinityConfig:
    """Workers (``host:port``) by data source. ``strong``: such a data source runs on its workers or not at all."""

    affinity: dict[str, list[str]] = field(factory=dict)
    strong: bool = False


@frozen(kw_only=True)
class TaskLimits:
    """How many slots tasks of a type may have, as a number and as a share of all slots."""

    max_slot_count_by_type: dict[str, int] = field(factory=dict)
    max_slot_ratio_by_type: dict[str, float] = field(factory=dict)

    def allows(self, task: Task, workers: Iterable[ImmutableWorkerInfo]) -> bool:
        """True when one more task of the type fits within its limits."""
        count = self.max_slot_count_by_type.get(task.type)
        ratio = self.max_slot_ratio_by_type.get(task.type)
        if count is None and ratio is None:
            return True
        all_workers = list(workers)
        used = sum(worker.curr_capacity_used_by_task_type.get(task.type, 0) for worker in all_workers)
        total = sum(worker.worker.capacity for worker in all_workers)
        wanted = used + (task.resource.required_capacity if task.resource is not None else 1)
        return (count is None or wanted <= count) and (ratio is None or wanted <= max(1, int(total * ratio)))


def select_worker(
    config: WorkerTaskRunnerConfig,
    workers: Mapping[str, ImmutableWorkerInfo],
    task: Task,
    affinity: AffinityConfig | None,
    limits: TaskLimits,
    choose: Choose,
) -> ImmutableWorkerInfo | None:
    """Apply the rules that strategies share, then let ``choose`` pick among the workers that are left.

    Workers that belong to a data source's affinity are kept free of the tasks of others.
    """
    if not limits.allows(task, workers.values()):
        return None
    able = {
        host: worker
        for host, worker in workers.items()
        if worker.is_valid_version(config.min_worker_version)
        and worker.can_run_task(task, config.parallel_index_task_slot_ratio)
    }
    if affinity is None:
        return choose(able.values())
    preferred = affinity.affinity.get(task.data_source)
    if preferred is not None:
        chosen = choose(worker for host, worker in able.items() if host in preferred)
        if chosen is not None or affinity.strong:
            return chosen
    reserved = {host for hosts in affinity.affinity.values() for host in hosts}
    return choose(worker for host, worker in able.items() if host not in reserved)


@frozen(kw_only=True)
class _RankingStrategy(WorkerSelectStrategy):
    """The worker of the lowest rank; of equals the one with the smaller host name."""

    affinity_config: AffinityConfig | None = None
    task_limits: TaskLimits = field(factory=TaskLimits)

    @abstractmethod
    def _rank(self, worker: ImmutableWorkerInfo) -> int: ...

    def find_worker(
        self, config: WorkerTaskRunnerConfig, workers: Mapping[str, ImmutableWorkerInfo], task: Task
    ) -> ImmutableWorkerInfo | None:
        """See `WorkerSelectStrategy`."""
        return select_worker(config, workers, task, self.affinity_config, self.task_limits, self._choose)

    def _choose(self, workers: Iterable[ImmutableWorkerInfo]) -> ImmutableWorkerInfo | None:
        return min(workers, key=lambda worker: (self._rank(worker), worker.worker.host), default=None)


@json_type("equalDistribution")
@frozen(kw_only=True)
class EqualDistributionWorkerSelectStrategy(_RankingStrategy):
    """The worker with the most free slots; of equals the one with the smaller host name."""

    def _rank(self, worker: ImmutableWorkerInfo) -> int:
        return -worker.available_capacity


@json_type("fillCapacity")
@frozen(kw_only=True)
class FillCapacityWorkerSelectStrategy(_RankingStrategy):
    """The worker with the most slots in use that still has room, so that others stay empty."""

    def _rank(self, worker: ImmutableWorkerInfo) -> int:
        return -worker.curr_capacity_used


@frozen(kw_only=True)
class WorkerBehaviorConfig:
    """The dynamic configuration ``worker.config``. Types other than ``default`` are kept as they are in ``other``."""

    select_strategy: WorkerSelectStrategy = field(factory=EqualDistributionWorkerSelectStrategy)
    auto_scaler: Any | None = None
    type: str = "default"
