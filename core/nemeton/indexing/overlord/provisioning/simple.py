"""The strategy ``simple``: one worker more while tasks wait, one less while workers idle."""

from __future__ import annotations

import logging
from collections.abc import Collection

from nemeton.indexing.overlord.provisioning.config import SimpleWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.provisioner import Provisioner, ProvisioningContext
from nemeton.indexing.overlord.provisioning.service import WorkerProvisioningService
from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, WorkerTaskRunner
from nemeton.spi.provisioning import AutoScaler, ProvisioningService, ProvisioningStrategy

log = logging.getLogger(__name__)


class SimpleProvisioner(Provisioner):
    """Keeps a target number of workers, and moves it by one at a time."""

    target = -1

    def _provision(self, scaler: AutoScaler) -> bool:
        workers = self.runner.get_workers()
        self.provisioning.ids -= self.node_ids(scaler, (worker.worker for worker in workers))
        self._update_target(scaler, workers)
        want = self.target - (len(self.valid_workers(workers)) + len(self.provisioning.ids))
        made = self.make_nodes(scaler, want)
        if self.provisioning.ids:
            self.give_up_overdue_provisioning(scaler)
        return made

    def _terminate(self, scaler: AutoScaler) -> bool:
        self.terminating.ids &= self.node_ids(scaler, self.runner.get_lazy_workers())
        workers = self.runner.get_workers()
        self._update_target(scaler, workers)
        if self.terminating.ids:
            self.give_up_overdue_termination()
            return False
        excess = len(workers) + len(self.provisioning.ids) - self.target
        return excess > 0 and self.end_lazy_workers(scaler, excess)

    def _update_target(self, scaler: AutoScaler, workers: Collection[ImmutableWorkerInfo]) -> None:
        fewest, most = scaler.min_num_workers, scaler.max_num_workers
        if fewest > most:
            log.error("minNumWorkers[%d] is above maxNumWorkers[%d]: the number of workers stays", fewest, most)
            return
        if self.target < 0:
            self.target = max(min(len(workers), most), fewest)
        valid = self.valid_workers(workers)
        if self.provisioning.ids or self.terminating.ids:
            return  # what is under way may already be enough
        if len(valid) >= self.target and self.target < most and (self._a_task_waits_long() or self.target < fewest):
            self.target = max(self.target + 1, fewest)
            log.info("Scaling up to %d workers; there are %d", self.target, len(valid))
        elif len(valid) == self.target and self.target > fewest and any(self.is_lazy(worker) for worker in valid):
            self.target = min(self.target - 1, most)
            log.info("Scaling down to %d workers; there are %d", self.target, len(valid))

    def _a_task_waits_long(self) -> bool:
        longest = self.config.pending_task_timeout.to_millis()
        now = self.clock.now()
        return any(now - task.queue_insertion_time >= longest for task in self.runner.get_pending_tasks())


@json_type("simple")
class SimpleWorkerProvisioningStrategy(ProvisioningStrategy):
    """``druid.indexer.autoscale.strategy.type=simple``: looks at how long tasks wait, not at how many do."""

    def __init__(self, config: SimpleWorkerProvisioningConfig, context: ProvisioningContext) -> None:
        self._config = config
        self._context = context

    def make_provisioning_service(self, runner: WorkerTaskRunner) -> ProvisioningService:
        """See `ProvisioningStrategy`."""
        return WorkerProvisioningService(SimpleProvisioner(runner, self._config, self._context), self._context)
