"""A runner with workers, and an autoscaler, that only remember."""

import itertools

from tests.unit.recording_emitter import RecordingEmitter

from nemeton.indexing.overlord.provisioning.config import ProvisioningSchedulerConfig
from nemeton.indexing.overlord.provisioning.provisioner import ProvisioningContext
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import Worker
from nemeton.spi.indexing import ImmutableWorkerInfo, WorkerTaskRunnerConfig
from nemeton.spi.provisioning import AutoScaler, AutoScalingData

IDLE_S = 90 * 60


class Item:
    def __init__(self, task, since):
        self.task = task
        self.task_id = task.id
        self.queue_insertion_time = since


class WorkersRunner:
    """What provisioning uses of a `WorkerTaskRunner`."""

    def __init__(self, clock):
        self.clock = clock
        self.workers = {}
        self.lazy = []
        self.pending = {}

    def add_worker(self, ip, *, used=0, capacity=1, version="1", idle_s=0):
        info = ImmutableWorkerInfo(
            worker=Worker("http", f"{ip}:8091", ip, capacity, version),
            curr_capacity_used=used,
            last_completed_task_time=self.clock.now() - idle_s * 1000,
        )
        self.workers[info.worker.host] = info

    def remove_worker(self, ip):
        host = f"{ip}:8091"
        self.workers.pop(host)
        self.lazy = [worker for worker in self.lazy if worker.host != host]

    def add_pending(self, *tasks, waits_s=60):
        for task in tasks or [NoopTask()]:
            self.pending[task.id] = Item(task, self.clock.now() - waits_s * 1000)

    def get_workers(self):
        return list(self.workers.values())

    def get_lazy_workers(self):
        return list(self.lazy)

    def mark_workers_lazy(self, is_lazy_worker, max_lazy_workers):
        for info in self.workers.values():
            idle = info.curr_capacity_used == 0 and info.worker not in self.lazy
            if len(self.lazy) < max_lazy_workers and idle and is_lazy_worker(info):
                self.lazy.append(info.worker)
        return list(self.lazy)

    def get_pending_tasks(self):
        return list(self.pending.values())

    def get_pending_task_payloads(self):
        return [item.task for item in self.pending.values()]


class FakeScaler(AutoScaler):
    """Its nodes have the ids ``node-<ip>``; it makes one at a time, unless ``makes`` says otherwise."""

    def __init__(self, fewest=0, most=10):
        self.min_num_workers = fewest
        self.max_num_workers = most
        self.makes = lambda: [f"node-new{next(self._numbers)}"]
        self._numbers = itertools.count()
        self.made = []
        self.ended = []
        self.given_up = []

    def provision(self):
        ids = self.makes()
        self.made += ids or []
        return None if ids is None else AutoScalingData(ids)

    def terminate(self, addresses):
        self.ended += addresses
        return AutoScalingData(self.ip_to_id_lookup(addresses))

    def terminate_with_ids(self, ids):
        self.given_up += ids
        return AutoScalingData(list(ids))

    def ip_to_id_lookup(self, addresses):
        return [f"node-{address}" for address in addresses]


class Behavior:
    """Stands for the provider of the worker configuration."""

    def __init__(self, scaler, strategy=None):
        self.config = WorkerBehaviorConfig(select_strategy=strategy, auto_scaler=scaler)

    def current(self):
        return self.config


def context_of(scaler, clock, strategy=None, min_version="0", scheduler=None):
    return ProvisioningContext(
        Behavior(scaler, strategy),
        scheduler or ProvisioningSchedulerConfig(do_autoscale=True),
        WorkerTaskRunnerConfig(min_worker_version=min_version),
        RecordingEmitter(),
        clock,
    )
