"""What the manual says about locks, as a flat list and a few sentences: the model that the lockbox is compared with."""

from attrs import define, field

from nemeton.model import TaskLockType
from nemeton.time import Interval

EXCLUSIVE, SHARED, APPEND, REPLACE = (
    TaskLockType.EXCLUSIVE,
    TaskLockType.SHARED,
    TaskLockType.APPEND,
    TaskLockType.REPLACE,
)


@define
class Held:
    """A lock in the model; `partition` None: on all of the interval."""

    kind: TaskLockType
    group: str
    interval: Interval
    priority: int
    partition: int | None = None
    revoked: bool = False
    holders: set = field(factory=set)
    publishing: bool = False

    def facts(self):
        return (self.kind, self.interval, self.partition, self.priority, self.revoked)


def want_the_same(one, other):
    """Time chunks collide where they overlap; partitions of one interval only when they are the same one."""
    if not one.interval.overlaps(other.interval):
        return False
    both_partitions = one.partition is not None and other.partition is not None
    return not both_partitions or one.interval != other.interval or one.partition == other.partition


def may_be_together(one, other):
    """Two locks that want the same: shared ones, appends, and appends within a replace."""
    kinds = {one.kind, other.kind}
    if kinds in ({SHARED}, {APPEND}):
        return True
    if kinds == {APPEND, REPLACE}:
        replace, append = (one, other) if one.kind is REPLACE else (other, one)
        return replace.interval.contains(append.interval)
    return False


def same_group_and_interval(one, other):
    return (one.group, one.interval) == (other.group, other.interval)


@define
class LockModel:
    """One data source. `ask` says what must come out: the lock, None, or the word "error"."""

    locks: list = field(factory=list)

    def ask(self, task, kind, interval, partition=None):
        wish = Held(kind, task.group_id, interval, task.priority, partition)
        joined = [held for held in self.locks if self._can_join(held, wish)]
        if len(joined) > 1:
            return "error"
        if joined:
            return self._join(joined[0], task)
        others = [held for held in self.locks if want_the_same(held, wish)]
        if others and partition is not None and kind in (APPEND, REPLACE):
            return None
        blocking = [held for held in others if not held.revoked and not may_be_together(held, wish)]
        if all(held.priority < wish.priority and not held.publishing for held in blocking):
            for held in blocking:
                held.revoked = True
        elif not all(same_group_and_interval(held, wish) for held in others):
            return None
        self.locks.append(wish)
        return self._join(wish, task)

    def _can_join(self, held, wish):
        same_kind = (held.kind, held.group) == (wish.kind, wish.group)
        if not same_kind or not held.interval.contains(wish.interval):
            return False
        if held.partition is None or wish.partition is None:
            return held.partition is wish.partition
        return held.partition == wish.partition and held.kind is EXCLUSIVE

    def _join(self, held, task):
        if task.id in held.holders:
            return held
        if held.priority != task.priority:
            return "error"
        held.holders.add(task.id)
        if held.kind is APPEND and held.partition is None and not held.revoked:
            for narrower in self.of(task):
                if (
                    (narrower.kind, narrower.partition) == (APPEND, None)
                    and narrower.interval != held.interval
                    and held.interval.contains(narrower.interval)
                    and not narrower.publishing
                ):
                    self._leave(narrower, task)
        return held

    def of(self, task):
        return [held for held in self.locks if task.id in held.holders]

    def release(self, task, interval):
        for held in self.of(task):
            if held.partition is None and held.interval == interval:
                self._leave(held, task)

    def release_all(self, task):
        for held in self.of(task):
            self._leave(held, task)

    def _leave(self, held, task):
        held.holders.discard(task.id)
        if not held.holders:
            self.locks.remove(held)
