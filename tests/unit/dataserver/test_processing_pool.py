"""The pool that reads segments: bounded, by priority, with its callers taking part."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from functools import partial

import pytest
from tests.unit.dataserver.kit import submit

from nemeton.common.errors import QueryException
from nemeton.dataserver.config import DruidProcessingConfig
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_run import QueryRun

WAIT_S = 10


@pytest.fixture
def make_pool():
    pools = []

    def make(num_threads):
        pools.append(ProcessingPool(DruidProcessingConfig(num_threads=num_threads)))
        return pools[-1]

    yield make
    for each in pools:
        each.stop()


def a_run(seconds=None):
    run = QueryRun("q")
    if seconds is not None:
        run.deadline = time.monotonic() + seconds
    return run


def in_thread(fn):
    """Run it in a thread of its own; a function that gives its result, or raises what it raised."""
    outcome = {}

    def body():
        try:
            outcome["result"] = fn()
        except BaseException as failure:  # noqa: BLE001 - told to the test
            outcome["failure"] = failure

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def result():
        thread.join(WAIT_S)
        assert not thread.is_alive()
        if "failure" in outcome:
            raise outcome["failure"]
        return outcome["result"]

    return result


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("works", [0, 1, 2, 50])
def test_results_stand_in_the_order_of_the_works(make_pool, num_threads, works):
    pool = make_pool(num_threads)
    assert pool.run_all([partial(int, each) for each in range(works)], 0, a_run()) == list(range(works))


def test_never_more_are_read_at_a_time_than_threads_whoever_takes_part(make_pool):
    pool, lock, now, most = make_pool(3), threading.Lock(), [0], [0]
    met = threading.Barrier(3)

    def work(number):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        if number < 3:
            met.wait(WAIT_S)  # three of one query do run at once
        with lock:
            now[0] -= 1

    pool.run_all([partial(work, number) for number in range(3)], 0, a_run())
    more = [partial(work, number) for number in range(3, 43)]
    callers = [in_thread(partial(pool.run_all, more, 0, a_run())) for _ in range(6)]
    for each in callers:
        each()
    assert most[0] == 3


def test_a_caller_makes_way_for_what_is_more_important(make_pool):
    pool, begun, go, order = make_pool(1), threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go.wait(WAIT_S)
        order.append("low 1")

    low = in_thread(partial(pool.run_all, [first, partial(order.append, "low 2")], 0, a_run()))
    begun.wait(WAIT_S)
    high = submit(pool, partial(order.append, "high"), 5)
    go.set()
    high.result(WAIT_S)
    low()
    assert order == ["low 1", "high", "low 2"]


def test_a_failure_ends_the_others_and_is_raised(make_pool):
    ran = []

    def fail():
        raise ValueError("no")

    run = a_run()
    with pytest.raises(ValueError, match="no"):
        make_pool(1).run_all([fail, *(partial(ran.append, each) for each in range(5))], 0, run)
    assert ran == []
    assert run.cancelled.is_set()


def test_it_returns_only_when_what_has_begun_has_ended(make_pool):
    pool, begun, ended = make_pool(2), threading.Event(), []
    run = a_run()

    def slow():
        begun.set()
        assert run.cancelled.wait(WAIT_S)  # as kernels look between blocks
        ended.append(True)

    def fail():
        begun.wait(WAIT_S)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        pool.run_all([fail, slow], 0, run)
    assert ended == [True]


def test_the_deadline_holds_while_others_have_the_threads(make_pool):
    pool, gate = make_pool(1), threading.Event()
    blocker = submit(pool, partial(gate.wait, WAIT_S))
    with pytest.raises(QueryException, match="timed out"):
        pool.run_all([list], 0, a_run(0.02))
    gate.set()
    blocker.result(WAIT_S)
    assert pool.run_all([list], 0, a_run()) == [[]]


def test_what_was_given_up_before_it_began_is_passed_over(make_pool):
    pool, gate, ran = make_pool(1), threading.Event(), []
    blocker = submit(pool, partial(gate.wait, WAIT_S))
    with pytest.raises(QueryException, match="timed out"):
        pool.run_all([partial(ran.append, 1)], 0, a_run(0.02))
    kept = submit(pool, partial(ran.append, 2))
    gate.set()
    kept.result(WAIT_S)
    blocker.result(WAIT_S)
    assert ran == [2]


def test_what_waits_when_it_stops_is_cancelled(make_pool):
    pool, begun, gate = make_pool(1), threading.Event(), threading.Event()

    def block():
        begun.set()
        gate.wait(WAIT_S)

    blocker = submit(pool, block)
    begun.wait(WAIT_S)
    waiting = submit(pool, list)
    asked = submit(pool, list)
    pool.stop()
    gate.set()
    blocker.result(WAIT_S)
    for each in (waiting, asked):
        assert isinstance(each.exception(WAIT_S), CancelledError)
    with pytest.raises(RuntimeError, match="stopped"):
        pool.run_all([list], 0, a_run())
