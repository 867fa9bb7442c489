"""The strategy `simple`: one worker more while tasks wait long, one less while workers idle."""

import pytest

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.provisioning.config import SimpleWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.simple import SimpleProvisioner

from .fakes import IDLE_S, FakeScaler, WorkersRunner, context_of

MINUTE = 60


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def runner(clock):
    return WorkersRunner(clock)


@pytest.fixture
def provisioner_of(runner, clock):
    def make(scaler, **config):
        context = context_of(scaler, clock)
        return SimpleProvisioner(runner, SimpleWorkerProvisioningConfig(worker_version="1", **config), context)

    return make


def test_a_task_that_waits_long_brings_one_worker(runner, provisioner_of):
    scaler = FakeScaler()
    provisioner = provisioner_of(scaler)
    runner.add_worker("a", used=1)
    runner.add_pending(waits_s=30)
    assert provisioner.provision()
    assert not provisioner.provision()  # one is under way
    assert scaler.made == ["node-new0"]
    runner.add_worker("new0", used=1)
    assert provisioner.provision()  # it is there and does not suffice
    assert scaler.made == ["node-new0", "node-new1"]


def test_a_task_that_waits_shortly_brings_none(runner, provisioner_of):
    runner.add_worker("a", used=1)
    runner.add_pending(waits_s=29)
    assert not provisioner_of(FakeScaler()).provision()


def test_the_fewest_workers_are_made_without_any_task(provisioner_of):
    scaler = FakeScaler(fewest=3)
    assert provisioner_of(scaler).provision()
    assert len(scaler.made) == 3


def test_never_more_than_the_most_workers(runner, provisioner_of):
    scaler = FakeScaler(most=1)
    runner.add_worker("a", used=1)
    runner.add_pending()
    assert not provisioner_of(scaler).provision()
    assert scaler.made == []


@pytest.mark.parametrize("makes", [lambda: None, list])
def test_an_autoscaler_that_makes_nothing_is_asked_again_next_time(makes, provisioner_of):
    scaler = FakeScaler(fewest=2)
    scaler.makes = makes
    provisioner = provisioner_of(scaler)
    assert not provisioner.provision()
    scaler.makes = lambda: ["node-x", "node-y"]
    assert provisioner.provision()
    assert scaler.made == ["node-x", "node-y"]


def test_workers_that_do_not_come_are_given_up_with_an_alert(provisioner_of, clock):
    scaler = FakeScaler(fewest=1)
    provisioner = provisioner_of(scaler)
    provisioner.provision()
    clock.advance(15 * MINUTE)
    assert not provisioner.provision()
    assert scaler.given_up == []
    clock.advance(1)
    assert not provisioner.provision()
    assert scaler.given_up == ["node-new0"]
    assert provisioner.context.emitter.alerts == [
        ("Worker node provisioning taking too long!", {"millisSinceLastProvision": 901_000, "provisioningCount": 1})
    ]
    assert provisioner.provision(), "it is tried anew"


def test_idle_workers_end_one_at_a_time(runner, provisioner_of):
    scaler = FakeScaler(fewest=1)
    provisioner = provisioner_of(scaler)
    for name in "abc":
        runner.add_worker(name, idle_s=IDLE_S)
    assert provisioner.terminate()
    assert scaler.ended == ["a"]
    assert not provisioner.terminate()  # it has not gone yet
    runner.remove_worker("a")
    assert provisioner.terminate()
    assert scaler.ended == ["a", "b"]
    runner.remove_worker("b")
    assert not provisioner.terminate()
    assert scaler.ended == ["a", "b"], "one stays"


def test_workers_that_work_or_have_lately_worked_stay(runner, provisioner_of):
    runner.add_worker("busy", used=1, idle_s=IDLE_S)
    runner.add_worker("fresh", idle_s=IDLE_S - 1)
    scaler = FakeScaler()
    assert not provisioner_of(scaler).terminate()
    assert scaler.ended == []


def test_a_worker_that_does_not_go_is_an_alert_and_no_obstacle(runner, provisioner_of, clock):
    scaler = FakeScaler()
    provisioner = provisioner_of(scaler)
    runner.add_worker("a", idle_s=IDLE_S)
    runner.add_worker("b", idle_s=IDLE_S)
    provisioner.terminate()
    clock.advance(15 * MINUTE + 1)
    assert not provisioner.terminate()
    assert provisioner.context.emitter.alerts == [
        ("Worker node termination taking too long!", {"millisSinceLastTerminate": 901_000, "terminatingCount": 1})
    ]
    provisioner.terminate()
    assert scaler.ended[:2] == ["a", "a"]


def test_workers_of_an_old_version_do_not_count_and_end_first(runner, provisioner_of):
    scaler = FakeScaler(fewest=1)
    provisioner = provisioner_of(scaler)
    runner.add_worker("old", version="0")
    assert provisioner.provision(), "the old one does not count"
    runner.add_worker("new0")
    provisioner.provision()
    assert provisioner.terminate()
    assert scaler.ended == ["old"]


def test_without_an_autoscaler_nothing_happens(runner, provisioner_of):
    runner.add_pending()
    provisioner = provisioner_of(None)
    assert not provisioner.provision()
    assert not provisioner.terminate()


def test_fewest_above_most_leaves_everything_as_it_is(runner, provisioner_of):
    scaler = FakeScaler(fewest=5, most=2)
    runner.add_pending()
    assert not provisioner_of(scaler).provision()
    assert scaler.made == []


def test_events_are_kept_newest_first_up_to_a_number(runner, provisioner_of, clock, json):
    scaler = FakeScaler(fewest=2)
    provisioner = provisioner_of(scaler, num_events_to_track=2)
    provisioner.provision()
    for name in ("new0", "new1", "c"):
        runner.add_worker(name, idle_s=IDLE_S)
    provisioner.provision()
    clock.advance(1)
    provisioner.terminate()
    assert json.unstructure(provisioner.stats) == [
        {"data": {"nodeIds": ["node-new0"]}, "timestamp": "2020-01-01T00:00:01.000Z", "event": "TERMINATE"},
        {"data": {"nodeIds": ["node-new1"]}, "timestamp": "2020-01-01T00:00:00.000Z", "event": "PROVISION"},
    ]
