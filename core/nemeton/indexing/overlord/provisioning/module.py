"""Bindings of provisioning."""

from __future__ import annotations

from typing import Annotated

from nemeton.indexing.overlord.provisioning.config import (
    PendingTaskBasedWorkerProvisioningConfig,
    ProvisioningSchedulerConfig,
    SimpleWorkerProvisioningConfig,
)
from nemeton.indexing.overlord.provisioning.local.nodes import LocalNodes
from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.provisioning.provisioner import ProvisioningContext
from nemeton.indexing.overlord.worker_behavior import WorkerBehaviorConfigProvider
from nemeton.inject import Binder, Module, Named, Provider
from nemeton.spi.indexing import WorkerTaskRunnerConfig
from nemeton.spi.provisioning import ProvisioningStrategy


class ProvisioningModule(Module):
    """``ProvisioningStrategy``: the chosen one, or one that does nothing unless ``doAutoscale`` is true."""

    def configure(self, binder: Binder) -> None:
        """``druid.indexer.autoscale.*``, and the worker configuration, which has the autoscaler."""
        for config in (
            ProvisioningSchedulerConfig,
            SimpleWorkerProvisioningConfig,
            PendingTaskBasedWorkerProvisioningConfig,
        ):
            binder.bind_config("druid.indexer.autoscale", config)
        binder.bind_config("druid.indexer.runner", WorkerTaskRunnerConfig)
        binder.bind(WorkerBehaviorConfigProvider)
        binder.bind(ProvisioningContext)
        binder.bind(LocalNodes)
        binder.manage_lifecycle(LocalNodes)
        binder.bind_choice(
            ProvisioningStrategy, "druid.indexer.autoscale.strategy.type", default="simple", name="chosen"
        )
        binder.bind(ProvisioningStrategy, provider=_strategy)


def _strategy(
    config: ProvisioningSchedulerConfig,
    chosen: Annotated[Provider[ProvisioningStrategy], Named("chosen")],
) -> ProvisioningStrategy:
    return chosen() if config.do_autoscale else NoopProvisioningStrategy()
