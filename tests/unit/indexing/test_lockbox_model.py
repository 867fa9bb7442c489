"""The lockbox against a model written down from Druid's manual, rule by rule, without its data structures."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskLockType
from nemeton.time import Interval


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


TASKS = [
    NoopTask(id=f"t{n}", group_id=f"g{n // 2}", data_source="ds", context={"priority": priority})
    for n, priority in enumerate([10, 10, 50, 50, 90, 90])
]
tasks = st.sampled_from(TASKS)
intervals = st.tuples(st.integers(0, 5), st.integers(1, 4)).map(lambda x: Interval(x[0] * 1000, (x[0] + x[1]) * 1000))
kinds = st.sampled_from(list(TaskLockType))


def may_coexist(one, other):
    """Rules 23.12 to 23.15 and 23.17, said symmetrically: may these two locks of different groups be there at once?"""
    if one.revoked or other.revoked or not one.interval.overlaps(other.interval):
        return True
    kinds_of_both = {one.type, other.type}
    if kinds_of_both in ({TaskLockType.SHARED}, {TaskLockType.APPEND}):
        return True
    if kinds_of_both == {TaskLockType.APPEND, TaskLockType.REPLACE}:
        replace, append = (one, other) if one.type is TaskLockType.REPLACE else (other, one)
        return replace.interval.contains(append.interval)
    return False


class LockboxMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.clock = ManualClock(1_000_000_000_000)
        self.storage = MemoryStorage()
        self.box = TaskLockbox(self.storage, self.clock)
        self.active = set()

    def all_locks(self):
        return {(lock.group_id, lock) for task in TASKS for lock in self.box.find_locks_for_task(task)}

    @rule(task=tasks)
    def add(self, task):
        self.box.add(task)
        self.active.add(task.id)

    @rule(task=tasks)
    def remove(self, task):
        self.box.remove(task)
        self.active.discard(task.id)
        assert self.box.find_locks_for_task(task) == []

    @precondition(lambda self: self.active)
    @rule(task=tasks, interval=intervals, kind=kinds)
    def try_lock(self, task, interval, kind):
        if task.id not in self.active:
            return
        before = self.all_locks()
        lock = self.box.try_lock_time_chunk(task, kind, interval)
        strangers = [held for group, held in before if group != task.group_id]
        if lock is None:
            # refused only if a stranger of at least this priority is in the way
            asked = type(next(iter(before))[1])(kind, task.group_id, "ds", interval, "v", task.priority)
            assert any(
                not may_coexist(held, asked) and held.priority >= task.priority
                for held in [h for _, h in before if (h.group_id, h.interval) != (task.group_id, interval)]
            )
            assert self.all_locks() == before
        else:
            assert lock.group_id == task.group_id
            assert lock.type is kind
            assert lock.interval.contains(interval)
            revoked_now = {h for _, h in before if not h.revoked} - {h for _, h in self.all_locks()}
            assert all(h.priority < task.priority for h in revoked_now)
            if not lock.revoked:
                assert all(may_coexist(h, lock) for h in strangers if h not in revoked_now)

    @rule(task=tasks)
    def release_one(self, task):
        for lock in self.box.find_locks_for_task(task)[:1]:
            self.box.unlock(task, lock.interval)
            assert all(held.interval != lock.interval for held in self.box.find_locks_for_task(task))

    @rule()
    def restart(self):
        before = {task.id: sorted(map(str, self.box.find_locks_for_task(task))) for task in TASKS}
        stored = [(task, self.storage.locks.get(task.id, [])) for task in TASKS if task.id in self.active]
        fresh = TaskLockbox(self.storage, self.clock)
        result = fresh.sync_from_storage(stored)
        lost = {task.id for task in result.tasks_to_fail}
        for task, _ in stored:
            if task.id not in lost:
                assert sorted(map(str, fresh.find_locks_for_task(task))) == before[task.id]
        assert not lost

    @rule(seconds=st.integers(0, 3))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def locks_of_strangers_go_together(self):
        held = list(self.all_locks())
        for i, (group, lock) in enumerate(held):
            for other_group, other in held[i + 1 :]:
                assert group == other_group or may_coexist(lock, other)

    @invariant()
    def the_store_knows_the_same(self):
        for task in TASKS:
            mine = sorted(map(str, self.box.find_locks_for_task(task)))
            assert mine == sorted(map(str, self.storage.locks.get(task.id, [])))


LockboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLockbox = LockboxMachine.TestCase
