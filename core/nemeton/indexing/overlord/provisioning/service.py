"""A provisioner at work: provisioning and terminating now and then, on one thread."""

from __future__ import annotations

import logging

from nemeton.common.scheduling import ScheduledExecutor
from nemeton.indexing.overlord.provisioning.provisioner import Provisioner, ProvisioningContext
from nemeton.spi.provisioning import ProvisioningService, ScalingStats
from nemeton.time import PeriodGranularity, parse_datetime

log = logging.getLogger(__name__)


class WorkerProvisioningService(ProvisioningService):
    """Provisions every ``provisionPeriod``, and terminates at ``originTime`` plus whole ``terminatePeriod``s."""

    def __init__(self, provisioner: Provisioner, context: ProvisioningContext) -> None:
        config = context.scheduler_config
        self._provisioner = provisioner
        self._clock = context.clock
        self._buckets = PeriodGranularity(config.terminate_period, parse_datetime(config.origin_time))
        self._executor = ScheduledExecutor("worker-provisioning", context.clock)
        period = config.provision_period.to_seconds()
        self._executor.schedule_with_fixed_delay(provisioner.provision, period, period)
        self._schedule_termination()
        log.info("Provisioning of workers begins, every %s", config.provision_period)

    def stats(self) -> ScalingStats:
        """See `ProvisioningService`."""
        return self._provisioner.stats

    def close(self) -> None:
        """See `ProvisioningService`."""
        self._provisioner.close()
        self._executor.shutdown()
        log.info("Provisioning of workers ends")

    def _schedule_termination(self) -> None:
        now = self._clock.now()
        due = self._buckets.increment(self._buckets.bucket_start(now))
        self._executor.schedule_if_running(self._terminate, (due - now) / 1000)

    def _terminate(self) -> None:
        try:
            self._provisioner.terminate()
        finally:
            self._schedule_termination()
