"""Provisioning that does nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen

from nemeton.plugins import json_type
from nemeton.spi.indexing import WorkerTaskRunner
from nemeton.spi.provisioning import AutoScaler, AutoScalingData, ProvisioningService, ProvisioningStrategy

log = logging.getLogger(__name__)


class NoopProvisioningService(ProvisioningService):
    """Leaves the workers as they are."""

    def close(self) -> None:
        """Nothing is to be closed."""


@json_type("noop")
class NoopProvisioningStrategy(ProvisioningStrategy):
    """Leaves the workers as they are; what runners get while ``doAutoscale`` is false."""

    def make_provisioning_service(self, runner: WorkerTaskRunner) -> ProvisioningService:
        """See `ProvisioningStrategy`."""
        return NoopProvisioningService()


@json_type("noop", "NoopAutoScaler")  # the second is the name that Druid writes for it
@frozen
class NoopAutoScaler(AutoScaler):
    """Only logs what should be done."""

    min_num_workers: ClassVar[int] = 0
    max_num_workers: ClassVar[int] = 0

    def provision(self) -> AutoScalingData | None:
        """See `AutoScaler`."""
        log.info("A worker is wanted; the autoscaler [noop] makes none")
        return None

    def terminate(self, addresses: Sequence[str]) -> AutoScalingData | None:
        """See `AutoScaler`."""
        log.info("The workers %s are not wanted any more; the autoscaler [noop] leaves them", list(addresses))
        return None

    def terminate_with_ids(self, ids: Sequence[str]) -> AutoScalingData | None:
        """See `AutoScaler`."""
        return self.terminate(ids)

    def ip_to_id_lookup(self, addresses: Sequence[str]) -> list[str]:
        """See `AutoScaler`."""
        return list(addresses)

    def id_to_ip_lookup(self, ids: Sequence[str]) -> list[str]:
        """See `AutoScaler`."""
        return list(ids)
