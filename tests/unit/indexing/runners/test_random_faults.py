"""Any course of faults: every task ends, once; nothing is owed at the end; the indexes are those of a fresh look."""

from __future__ import annotations

import random
import threading

import pytest

from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.testkit.suites.task_runner import RecordingListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Period

from .kit import noop

TASKS = 60
ROUNDS = 25
QUICK = {"task_assignment_timeout": Period(seconds=2), "task_cleanup_timeout": Period(seconds=1)}


class HttpFaults:
    """Workers that are killed, restarted, frozen, disabled, lost to discovery, and that forget tasks."""

    def __init__(self, cluster, fleet, dice):
        self.cluster, self.dice = cluster, dice
        self.workers = [fleet.add_worker(capacity=4) for _ in range(4)]
        self.announced = set(self.workers)
        for worker in self.workers:
            cluster.hub.announce(worker.node)

    def one(self):
        worker = self.dice.choice(self.workers)
        self.dice.choice([self.restart, self.freeze, self.disable, self.lose, self.refuse, self.forget])(worker)

    def restart(self, worker):
        worker.restart()

    def freeze(self, worker):
        worker.freeze()
        threading.Timer(self.dice.random() / 3, worker.thaw).start()

    def disable(self, worker):
        worker.set_disabled(not worker.disabled)

    def lose(self, worker):
        if worker in self.announced:
            self.cluster.hub.unannounce(worker.node)
        else:
            self.cluster.hub.announce(worker.node)
        self.announced ^= {worker}

    def refuse(self, worker):
        worker.answer_assign = self.dice.choice([None, 400, 500, 503])

    def forget(self, worker):
        running = list(worker.tasks)
        if running:
            worker.forget(self.dice.choice(running))

    def put_right(self):
        for worker in self.workers:
            worker.answer_assign = None
            worker.set_disabled(False)
            if worker not in self.announced:
                self.lose(worker)


class ZkFaults(HttpFaults):
    """Workers whose announcements and status nodes go, and that are disabled."""

    def __init__(self, cluster, fleet, dice):
        self.cluster, self.dice = cluster, dice
        self.workers = [cluster.add_worker(fleet, capacity=4) for _ in range(4)]
        self.announced = set(self.workers)

    def one(self):
        worker = self.dice.choice(self.workers)
        self.dice.choice([self.disable, self.lose, self.forget, self.be_silent])(worker)

    def disable(self, worker):
        if worker in self.announced:
            worker.update(version=self.dice.choice(["", "0"]))

    def lose(self, worker):
        worker.unannounce() if worker in self.announced else worker.announce()
        self.announced ^= {worker}

    def forget(self, worker):
        for task_id in list(self.cluster.nodes("status", worker.worker.host))[:1]:
            if self.cluster.client.exists(worker.path("status", task_id)):
                self.cluster.client.delete(worker.path("status", task_id))

    def be_silent(self, worker):
        worker.worker.silent = not worker.worker.silent

    def put_right(self):
        for worker in self.workers:
            worker.worker.silent = False
            if worker not in self.announced:
                self.lose(worker)
            worker.update(version="0")


def run_through(runner, faults, dice, cluster):
    listener = RecordingListener()
    runner.start()
    runner.register_listener(listener)
    futures = {}
    for number in range(ROUNDS):
        for _ in range(TASKS // ROUNDS + 1):
            task = noop(f"t{len(futures)}", dice.choice([0, 20, 150]))
            futures[task.id] = runner.run(task)
        faults.one()
        if number % 5 == 4 and futures:
            runner.shutdown(dice.choice(list(futures)), "as the dice want it")
        threading.Event().wait(dice.random() / 20)
    faults.put_right()
    eventually(lambda: all(future.done() for future in futures.values()), "all tasks end", 60)
    for task_id in futures:
        runner.shutdown(task_id, "recorded")
    state = runner._state
    eventually(lambda: not state.fleet.unacknowledged, "nothing is owed", 30)
    eventually(lambda: all(listener.ended(task_id) for task_id in futures), "all ends are told of")
    for task_id in futures:
        told = [status for heard, status in listener.statuses if heard == task_id and status.is_complete]
        assert told == [futures[task_id].result()], f"{task_id} ends once"
    check_indexes(state)


def check_indexes(state):
    with state.lock:
        for host, info in state.fleet.eligible.items():
            assert info is state.fleet.get(host).info
        infos = list(state.fleet.eligible.values())
        assert state.fleet.eligible.total_capacity == sum(info.worker.capacity for info in infos)
        in_order = [info.worker.host for info in state.fleet.eligible.most_free_first()]
        assert sorted(in_order) == sorted(info.worker.host for info in infos if info.available_capacity > 0)
        assert not list(state.pending.in_order(by_shape=False))


SEEDS = [1, 2, pytest.param(random.SystemRandom().randrange(10**9), id="any")]


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_workers_over_http(seed, cluster, fleet):
    print("seed", seed)
    dice = random.Random(seed)
    faults = HttpFaults(cluster, fleet, dice)
    config = HttpRemoteTaskRunnerConfig(sync_request_timeout=Period(seconds=5))
    run_through(cluster.runner(config, **QUICK), faults, dice, cluster)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_workers_in_zookeeper(seed, zk_cluster, fleet):
    print("seed", seed)
    dice = random.Random(seed)
    faults = ZkFaults(zk_cluster, fleet, dice)
    run_through(zk_cluster.runner(**QUICK), faults, dice, zk_cluster)
