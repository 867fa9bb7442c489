"""The strategy `pendingTaskBased`: as many workers as the tasks that wait would fill."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.provisioning.config import PendingTaskBasedWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.provisioning.pending_tasks import (
    PendingTaskBasedProvisioner,
    PendingTaskBasedWorkerProvisioningStrategy,
)
from nemeton.indexing.overlord.strategies import (
    AffinityConfig,
    EqualDistributionWorkerSelectStrategy,
)
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.spi.indexing import TaskResource

from .fakes import IDLE_S, FakeScaler, WorkersRunner, context_of


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def runner(clock):
    return WorkersRunner(clock)


def make(runner, scaler, strategy=None, **config):
    config = PendingTaskBasedWorkerProvisioningConfig(**{"worker_version": "1", **config})
    return PendingTaskBasedProvisioner(runner, config, context_of(scaler, runner.clock, strategy, min_version="1"))


def tasks(count, **fields):
    return [NoopTask(**fields) for _ in range(count)]


@pytest.mark.parametrize(
    ("waiting", "capacity", "expected"), [(0, 2, 0), (1, 2, 1), (2, 2, 1), (3, 2, 2), (7, 3, 3), (100, 1, 9)]
)
def test_as_many_workers_as_the_waiting_tasks_would_fill(runner, waiting, capacity, expected):
    scaler = FakeScaler(fewest=1, most=10)
    runner.add_worker("a", used=capacity, capacity=capacity)
    runner.add_pending(*tasks(waiting)) if waiting else None
    assert make(runner, scaler).provision() == (expected > 0)
    assert len(scaler.made) == expected


def test_free_slots_are_filled_first(runner):
    scaler = FakeScaler(fewest=1)
    runner.add_worker("a", used=1, capacity=4)
    runner.add_pending(*tasks(3))
    assert not make(runner, scaler).provision()
    runner.add_pending(*tasks(1))
    assert make(runner, scaler).provision()
    assert len(scaler.made) == 1


def test_at_most_a_scaling_step_at_a_time(runner):
    scaler = FakeScaler(fewest=1, most=100)
    runner.add_worker("a", used=1)
    runner.add_pending(*tasks(50))
    assert make(runner, scaler, max_scaling_step=4).provision()
    assert len(scaler.made) == 4


def test_nothing_more_while_nodes_are_under_way(runner):
    scaler = FakeScaler(fewest=1)
    provisioner = make(runner, scaler)
    runner.add_worker("a", used=1)
    runner.add_pending(*tasks(2))
    assert provisioner.provision()
    runner.add_worker("new0", used=1)
    assert not provisioner.provision(), "the second has not come yet"
    assert len(scaler.made) == 2


def test_nodes_that_do_not_come_are_given_up_with_an_alert(runner, clock):
    scaler = FakeScaler(fewest=1)
    provisioner = make(runner, scaler)
    provisioner.provision()
    clock.advance(15 * 60 + 1)
    assert not provisioner.provision()
    assert scaler.given_up == ["node-new0"]
    assert provisioner.context.emitter.alerts[0][0] == "Worker node provisioning taking too long!"
    assert provisioner.provision()


def test_the_configured_strategy_decides_what_a_waiting_task_needs(runner):
    affinity = AffinityConfig(affinity={"ds": ["nobody:1"]}, strong=True)
    strategy = EqualDistributionWorkerSelectStrategy(affinity_config=affinity)
    scaler = FakeScaler(fewest=1)
    runner.add_worker("a", capacity=4)
    runner.add_pending(*tasks(2, data_source="free"))
    assert not make(runner, scaler, strategy).provision()
    runner.add_pending(*tasks(1, data_source="ds"))
    assert make(runner, scaler, strategy).provision(), "its worker is not here"


def test_an_availability_group_needs_a_worker_for_each_of_its_tasks(runner):
    scaler = FakeScaler(fewest=1)
    runner.add_worker("a", capacity=4)
    runner.add_pending(*tasks(3, resource=TaskResource(availability_group="replicas")))
    assert make(runner, scaler).provision()
    assert len(scaler.made) == 2


def test_a_task_takes_all_the_slots_that_it_needs(runner):
    scaler = FakeScaler(fewest=1)
    runner.add_worker("a", capacity=2)
    wide = [NoopTask(resource=TaskResource(availability_group=g, required_capacity=2)) for g in "xyz"]
    runner.add_pending(*wide)
    assert make(runner, scaler).provision()
    assert len(scaler.made) == 2


def test_without_workers_the_fewest_are_made_to_see_what_they_hold(runner):
    scaler = FakeScaler(fewest=2)
    runner.add_pending(*tasks(9))
    assert make(runner, scaler).provision()
    assert len(scaler.made) == 2


def test_without_workers_the_hint_says_what_one_holds(runner):
    scaler = FakeScaler(fewest=0)
    runner.add_pending(*tasks(9))
    assert make(runner, scaler, worker_capacity_hint=4).provision()
    assert len(scaler.made) == 3


def test_no_fewest_and_no_hint_is_refused_in_the_log(runner, caplog):
    scaler = FakeScaler(fewest=0)
    runner.add_pending(*tasks(9))
    runner.add_worker("a", idle_s=IDLE_S)
    assert not make(runner, scaler).provision()
    assert not make(runner, scaler).terminate()
    assert "workerCapacityHint must be greater than 0. workerCapacityHint value set is -1" in caplog.text


def test_idle_workers_end_down_to_the_fewest(runner):
    scaler = FakeScaler(fewest=1)
    for name in "abcd":
        runner.add_worker(name, idle_s=IDLE_S)
    runner.add_worker("busy", used=1, idle_s=IDLE_S)
    provisioner = make(runner, scaler)
    assert provisioner.terminate()
    assert sorted(scaler.ended) == list("abcd")
    assert not provisioner.terminate(), "they have not gone yet"


def test_a_scaling_step_bounds_how_many_end_but_for_those_of_an_old_version(runner):
    scaler = FakeScaler(fewest=1)
    for name in "abcd":
        runner.add_worker(name, idle_s=IDLE_S)
    for name in ("old1", "old2"):
        runner.add_worker(name, version="0")
    assert make(runner, scaler, max_scaling_step=1).terminate()
    assert len(scaler.ended) == 3


def test_nothing_ends_while_nodes_are_under_way(runner):
    scaler = FakeScaler(fewest=1)
    provisioner = make(runner, scaler)
    provisioner.provision()
    for name in "ab":
        runner.add_worker(name, idle_s=IDLE_S)
    assert not provisioner.terminate()


def test_without_a_worker_version_the_runners_least_one_counts(runner):
    scaler = FakeScaler(fewest=1)
    runner.add_worker("old", version="0")
    assert make(runner, scaler, worker_version=None).provision()
    runner.add_worker("new0")
    assert not make(runner, scaler, worker_version=None).provision()


def test_a_closed_provisioner_makes_nothing(runner):
    scaler = FakeScaler(fewest=1)
    provisioner = make(runner, scaler)
    runner.add_worker("a", idle_s=IDLE_S)
    provisioner.close()
    assert not provisioner.provision()
    assert not provisioner.terminate()
    assert scaler.made == scaler.ended == []


def test_a_new_worker_is_reckoned_to_be_like_the_others_or_like_the_hint(runner):
    context = context_of(FakeScaler(), runner.clock)

    def expected(**config):
        strategy = PendingTaskBasedWorkerProvisioningStrategy(
            PendingTaskBasedWorkerProvisioningConfig(**config), context
        )
        return strategy.expected_worker_capacity(runner.get_workers())

    assert expected() == 1
    assert expected(worker_capacity_hint=3) == 3
    runner.add_worker("a", capacity=7)
    assert expected(worker_capacity_hint=3) == 7
    assert NoopProvisioningStrategy().expected_worker_capacity(runner.get_workers()) == -1


# ---- any course of events


class Cloud:
    """A runner, and an autoscaler whose nodes come up and go when the test says so."""

    def __init__(self, fewest, most, capacity):
        self.clock = ManualClock()
        self.runner = WorkersRunner(self.clock)
        self.scaler = FakeScaler(fewest, most)
        self.capacity = capacity
        self.starting = []

    def nodes(self):
        return len(self.runner.workers) + len(self.starting)

    def boot(self):
        for node in self.starting:
            self.runner.add_worker(node.removeprefix("node-"), capacity=self.capacity)
        self.starting.clear()

    def follow(self, made):
        self.starting += self.scaler.made[made:]
        for address in self.scaler.ended:
            if f"{address}:8091" in self.runner.workers:
                assert self.runner.workers[f"{address}:8091"].curr_capacity_used == 0, "a busy worker was ended"
                self.runner.remove_worker(address)
        self.scaler.ended.clear()

    def step(self, provisioner, event):
        made = len(self.scaler.made)
        if event == "task":
            self.runner.add_pending()
        elif event == "task ends":
            self.runner.pending and self.runner.pending.popitem()
        elif event == "boot":
            self.boot()
        elif event == "time":
            self.clock.advance(IDLE_S)
        elif event == "provision":
            provisioner.provision()
        else:
            provisioner.terminate()
        self.follow(made)


EVENTS = st.lists(st.sampled_from(["task", "task ends", "boot", "time", "provision", "terminate"]), max_size=40)


@settings(max_examples=60)
@given(EVENTS, st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))
def test_the_number_of_nodes_stays_between_its_bounds_and_comes_to_rest(events, fewest, more, capacity):
    most = fewest + more
    cloud = Cloud(fewest, most, capacity)
    provisioner = make(cloud.runner, cloud.scaler)
    for event in events:
        cloud.step(provisioner, event)
        # nodes given up after maxScalingDuration may still come: that is what Druid does, too
        late = len(cloud.scaler.given_up)
        assert cloud.nodes() <= most + late
    if cloud.scaler.given_up:
        return
    cloud.runner.pending.clear()
    for event in ["boot", "provision", "boot", "provision", "time", "terminate", "terminate"]:
        cloud.step(provisioner, event)
    assert cloud.nodes() == fewest
