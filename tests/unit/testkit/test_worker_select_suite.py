"""Core's own worker select strategies keep the promises of the suite."""

from __future__ import annotations

import pytest

from nemeton.indexing.overlord.strategies import (
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
)
from nemeton.testkit.suites.worker_select import WorkerSelectStrategySuite


@pytest.mark.parametrize("kind", [EqualDistributionWorkerSelectStrategy, FillCapacityWorkerSelectStrategy])
class TestStrategies(WorkerSelectStrategySuite):
    @pytest.fixture
    def strategy(self, kind):
        return kind()
