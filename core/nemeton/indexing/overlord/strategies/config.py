"""The dynamic configuration ``worker.config``."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.indexing.overlord.strategies.distribution import EqualDistributionWorkerSelectStrategy
from nemeton.spi.indexing import WorkerSelectStrategy
from nemeton.spi.provisioning import AutoScaler

_DEFAULT_STRATEGY = EqualDistributionWorkerSelectStrategy()


@frozen(kw_only=True)
class WorkerBehaviorConfig:
    """How workers are selected, and who makes them (Druid: ``DefaultWorkerBehaviorConfig``, the only type it has).

    Any other ``type`` is read as this one, as Druid does it.
    """

    type: str = field(default="default", init=False)
    _select_strategy: WorkerSelectStrategy | None = None
    auto_scaler: AutoScaler | None = None

    @property
    def select_strategy(self) -> WorkerSelectStrategy:
        """The strategy; ``equalDistribution`` where none is configured."""
        return _DEFAULT_STRATEGY if self._select_strategy is None else self._select_strategy
