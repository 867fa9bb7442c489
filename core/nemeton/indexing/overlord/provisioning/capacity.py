"""How many slots there could be, at the autoscaler's largest."""

from __future__ import annotations

from collections.abc import Collection

from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.spi.indexing import ImmutableWorkerInfo
from nemeton.spi.provisioning import ProvisioningStrategy


def maximum_capacity_with_autoscale(
    behavior: WorkerBehaviorConfig, strategy: ProvisioningStrategy, workers: Collection[ImmutableWorkerInfo]
) -> int:
    """What runners answer under that name; -1 without an autoscaler, or when the strategy knows no capacity."""
    if behavior.auto_scaler is None:
        return -1
    capacity = strategy.expected_worker_capacity(workers)
    return -1 if capacity == -1 else behavior.auto_scaler.max_num_workers * capacity
