from __future__ import annotations

import threading

import pytest

from nemeton.coordinator.duty_group import DutyGroup
from nemeton.emitter.service import ServiceEmitter
from nemeton.spi.coordinator import CoordinatorDuty
from nemeton.testkit.waiting import eventually
from nemeton.time import Period


class Counting(CoordinatorDuty):
    def __init__(self):
        self.runs = threading.Semaphore(0)
        self.count = 0
        self.fail = False

    def run(self, params):
        self.count += 1
        self.runs.release()
        if self.fail:
            raise ValueError("a duty failed")


@pytest.fixture
def duty():
    return Counting()


@pytest.fixture
def group(duty, clock):
    leading = threading.Event()
    leading.set()
    made = DutyGroup(
        "Test",
        [duty],
        Period.parse("PT10S"),
        make_params=lambda: object() if made_params.is_set() else None,
        still_leads=leading.is_set,
        emitter=ServiceEmitter(),
        clock=clock,
    )
    made_params = threading.Event()
    made_params.set()
    made.leading, made.ready = leading, made_params
    yield made
    made.stop()


def run_again(duty, clock, seconds=10):
    for _ in range(200):
        if duty.runs.acquire(timeout=0.01):
            return True
        clock.advance(seconds / 20)
    return False


def test_runs_begin_after_the_delay_and_go_on(group, duty, clock):
    group.start(Period.parse("PT5S"))
    assert not duty.runs.acquire(timeout=0.05)
    assert run_again(duty, clock)
    assert run_again(duty, clock)
    eventually(lambda: group.status().last_run_end is not None, "the run to be noted")
    assert group.status().duty_names == ["Counting"]
    assert group.status().period == "PT10S"


def test_a_nudge_makes_one_run_at_once(group, duty):
    group.start(Period.parse("PT1H"))
    group.nudge()
    assert duty.runs.acquire(timeout=5)
    group.nudge()
    assert duty.runs.acquire(timeout=5)


def test_a_failing_duty_does_not_end_the_group(group, duty, clock, caplog):
    duty.fail = True
    group.start(Period.parse("PT0S"))
    assert duty.runs.acquire(timeout=5)
    assert run_again(duty, clock)
    assert "A run of Test failed" in caplog.text


def test_another_term_ends_the_group_for_good(group, duty, clock):
    group.start(Period.parse("PT0S"))
    assert duty.runs.acquire(timeout=5)
    group.leading.clear()
    assert not run_again(duty, clock)
    group.leading.set()
    group.nudge()
    assert not run_again(duty, clock)


def test_nothing_runs_while_a_run_makes_no_sense(group, duty):
    group.ready.clear()
    group.start(Period.parse("PT0S"))
    eventually(lambda: group.status().last_run_end is not None, "an empty run")
    assert duty.count == 0


def test_a_nudge_after_the_stop_is_nothing(group, duty):
    group.stop()
    group.nudge()
    assert duty.count == 0
