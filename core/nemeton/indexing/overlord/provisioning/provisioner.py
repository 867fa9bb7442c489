"""What the provisioning strategies share: nodes under way, and the asking of the autoscaler."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable

from attrs import define, field, frozen

from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.provisioning.config import ProvisioningSchedulerConfig, SimpleWorkerProvisioningConfig
from nemeton.indexing.overlord.worker_behavior import WorkerBehaviorConfigProvider
from nemeton.model import Worker
from nemeton.spi.indexing import ImmutableWorkerInfo, WorkerTaskRunner, WorkerTaskRunnerConfig
from nemeton.spi.provisioning import AutoScaler, ScalingStats

log = logging.getLogger(__name__)


@define(eq=False)
class NodesUnderWay:
    """Nodes that are being made, or unmade: ``since`` is when the latest joined them, in epoch milliseconds."""

    since: int
    ids: set[str] = field(factory=set)

    def add(self, ids: Iterable[str], now: int) -> None:
        """Nodes join them now."""
        self.ids.update(ids)
        self.since = now


@frozen(eq=False)
class ProvisioningContext:
    """What every provisioner works with; made by the injector."""

    behavior: WorkerBehaviorConfigProvider
    scheduler_config: ProvisioningSchedulerConfig
    runner_config: WorkerTaskRunnerConfig
    emitter: ServiceEmitter
    clock: Clock


class Provisioner(ABC):
    """Decides and acts, on one thread at a time; one for each term of a runner."""

    def __init__(
        self, runner: WorkerTaskRunner, config: SimpleWorkerProvisioningConfig, context: ProvisioningContext
    ) -> None:
        self.runner = runner
        self.config = config
        self.context = context
        self.clock = context.clock
        self.stats = ScalingStats(config.num_events_to_track, self.clock)
        self.provisioning = NodesUnderWay(self.clock.now())
        self.terminating = NodesUnderWay(self.clock.now())
        self._min_version = config.worker_version or context.runner_config.min_worker_version
        self._lock = threading.Lock()
        self._closed = False

    # ---- called by the service

    def provision(self) -> bool:
        """Make workers, if need be; whether any are being made now that were not before."""
        with self._lock:
            scaler = self.auto_scaler("provision")
            return scaler is not None and self._provision(scaler)

    def terminate(self) -> bool:
        """End workers, if they idle; whether any are being ended now that were not before."""
        with self._lock:
            scaler = self.auto_scaler("terminate")
            return scaler is not None and self._terminate(scaler)

    def close(self) -> None:
        """Begin nothing any more: the runner stops, perhaps because another Overlord leads."""
        self._closed = True

    # ---- what strategies decide

    @abstractmethod
    def _provision(self, scaler: AutoScaler) -> bool: ...

    @abstractmethod
    def _terminate(self, scaler: AutoScaler) -> bool: ...

    # ---- what they decide with

    def auto_scaler(self, action: str) -> AutoScaler | None:
        """The configured autoscaler; None, and a log, when there is none."""
        scaler = self.context.behavior.current().auto_scaler
        if scaler is None:
            log.error("The worker configuration has no autoScaler, cannot %s workers", action)
        return scaler

    def is_valid(self, worker: ImmutableWorkerInfo) -> bool:
        """Whether the worker's version is one that counts."""
        return worker.is_valid_version(self._min_version)

    def is_lazy(self, worker: ImmutableWorkerInfo) -> bool:
        """Whether the worker may be ended, for it has completed nothing for long or its version does not count."""
        idle_ms = self.clock.now() - worker.last_completed_task_time
        return idle_ms >= self.config.worker_idle_timeout.to_millis() or not self.is_valid(worker)

    def valid_workers(self, workers: Collection[ImmutableWorkerInfo]) -> list[ImmutableWorkerInfo]:
        """The workers whose version counts."""
        return [worker for worker in workers if self.is_valid(worker)]

    def node_ids(self, scaler: AutoScaler, workers: Iterable[Worker]) -> set[str]:
        """The autoscaler's ids of the nodes that the workers are on."""
        return set(scaler.ip_to_id_lookup([scaler.address_of(worker) for worker in workers]))

    # ---- acting

    def make_nodes(self, scaler: AutoScaler, want: int) -> bool:
        """Ask for nodes until there are as many as wanted, or none come; whether any came."""
        came = False
        while want > 0 and not self._closed:
            made = scaler.provision()
            if made is None or not made.node_ids:
                log.warning("The autoscaler made no node; %d more are wanted", want)
                break
            log.info("Provisioned %s", made.node_ids)
            self.provisioning.add(made.node_ids, self.clock.now())
            self.stats.add_provision_event(made)
            want -= len(made.node_ids)
            came = True
        return came

    def end_lazy_workers(self, scaler: AutoScaler, most: int) -> bool:
        """Mark workers that idle, at most so many in all, and have them ended; whether any are."""
        lazy = [scaler.address_of(worker) for worker in self.runner.mark_workers_lazy(self.is_lazy, most)]
        if not lazy or self._closed:
            return False
        log.info("Terminating %d lazy workers: %s", len(lazy), ", ".join(lazy))
        ended = scaler.terminate(lazy)
        if ended is None:
            return False
        self.terminating.add(ended.node_ids, self.clock.now())
        self.stats.add_terminate_event(ended)
        return True

    def give_up_overdue_provisioning(self, scaler: AutoScaler) -> None:
        """Nodes that have not become workers in ``maxScalingDuration`` are ended, and forgotten."""
        if self._is_overdue(self.provisioning, "provisioning", "Provision"):
            scaler.terminate_with_ids(sorted(self.provisioning.ids))
            self.provisioning.ids.clear()

    def give_up_overdue_termination(self) -> None:
        """Nodes that have not gone in ``maxScalingDuration`` are forgotten: others may be terminated."""
        if self._is_overdue(self.terminating, "termination", "Terminate"):
            self.terminating.ids.clear()

    def _is_overdue(self, nodes: NodesUnderWay, what: str, last: str) -> bool:
        waited = self.clock.now() - nodes.since
        log.info("%s of %s is under way since %d ms", what.capitalize(), sorted(nodes.ids), waited)
        if waited <= self.config.max_scaling_duration.to_millis():
            return False
        count = {"provisioning": "provisioningCount", "termination": "terminatingCount"}[what]
        self.context.emitter.alert(
            f"Worker node {what} taking too long!", data={f"millisSinceLast{last}": waited, count: len(nodes.ids)}
        )
        return True
