"""Worker select strategies of core, and the dynamic configuration that chooses among them."""

from __future__ import annotations

from nemeton.indexing.overlord.strategies.config import WorkerBehaviorConfig
from nemeton.indexing.overlord.strategies.distribution import (
    EqualDistributionWithAffinityWorkerSelectStrategy,
    EqualDistributionWithCategorySpecWorkerSelectStrategy,
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWithAffinityWorkerSelectStrategy,
    FillCapacityWithCategorySpecWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
)
from nemeton.indexing.overlord.strategies.limits import TaskLimits
from nemeton.indexing.overlord.strategies.preferences import AffinityConfig, CategoryConfig, WorkerCategorySpec

__all__ = [
    "AffinityConfig",
    "CategoryConfig",
    "EqualDistributionWithAffinityWorkerSelectStrategy",
    "EqualDistributionWithCategorySpecWorkerSelectStrategy",
    "EqualDistributionWorkerSelectStrategy",
    "FillCapacityWithAffinityWorkerSelectStrategy",
    "FillCapacityWithCategorySpecWorkerSelectStrategy",
    "FillCapacityWorkerSelectStrategy",
    "TaskLimits",
    "WorkerBehaviorConfig",
    "WorkerCategorySpec",
]
