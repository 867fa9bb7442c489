"""Clocks, backoff and scheduling."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.backoff import Backoff
from nemeton.common.clock import ManualClock, SystemClock
from nemeton.common.locks import KeyedLocks
from nemeton.common.scheduling import ScheduledExecutor


def test_a_manual_clock_moves_when_told():
    clock = ManualClock(now_ms=1000)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (2500, 1.5)


def test_waiting_ends_with_the_time_or_the_event():
    clock, event = ManualClock(), threading.Event()
    waiter = threading.Thread(target=clock.wait, args=(event, 60))
    waiter.start()
    clock.advance(61)
    waiter.join(5)
    assert not waiter.is_alive()
    event.set()
    assert clock.wait(event, 60)


def test_the_system_clock_waits_for_an_event():
    event = threading.Event()
    event.set()
    assert SystemClock().wait(event, 0.0)
    assert not SystemClock().wait(threading.Event(), -1)


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_delays_stay_within_their_bounds(seed, tries):
    backoff = Backoff(initial_s=0.1, max_s=10, jitter=0.5, random=random.Random(seed))
    for number in range(tries):
        delay = backoff.next_delay()
        middle = min(10.0, 0.1 * 2**number)
        assert middle * 0.5 <= delay <= 10
    backoff.reset()
    assert backoff.next_delay() <= 0.15


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def executor(clock):
    made = ScheduledExecutor("test", clock)
    yield made
    made.shutdown()


def test_work_runs_at_its_time_and_in_order(executor, clock):
    ran, done = [], threading.Event()
    executor.schedule(lambda: (ran.append("late"), done.set()), 20)
    executor.schedule(lambda: ran.append("early"), 10)
    clock.advance(25)
    assert done.wait(5)
    assert ran == ["early", "late"]


def test_a_failure_does_not_end_the_schedule(executor, clock):
    runs = threading.Semaphore(0)

    def work():
        runs.release()
        raise ValueError("this time")

    executor.schedule_with_fixed_delay(work, 0, 5)
    for _ in range(3):
        # the delay is counted from the end of a run, which this thread does not see
        while not runs.acquire(timeout=0.01):
            clock.advance(5)


def test_cancelled_work_does_not_run(executor, clock):
    done, ran = threading.Event(), []
    executor.schedule(lambda: ran.append(1), 1).cancel()
    executor.schedule(done.set, 2)
    clock.advance(3)
    assert done.wait(5)
    assert ran == []


def test_shutdown_takes_no_more_and_may_come_from_the_work_itself(clock):
    executor, done = ScheduledExecutor("test", clock), threading.Event()
    executor.schedule(lambda: (executor.shutdown(), done.set()), 0)
    assert done.wait(5)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.schedule(done.set, 0)


def test_a_key_is_held_by_one_at_a_time():
    locks, inside, most = KeyedLocks(), 0, 0
    guard = threading.Lock()

    def work():
        nonlocal inside, most
        for _ in range(200):
            with locks.holding("key"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not locks._locks
