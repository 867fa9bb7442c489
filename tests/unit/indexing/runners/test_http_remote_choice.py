"""Whom the runner ``httpRemote`` gives a task to: strategies, availability groups, lazy workers, provisioning."""

from attrs import frozen

from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.spi.indexing import TaskResource, WorkerSelectStrategy
from nemeton.spi.provisioning import ProvisioningService
from nemeton.testkit.waiting import eventually

from .kit import noop, result, runs


def test_the_strategy_in_force_decides_and_a_change_counts_at_once(start, fleet, cluster):
    workers = [fleet.add_worker(hold=True) for _ in range(2)]
    runner = start(*workers)
    cluster.behavior.config = WorkerBehaviorConfig(select_strategy=Only(workers[1].host))
    for name in "ab":
        runner.run(noop(name))
        runs(runner, name)
    cluster.behavior.config = WorkerBehaviorConfig(select_strategy=Only(workers[0].host))
    runner.run(noop("c"))
    runs(runner, "c")
    assert (workers[0].assigned, workers[1].assigned) == (["c"], ["a", "b"])


def test_a_strategy_that_raises_or_lies_fails_the_task(start, fleet, cluster):
    runner = start(fleet.add_worker())
    for strategy in (Raising(), Lying()):
        cluster.behavior.config = WorkerBehaviorConfig(select_strategy=strategy)
        status = result(runner.run(noop(f"a{type(strategy).__name__}")))
        assert status.error_msg == "Failed to assign this task. See overlord logs for more details."
    assert len(cluster.emitter.alerts) == 2
    cluster.behavior.config = WorkerBehaviorConfig()
    assert result(runner.run(noop("b"))).is_success


@frozen
class Only(WorkerSelectStrategy):
    host: str

    def find_worker(self, config, workers, task):
        return workers.get(self.host)


class Raising(WorkerSelectStrategy):
    def find_worker(self, config, workers, task):
        raise KeyError("no")


class Lying(WorkerSelectStrategy):
    def find_worker(self, config, workers, task):
        from attrs import evolve

        info = next(iter(workers.values()))
        return evolve(info, worker=evolve(info.worker, host="elsewhere:1"))


def test_tasks_of_one_availability_group_do_not_share_a_worker(start, fleet):
    workers = [fleet.add_worker(hold=True) for _ in range(2)]
    runner = start(*workers)
    for name in "abc":
        runner.run(noop(name, resource=TaskResource(availability_group="g")))
    eventually(lambda: sum(len(worker.assigned) for worker in workers) == 2, "two are assigned")
    assert {len(worker.assigned) for worker in workers} == {1}
    eventually(lambda: [item.task_id for item in runner.get_pending_tasks()] == ["c"], "the third waits")


def test_lazy_workers_are_idle_ones_and_get_no_tasks(start, fleet, cluster):
    idle, busy = fleet.add_worker(), fleet.add_worker(hold=True)
    runner = start(idle, busy)
    cluster.behavior.config = WorkerBehaviorConfig(select_strategy=Only(busy.host))
    runner.run(noop("a"))
    runs(runner, "a")
    assert runner.mark_workers_lazy(lambda info: True, 0) == []
    for most in (1, 2):
        assert [worker.host for worker in runner.mark_workers_lazy(lambda info: True, most)] == [idle.host]
    assert [worker.host for worker in runner.get_lazy_workers()] == [idle.host]
    assert idle.host not in runner.workers_eligible_to_run_tasks()
    cluster.hub.unannounce(idle.node)
    eventually(lambda: not runner.get_lazy_workers(), "a worker that has gone is lazy no more")


class Provisioning(NoopProvisioningStrategy):
    """Reckons with three slots for each new worker, and remembers what became of its services."""

    def __init__(self):
        self.made, self.closed = [], []

    def make_provisioning_service(self, runner):
        outer = self

        class Service(ProvisioningService):
            def close(self):
                outer.closed.append(runner)

            def stats(self):
                return "stats"

        self.made.append((runner, len(runner.get_workers())))
        return Service()

    def expected_worker_capacity(self, workers):
        return 3


def test_workers_are_provisioned_from_start_to_stop(fleet, cluster):
    cluster.hub.announce(fleet.add_worker().node)
    cluster.provisioning = Provisioning()
    runner = cluster.runner()
    assert runner.scaling_stats() is None
    runner.start()
    assert cluster.provisioning.made == [(runner, 1)], "when the workers are known"
    assert runner.scaling_stats() == "stats"
    assert runner.maximum_capacity_with_autoscale() == -1, "there is no autoscaler"
    cluster.behavior.config = WorkerBehaviorConfig(auto_scaler=Scaler())
    assert runner.maximum_capacity_with_autoscale() == 21
    runner.stop()
    assert cluster.provisioning.closed == [runner]


class Scaler:
    max_num_workers = 7
