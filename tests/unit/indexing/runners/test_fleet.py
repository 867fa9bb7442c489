"""The parts that runners are made of: pending tasks, eligible workers, the blacklist. Rules are Druid's."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.clock import ManualClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.indexing.overlord.runners.blacklist import Blacklist
from nemeton.indexing.overlord.runners.cleanups import WorkerCleanups
from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.eligible import EligibleWorkers
from nemeton.indexing.overlord.runners.fleet import Fleet
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.pending import PendingTasks
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem, WorkItems
from nemeton.model import TaskStatus, Worker
from nemeton.testkit.suites.worker_select import make_worker
from nemeton.testkit.waiting import eventually

from .kit import noop

MINUTE = 60_000


def holder(host="a:8091", capacity=3, ready=True):
    return WorkerHolder(Worker(host=host, capacity=capacity), 0, is_ready=ready)


def item(name, data_source="ds"):
    return RemoteWorkItem.of(noop(name, data_source=data_source), 0)


# ---- pending tasks


@given(
    st.lists(st.sampled_from(["x", "y", "z"]), max_size=30),
    st.sets(st.integers(0, 29)),
    st.sets(st.integers(0, 29)),
    st.booleans(),
)
def test_waiting_tasks_come_in_their_order_and_those_not_placed_stay(sources, placed, gone, by_shape):
    pending = PendingTasks()
    items = [item(str(number), source) for number, source in enumerate(sources)]
    for each in items:
        pending.add(each)
    for number in gone & set(range(len(items))):
        items[number].state = ItemState.COMPLETE
    unplaceable, expected, seen = set(), [], []
    for number, each in enumerate(items):
        if number in gone or (by_shape and each.data_source in unplaceable):
            continue
        expected.append(number)
        if number not in placed:
            unplaceable.add(each.data_source)
    for each in pending.in_order(by_shape=by_shape):
        seen.append(int(each.task_id))
        if int(each.task_id) in placed:
            each.state = ItemState.RUNNING
    assert seen == expected
    left = [int(each.task_id) for each in pending.in_order(by_shape=False)]
    assert left == [n for n in range(len(items)) if items[n].state is ItemState.PENDING]


def test_a_task_that_comes_back_takes_its_old_place():
    pending = PendingTasks()
    items = [item(name) for name in "abc"]
    for each in items:
        pending.add(each)
    waiting = pending.in_order(by_shape=False)
    next(waiting).state = ItemState.PENDING_WORKER_ASSIGN
    waiting.close()
    assert [each.task_id for each in pending.in_order(by_shape=False)] == ["b", "c"]
    items[0].state = ItemState.PENDING
    pending.add(items[0])
    assert [each.task_id for each in pending.in_order(by_shape=False)] == ["a", "b", "c"]


def test_items_are_known_by_state_and_by_worker():
    items = WorkItems()
    worker = Worker(host="a:8091")
    for name in "ab":
        items.add(item(name))
    a = items.get("a")
    items.move(a, ItemState.RUNNING, worker)
    assert [each.task_id for each in items.in_state(ItemState.PENDING)] == ["b"]
    assert items.running_on("a:8091") == [a]
    items.move(a, ItemState.COMPLETE)
    assert items.running_on("a:8091") == []
    assert len(items.all()) == 2
    items.remove(a)
    assert [each.task_id for each in items.remove_all()] == ["b"]
    assert items.all() == []


# ---- eligible workers

LOADS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 4), st.integers(0, 4)), max_size=40)


@given(LOADS, st.sets(st.sampled_from("abcdef")))
def test_the_indexes_of_eligible_workers_are_those_of_a_sort(loads, discarded):
    eligible, plain = EligibleWorkers(), {}
    for host, capacity, used in loads:
        info = make_worker(host, capacity=capacity, running=map(str, range(min(used, capacity))))
        eligible.put(info)
        plain[host] = info
    for host in discarded:
        eligible.discard(host)
        plain.pop(host, None)
    assert dict(eligible) == plain
    infos = sorted(plain.values(), key=lambda info: info.worker.host)
    with_room = [info for info in infos if info.available_capacity > 0]
    assert list(eligible.most_free_first()) == sorted(with_room, key=lambda info: -info.available_capacity)
    assert list(eligible.most_used_first()) == sorted(with_room, key=lambda info: -info.curr_capacity_used)
    assert eligible.total_capacity == sum(info.worker.capacity for info in infos)
    assert eligible.has_room == bool(with_room)


def test_a_workers_picture_counts_what_runs_and_is_kept_until_something_changes():
    worker = holder(capacity=5)
    assert worker.info is worker.info
    for name, kind in (("a", "noop"), ("b", "index_parallel"), ("c", None)):
        task = noop(name)
        announcement = TaskAnnouncement.of(task, TaskStatus.running(name))
        object.__setattr__(announcement, "type", kind)
        worker.put(announcement)
    assert (worker.info.curr_capacity_used, worker.info.curr_parallel_index_capacity_used) == (3, 1)
    assert worker.info.curr_capacity_used_by_task_type == {"noop": 1, "index_parallel": 1}
    worker.put(TaskAnnouncement.of(noop("a"), TaskStatus.success("a")))
    assert worker.info.running_tasks == {"b", "c"}
    assert worker.announces("a").status.is_complete
    assert worker.remove("a").id == "a"
    worker.replace_all([])
    assert worker.info.curr_capacity_used == 0
    worker.is_ready = False
    assert worker.info.worker.version == ""


# ---- the blacklist


def blacklist(**config):
    return Blacklist(RemoteTaskRunnerConfig(**config))


def fail(blacklisted, worker, times, workers, now=0):
    for _ in range(times):
        blacklisted.task_ended(worker, TaskStatus.failure("t", "no"), workers, now)


def test_a_worker_is_blacklisted_after_more_failures_in_a_row_than_allowed():
    listed, worker = blacklist(), holder()
    fail(listed, worker, 5, workers=5)
    assert worker.host not in listed
    fail(listed, worker, 1, workers=5, now=MINUTE)
    assert worker.host in listed
    assert worker.blacklisted_until == 16 * MINUTE
    assert worker.info.blacklisted_until == 16 * MINUTE


def test_a_success_ends_the_row_and_the_blacklisting():
    listed, worker = blacklist(), holder()
    fail(listed, worker, 5, workers=5)
    listed.task_ended(worker, TaskStatus.success("t"), 5, 0)
    fail(listed, worker, 5, workers=5)
    assert worker.host not in listed
    fail(listed, worker, 1, workers=5)
    assert worker.host in listed
    listed.task_ended(worker, TaskStatus.success("t"), 5, 0)
    assert worker.host not in listed
    assert (worker.failures_in_a_row, worker.blacklisted_until) == (0, None)


@pytest.mark.parametrize(("workers", "most"), [(4, 0), (5, 1), (9, 1), (10, 2), (100, 20)])
def test_no_more_than_a_share_of_the_workers_is_blacklisted(workers, most):
    listed = blacklist()
    for number in range(workers):
        fail(listed, holder(f"h{number}"), 6, workers)
    assert len(listed.holders()) == most


def test_workers_leave_the_blacklist_in_time_or_when_there_are_too_many():
    listed = blacklist()
    holders = [holder(f"h{number}") for number in range(2)]
    for number, worker in enumerate(holders):
        fail(listed, worker, 6, workers=10, now=number * MINUTE)
    assert listed.release(10, 15 * MINUTE - 1) == []
    assert listed.release(10, 15 * MINUTE) == holders[:1]
    assert (holders[0].failures_in_a_row, holders[0].blacklisted_until) == (0, None)
    assert listed.release(4, 15 * MINUTE) == holders[1:], "one of four is more than a fifth"


def test_a_blacklisted_worker_gets_no_tasks_while_it_is_there():
    fleet = Fleet(RemoteTaskRunnerConfig(max_retries_before_blacklist=1, max_percentage_blacklist_workers=100))
    worker = holder()
    fleet.add(worker)
    fail(fleet.blacklist, worker, 2, workers=1)
    fleet.refresh(worker)
    assert not fleet.eligible
    assert fleet.release_blacklisted(15 * MINUTE)
    assert list(fleet.eligible) == [worker.host]
    fail(fleet.blacklist, worker, 2, workers=1)
    fleet.remove(worker.host)
    assert fleet.blacklist.holders() == []


# ---- acknowledgements


def test_a_worker_with_an_unacknowledged_task_is_not_eligible_until_it_is_settled():
    fleet = Fleet(RemoteTaskRunnerConfig())
    first, second = holder("a"), holder("b")
    fleet.add(first)
    fleet.add(second)
    a, b = item("a"), item("b")
    fleet.expect("a", a, deadline=10.0)
    fleet.expect("b", b, deadline=11.0)
    assert not fleet.eligible
    assert fleet.unacknowledged == {"a": "a", "b": "b"}
    assert fleet.next_deadline() == 10.0
    assert fleet.overdue(9.9) == []
    assert fleet.overdue(10.5) == [("a", a)]
    fleet.settle("a", b)  # not its task
    assert not fleet.eligible
    fleet.settle("a", a)
    assert list(fleet.eligible) == ["a"]


def test_what_is_set_aside_comes_back():
    fleet = Fleet(RemoteTaskRunnerConfig())
    worker = holder()
    fleet.add(worker)
    fleet.set_aside(worker)
    assert not fleet.eligible
    assert fleet.bring_back(worker)
    assert not fleet.bring_back(worker)
    assert list(fleet.eligible) == [worker.host]


# ---- clean-ups


def test_a_worker_has_one_clean_up_which_its_return_cancels():
    clock = ManualClock()
    executor = ScheduledExecutor("cleanup", clock)
    cleanups = WorkerCleanups(executor, ServiceEmitter())
    done, failed = [], threading.Event()

    def fails():
        failed.set()
        raise RuntimeError("no")

    cleanups.schedule("a", 10, lambda: done.append("first"))
    cleanups.schedule("a", 20, lambda: done.append("second"))
    cleanups.schedule("b", 5, lambda: done.append("b"))
    cleanups.schedule("c", 15, fails)
    assert cleanups.cancel("b")
    assert not cleanups.cancel("b")
    clock.advance(16)
    assert failed.wait(10)
    eventually(lambda: cleanups.hosts == {"a"}, "a failed one is over as well")
    assert done == []
    clock.advance(5)
    eventually(lambda: done == ["second"], "the second takes the place of the first")
    eventually(lambda: not cleanups.hosts, "it is over")
    cleanups.close()
