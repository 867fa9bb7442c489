"""The lockbox against a model written down from Druid's manual, rule by rule, without its data structures."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nemeton.common.clock import ManualClock
from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.lock_rules import LockRequest, partition_of
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.posses import IntervalIndex
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskLockType
from nemeton.time import Interval

from .lock_model import LockModel, may_be_together, same_group_and_interval, want_the_same


class MemoryStorage:
    """The lock part of TaskStorage."""

    def __init__(self):
        self.locks = {}

    def add_lock(self, task_id, lock):
        self.locks.setdefault(task_id, []).append(lock)

    def remove_lock(self, task_id, lock):
        self.locks[task_id].remove(lock)

    def replace_lock(self, task_id, old, new):
        self.locks[task_id][self.locks[task_id].index(old)] = new


#: Three groups; the tasks of the third differ in priority.
TASKS = [
    NoopTask(id=f"t{n}", group_id=f"g{n // 2}", data_source="ds", context={"priority": priority})
    for n, priority in enumerate([10, 10, 50, 50, 50, 90])
]
tasks = st.sampled_from(TASKS)
intervals = st.tuples(st.integers(0, 2), st.integers(1, 2)).map(lambda x: Interval(x[0] * 1000, (x[0] + x[1]) * 1000))
kinds = st.sampled_from(list(TaskLockType))
partitions = st.none() | st.integers(0, 2)
asks = st.tuples(tasks, kinds, intervals, partitions)


def facts(lock):
    return (lock.type, lock.interval, partition_of(lock), lock.priority, lock.revoked)


class LockboxMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.clock = ManualClock(1_000_000_000_000)
        self.storage = MemoryStorage()
        self.box = TaskLockbox(self.storage, self.clock)
        self.model = LockModel()
        self.active = set()
        for task in TASKS:
            self.add(task)

    @rule(task=tasks)
    def add(self, task):
        self.box.add(task)
        self.active.add(task.id)

    @rule(task=tasks)
    def remove(self, task):
        self.box.remove(task)
        self.model.release_all(task)
        self.active.discard(task.id)

    @rule(ask=asks)
    def try_lock(self, ask):
        task, kind, interval, partition = ask
        version = None if partition is None else "2020-01-01T00:00:00.000Z"
        request = LockRequest.of(task, kind, interval, version=version, partition_id=partition)
        expected = self.model.ask(*ask) if task.id in self.active else "error"
        try:
            result = self.box.try_lock(task, request)
        except DruidException:
            assert expected == "error"
            return
        if expected is None:
            assert result.task_lock is None
            assert not result.revoked
        else:
            assert facts(result.task_lock) == expected.facts()
            assert result.revoked == expected.revoked

    @rule(task=tasks, interval=intervals)
    def release_one(self, task, interval):
        self.box.unlock(task, interval)
        self.model.release(task, interval)

    @rule(task=tasks)
    def release_what_it_has(self, task):
        for lock in self.box.find_locks_for_task(task)[:1]:
            self.release_one(task, lock.interval)

    @rule(task=tasks)
    def release_all(self, task):
        self.box.unlock_all(task)
        self.model.release_all(task)

    @rule(ask=asks, others=st.lists(asks, min_size=1, max_size=3))
    def publish_what_was_just_locked(self, ask, others):
        self.try_lock(ask)
        self.publish_while_others_ask(ask[0], [ask[2]], others)

    @rule(task=tasks, wanted=st.lists(intervals, min_size=1, max_size=2), meanwhile=st.lists(asks, max_size=4))
    def publish_while_others_ask(self, task, wanted, meanwhile):
        """Nobody takes a lock away that a publish relies on; everything else goes on."""
        needed = self.locks_for_publish(task, wanted)

        def publish():
            for held in needed:
                held.publishing = True
            for ask in meanwhile:
                self.try_lock(ask)
                self.everybody_has_what_the_model_says()
            for held in needed:
                held.publishing = False
            return "published"

        try:
            outcome = self.box.do_in_critical_section(
                task, wanted, on_valid_locks=publish, on_invalid_locks=lambda: "refused"
            )
        except DruidException:
            assert needed == "error"
        else:
            assert outcome == ("refused" if needed == "revoked" else "published")

    def locks_for_publish(self, task, wanted):
        needed = []
        for interval in wanted:
            mine = [held for held in self.model.of(task) if held.interval.contains(interval)]
            unclear = len(mine) > 1 and any(held.partition is None for held in mine)
            if not mine or unclear or task.id not in self.active:
                return "error"
            if all(held.revoked for held in mine):
                return "revoked"
            needed += [held for held in mine if not held.revoked]
        return needed

    @rule()
    def restart(self):
        """A new lockbox takes up all that was stored, as it was."""
        stored = [(task, list(self.storage.locks.get(task.id, []))) for task in TASKS if task.id in self.active]
        self.clock.advance(1)
        self.box = TaskLockbox(self.storage, self.clock)
        result = self.box.sync_from_storage(stored)
        assert result.tasks_to_fail == []
        assert result.lock_count == sum(len(locks) for _, locks in stored)

    @rule(seconds=st.integers(0, 3))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def everybody_has_what_the_model_says(self):
        for task in TASKS:
            mine = sorted(map(str, map(facts, self.box.find_locks_for_task(task))))
            assert mine == sorted(str(held.facts()) for held in self.model.of(task))

    @invariant()
    def locks_in_force_go_together(self):
        held = [lock for lock in self.model.locks if not lock.revoked]
        for i, one in enumerate(held):
            for other in held[i + 1 :]:
                assert (
                    not want_the_same(one, other) or may_be_together(one, other) or same_group_and_interval(one, other)
                )

    @invariant()
    def versions_belong_to_one_lock(self):
        locks = {lock for task in TASKS for lock in self.box.find_locks_for_task(task)}
        chunks = [lock.version for lock in locks if partition_of(lock) is None and lock.type is not TaskLockType.APPEND]
        assert len(chunks) == len(set(chunks))

    @invariant()
    def the_store_knows_the_same(self):
        for task in TASKS:
            mine = sorted(map(str, self.box.find_locks_for_task(task)))
            assert mine == sorted(map(str, self.storage.locks.get(task.id, [])))


LockboxMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestLockbox = LockboxMachine.TestCase


WITHIN = [Interval(*ends) for ends in ((1000, 2000), (1000, 3000), (0, 2000), (1500, 2500), (2000, 3000))]


@pytest.mark.parametrize("first", list(product(TaskLockType, (None, 0))), ids=str)
def test_every_pair_of_wishes(first):
    """All kinds after one kind: on equal, wider, narrower, overlapping and adjacent intervals, by whom ever."""
    low, low_too, high, same_group = TASKS[0], TASKS[1], TASKS[5], TASKS[4]
    for second, interval, swap in product(product(TaskLockType, (None, 0, 1)), WITHIN, (False, True)):
        for one, other in ((low, low), (low, low_too), (low, high), (high, low), (high, same_group)):
            held, asked = (interval, WITHIN[0]) if swap else (WITHIN[0], interval)
            machine = LockboxMachine()
            machine.try_lock((one, first[0], held, first[1]))
            machine.try_lock((other, second[0], asked, second[1]))
            machine.everybody_has_what_the_model_says()
            machine.restart()
            machine.everybody_has_what_the_model_says()


@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**5)), max_size=60, unique=True),
    st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 10**6)),
)
def test_the_index_finds_what_overlaps(held, asked):
    index, held, asked = IntervalIndex(), [Interval(s, s + n) for s, n in held], Interval(asked[0], sum(asked))
    for interval in held:
        index.add(interval)
    for interval in held[::3]:
        index.remove(interval)
    left = set(held) - set(held[::3])
    assert sorted(index.overlapping(asked)) == sorted(i for i in left if i.overlaps(asked))
