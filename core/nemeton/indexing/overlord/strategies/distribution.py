"""Druid's worker select strategies: spread tasks evenly, or fill one worker after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from attrs import field, frozen

from nemeton.indexing.overlord.runners.eligible import most_free_first, most_used_first
from nemeton.indexing.overlord.strategies.limits import TaskLimits
from nemeton.indexing.overlord.strategies.preferences import AffinityConfig, Pool, WorkerCategorySpec, anywhere
from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task, WorkerSelectStrategy, WorkerTaskRunnerConfig


class _PoolStrategy(WorkerSelectStrategy):
    """The best worker of the first pool that has one. Of equals the one with the smaller host name (Druid: any)."""

    decides_by_shape = True

    task_limits: TaskLimits

    @abstractmethod
    def _pools(self, task: Task) -> Iterator[Pool]: ...

    @staticmethod
    @abstractmethod
    def _best_first(workers: Mapping[str, ImmutableWorkerInfo]) -> Iterable[ImmutableWorkerInfo]: ...

    def find_worker(
        self, config: WorkerTaskRunnerConfig, workers: Mapping[str, ImmutableWorkerInfo], task: Task
    ) -> ImmutableWorkerInfo | None:
        """See `WorkerSelectStrategy`."""
        if not self.task_limits.allows(task, workers):
            return None
        for pool in self._pools(task):
            for worker in self._best_first(workers):
                if (
                    pool(worker)
                    and worker.can_run_task(task, config.parallel_index_task_slot_ratio)
                    and worker.is_valid_version(config.min_worker_version)
                ):
                    return worker
        return None


@frozen(kw_only=True)
class _AffinityStrategy(_PoolStrategy):
    affinity_config: AffinityConfig | None = None
    task_limits: TaskLimits = field(factory=TaskLimits)

    def _pools(self, task: Task) -> Iterator[Pool]:
        return iter([anywhere]) if self.affinity_config is None else self.affinity_config.pools(task)


@frozen(kw_only=True)
class _CategoryStrategy(_PoolStrategy):
    worker_category_spec: WorkerCategorySpec | None = None
    task_limits: TaskLimits = field(factory=TaskLimits)

    def _pools(self, task: Task) -> Iterator[Pool]:
        return iter([anywhere]) if self.worker_category_spec is None else self.worker_category_spec.pools(task)


@json_type("equalDistribution")
@frozen(kw_only=True)
class EqualDistributionWorkerSelectStrategy(_AffinityStrategy):
    """The worker with the most free slots."""

    _best_first = staticmethod(most_free_first)


@json_type("equalDistributionWithAffinity")
@frozen(kw_only=True)
class EqualDistributionWithAffinityWorkerSelectStrategy(EqualDistributionWorkerSelectStrategy):
    """The same as ``equalDistribution``, under the name that it had when affinity was a strategy of its own."""


@json_type("equalDistributionWithCategorySpec")
@frozen(kw_only=True)
class EqualDistributionWithCategorySpecWorkerSelectStrategy(_CategoryStrategy):
    """The worker with the most free slots, among those of the category that the task's type prefers."""

    _best_first = staticmethod(most_free_first)


@json_type("fillCapacity")
@frozen(kw_only=True)
class FillCapacityWorkerSelectStrategy(_AffinityStrategy):
    """The worker with the most slots in use that still has room, so that others stay empty and can be taken away."""

    _best_first = staticmethod(most_used_first)


@json_type("fillCapacityWithAffinity")
@frozen(kw_only=True)
class FillCapacityWithAffinityWorkerSelectStrategy(FillCapacityWorkerSelectStrategy):
    """The same as ``fillCapacity``, under the name that it had when affinity was a strategy of its own."""


@json_type("fillCapacityWithCategorySpec")
@frozen(kw_only=True)
class FillCapacityWithCategorySpecWorkerSelectStrategy(_CategoryStrategy):
    """The fullest worker that still has room, among those of the category that the task's type prefers."""

    _best_first = staticmethod(most_used_first)
