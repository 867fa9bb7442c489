"""Who holds which lock: the lockbox's memory, and how it is searched."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator

from attrs import define, field

from nemeton.model import TaskLock
from nemeton.time import Interval


@define(eq=False)
class TaskLockPosse:
    """A lock and the tasks (of one group) that hold it. ``critical`` counts publishes under way with it."""

    lock: TaskLock
    task_ids: set[str] = field(factory=set)
    critical: int = 0
    order: int = 0


class IntervalIndex:
    """The intervals of one data source; finds those that overlap another one without looking at all of them.

    Intervals are kept by the power of two above their length, each kind sorted by start: what overlaps must start less
    than that power before the asked interval, so that a few bisections find all candidates.
    """

    def __init__(self) -> None:
        self._kinds: dict[int, list[Interval]] = {}

    def add(self, interval: Interval) -> None:
        """Put it in, once."""
        bisect.insort(self._kinds.setdefault(_kind(interval), []), interval)

    def remove(self, interval: Interval) -> None:
        """Take it out; it must be there."""
        kind = _kind(interval)
        intervals = self._kinds[kind]
        del intervals[bisect.bisect_left(intervals, interval)]
        if not intervals:
            del self._kinds[kind]

    def overlapping(self, interval: Interval) -> Iterator[Interval]:
        """Those that share an instant with ``interval``."""
        for kind, intervals in self._kinds.items():
            first = bisect.bisect_left(intervals, interval.start - (1 << kind), key=_start)
            for held in itertools.islice(intervals, first, None):
                if held.start >= interval.end:
                    break
                if held.overlaps(interval):
                    yield held


def _start(interval: Interval) -> int:
    return interval.start


def _kind(interval: Interval) -> int:
    return (interval.end - interval.start).bit_length()


@define(eq=False)
class _DataSource:
    """The posses of one data source by interval."""

    by_interval: dict[Interval, list[TaskLockPosse]] = field(factory=dict)
    index: IntervalIndex = field(factory=IntervalIndex)


class Posses:
    """All posses, by data source and interval and by task. Not thread-safe.

    What is found comes in Druid's order: by interval, within it as the locks were granted or revoked.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _DataSource] = {}
        self._by_task: dict[str, set[TaskLockPosse]] = {}
        self._orders = itertools.count()

    def clear(self) -> None:
        """Forget all."""
        self._sources.clear()
        self._by_task.clear()

    def add(self, lock: TaskLock) -> TaskLockPosse:
        """A new posse, with nobody in it yet."""
        posse = TaskLockPosse(lock, order=next(self._orders))
        source = self._sources.setdefault(lock.data_source, _DataSource())
        if lock.interval not in source.by_interval:
            source.by_interval[lock.interval] = []
            source.index.add(lock.interval)
        source.by_interval[lock.interval].append(posse)
        return posse

    def join(self, posse: TaskLockPosse, task_id: str) -> None:
        """The task holds the lock from now on."""
        posse.task_ids.add(task_id)
        self._by_task.setdefault(task_id, set()).add(posse)

    def leave(self, posse: TaskLockPosse, task_id: str) -> None:
        """The task does not hold it any more. A posse that nobody is in is dropped."""
        posse.task_ids.discard(task_id)
        held = self._by_task.get(task_id)
        if held is not None:
            held.discard(posse)
            if not held:
                del self._by_task[task_id]
        if not posse.task_ids:
            self._drop(posse)

    def _drop(self, posse: TaskLockPosse) -> None:
        interval = posse.lock.interval
        source = self._sources[posse.lock.data_source]
        posses = source.by_interval[interval]
        posses.remove(posse)
        if not posses:
            del source.by_interval[interval]
            source.index.remove(interval)
        if not source.by_interval:
            del self._sources[posse.lock.data_source]

    def drop_if_empty(self, posse: TaskLockPosse) -> None:
        """Undo :meth:`add` when nobody came to join."""
        if not posse.task_ids:
            self._drop(posse)

    def replace_lock(self, posse: TaskLockPosse, lock: TaskLock) -> None:
        """Give the posse the same lock in another state (revoked)."""
        posse.lock = lock
        posse.order = next(self._orders)

    def overlapping(self, data_source: str, interval: Interval) -> list[TaskLockPosse]:
        """All posses of the data source whose interval overlaps."""
        source = self._sources.get(data_source)
        if source is None:
            return []
        return _sorted(posse for held in source.index.overlapping(interval) for posse in source.by_interval[held])

    def of_task(self, task_id: str) -> list[TaskLockPosse]:
        """All posses that the task is in."""
        return _sorted(self._by_task.get(task_id, ()))

    def of_data_source(self, data_source: str) -> list[TaskLockPosse]:
        """All posses of the data source."""
        source = self._sources.get(data_source)
        return _sorted(posse for posses in source.by_interval.values() for posse in posses) if source else []


def _sorted(posses: Iterable[TaskLockPosse]) -> list[TaskLockPosse]:
    return sorted(posses, key=lambda posse: (posse.lock.interval, posse.order))
