"""The strategy ``pendingTaskBased``: as many workers as the tasks that wait would fill."""

from __future__ import annotations

import logging
from collections.abc import Collection

from attrs import evolve

from nemeton.indexing.overlord.provisioning.config import PendingTaskBasedWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.provisioner import Provisioner, ProvisioningContext
from nemeton.indexing.overlord.provisioning.service import WorkerProvisioningService
from nemeton.model import Worker
from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task, WorkerTaskRunner
from nemeton.spi.provisioning import AutoScaler, ProvisioningService, ProvisioningStrategy

log = logging.getLogger(__name__)


class PendingTaskBasedProvisioner(Provisioner):
    """Tries to assign the tasks that wait, with the configured select strategy, and counts the workers that lack."""

    config: PendingTaskBasedWorkerProvisioningConfig

    def auto_scaler(self, action: str) -> AutoScaler | None:
        """See `Provisioner`; None also where no capacity is known from which to reckon."""
        scaler = super().auto_scaler(action)
        if scaler is not None and scaler.min_num_workers == 0 and self.config.worker_capacity_hint <= 0:
            log.error(
                "As minNumWorkers is set to 0, workerCapacityHint must be greater than 0. "
                "workerCapacityHint value set is %d; cannot %s workers",
                self.config.worker_capacity_hint,
                action,
            )
            return None
        return scaler

    def _provision(self, scaler: AutoScaler) -> bool:
        workers = self.runner.get_workers()
        self.provisioning.ids -= self.node_ids(scaler, (worker.worker for worker in workers))
        if not self.provisioning.ids:
            return self.make_nodes(scaler, self._lacking(scaler, workers))
        self.give_up_overdue_provisioning(scaler)
        return False

    def _terminate(self, scaler: AutoScaler) -> bool:
        if self.provisioning.ids:
            return False
        workers = self.runner.get_workers()
        self.terminating.ids &= self.node_ids(scaler, self.runner.get_lazy_workers())
        if not self.terminating.ids:
            return self.end_lazy_workers(scaler, self._most_to_end(scaler, workers))
        self.give_up_overdue_termination()
        return False

    def _most_to_end(self, scaler: AutoScaler, workers: Collection[ImmutableWorkerInfo]) -> int:
        """All workers whose version does not count, and of the others those above the fewest."""
        valid = len(self.valid_workers(workers))
        return len(workers) - valid + max(0, min(self.config.max_scaling_step, valid - scaler.min_num_workers))

    def _lacking(self, scaler: AutoScaler, workers: Collection[ImmutableWorkerInfo]) -> int:
        fewest, most = scaler.min_num_workers, scaler.max_num_workers
        valid = self.valid_workers(workers)
        if not valid and self.config.worker_capacity_hint <= 0:
            for_tasks = fewest  # nobody knows what a worker holds: see first what comes
        else:
            for_tasks = self._workers_for_pending_tasks(valid, expected_capacity(self.config, workers))
        want = max(fewest - len(valid), min(self.config.max_scaling_step, for_tasks))
        if want > 0 and len(valid) >= most:
            log.warning("%d more workers are wanted, but there are [%d] and may be [%d]", want, len(valid), most)
            return 0
        return min(want, most - len(valid))

    def _workers_for_pending_tasks(self, valid: Collection[ImmutableWorkerInfo], capacity: int) -> int:
        """How many workers lack, at most a scaling step, if the tasks were assigned as the runner would."""
        strategy = self.context.behavior.current().select_strategy
        runner_config = self.context.runner_config
        workers = {worker.worker.host: worker for worker in valid}
        lacking = 0
        for task in self.runner.get_pending_task_payloads():
            worker = strategy.find_worker(runner_config, workers, task)
            if worker is None:
                worker = _imagined(f"dummy {lacking}", capacity, runner_config.min_worker_version)
                lacking += 1
            workers[worker.worker.host] = _with_task(worker, task)
            if lacking >= self.config.max_scaling_step:
                break
        return lacking


def expected_capacity(
    config: PendingTaskBasedWorkerProvisioningConfig, workers: Collection[ImmutableWorkerInfo]
) -> int:
    """The slots of a new worker: those of a worker that there is, or the hint, or 1."""
    return next((worker.worker.capacity for worker in workers), max(1, config.worker_capacity_hint))


def _imagined(host: str, capacity: int, version: str) -> ImmutableWorkerInfo:
    return ImmutableWorkerInfo(worker=Worker("http", host, "-2", capacity, version))


def _with_task(worker: ImmutableWorkerInfo, task: Task) -> ImmutableWorkerInfo:
    """The worker with the task on it. A task takes all slots that it needs, where Druid counts one here."""
    assert task.resource is not None
    slots = task.resource.required_capacity
    by_type = dict(worker.curr_capacity_used_by_task_type)
    by_type[task.type] = by_type.get(task.type, 0) + slots
    parallel = slots if task.type == "index_parallel" else 0
    return evolve(
        worker,
        curr_capacity_used=worker.curr_capacity_used + slots,
        curr_parallel_index_capacity_used=worker.curr_parallel_index_capacity_used + parallel,
        curr_capacity_used_by_task_type=by_type,
        availability_groups=worker.availability_groups | {task.resource.availability_group},
        running_tasks=worker.running_tasks | {task.id},
    )


@json_type("pendingTaskBased")
class PendingTaskBasedWorkerProvisioningStrategy(ProvisioningStrategy):
    """``druid.indexer.autoscale.strategy.type=pendingTaskBased``."""

    def __init__(self, config: PendingTaskBasedWorkerProvisioningConfig, context: ProvisioningContext) -> None:
        self._config = config
        self._context = context

    def make_provisioning_service(self, runner: WorkerTaskRunner) -> ProvisioningService:
        """See `ProvisioningStrategy`."""
        provisioner = PendingTaskBasedProvisioner(runner, self._config, self._context)
        return WorkerProvisioningService(provisioner, self._context)

    def expected_worker_capacity(self, workers: Collection[ImmutableWorkerInfo]) -> int:
        """See `ProvisioningStrategy`."""
        return expected_capacity(self._config, workers)
