"""``TaskLockbox``: the one place where locks are decided."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from attrs import define, field, frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import defensive, invalid_input, timeout
from nemeton.indexing.overlord.lock_rules import APPEND_VERSION, LockRequest, can_coexist, can_revoke, is_reusable
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.model import TaskLock, TaskLockType
from nemeton.spi.indexing import Task
from nemeton.time import Interval, format_datetime

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long releasing a lock waits for a publish that is under way with it.
_CRITICAL_SECTION_TIMEOUT_S = 120.0


@define(eq=False)
class TaskLockPosse:
    """A lock and the tasks (of one group) that hold it. ``critical`` counts publishes under way with it."""

    lock: TaskLock
    task_ids: set[str] = field(factory=set)
    critical: int = 0


@frozen
class SyncResult:
    """What came of reading the stored locks: tasks whose group lost a lock must fail."""

    tasks_to_fail: list[Task]
    lock_count: int


class TaskLockbox:
    """Grants, shares, revokes and releases locks of active tasks; each change is stored first. Thread-safe.

    Waiters wait on one condition that every release notifies. A publish does not hold the lockbox's own lock: it marks
    its locks, which can then be neither revoked nor released until it is done.
    """

    def __init__(self, storage: TaskStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._active: dict[str, Task] = {}
        self._posses: dict[str, dict[Interval, list[TaskLockPosse]]] = {}
        self._last_version: dict[str, int] = {}

    # ---- active tasks

    def add(self, task: Task) -> None:
        """Make the task active: from now on it may have locks."""
        with self._changed:
            self._active[task.id] = task

    def remove(self, task: Task) -> None:
        """Release all locks of the task and make it inactive."""
        with self._changed:
            self._active.pop(task.id, None)  # first, so that nothing is granted while a publish is waited for
            self._changed.notify_all()  # the task itself may wait for a lock
            self._release(task.id, self._posses_of(task.id, task.data_source))

    def find_active_task(self, task_id: str) -> Task | None:
        """Return the active task of this id."""
        with self._changed:
            return self._active.get(task_id)

    def sync_from_storage(self, stored: Sequence[tuple[Task, Sequence[TaskLock]]]) -> SyncResult:
        """Forget everything and take up the stored locks of the stored active tasks, in the order they were granted."""
        with self._changed:
            self._posses.clear()
            self._active = {task.id: task for task, _ in stored}
            pairs = [(task, lock) for task, locks in stored for lock in locks]
            failed_groups: set[str] = set()
            count = 0
            for task, lock in sorted(pairs, key=lambda pair: (pair[1].version or "", pair[0].id)):
                if lock.interval.end <= lock.interval.start:
                    log.warning("Stored lock of task [%s] has an empty interval; left out: %s", task.id, lock)
                elif self._take_up(task, lock):
                    count += 1
                else:
                    log.error("Stored lock of task [%s] cannot be taken up: %s", task.id, lock)
                    failed_groups.add(task.group_id)
            to_fail = [task for task, _ in stored if task.group_id in failed_groups]
            for task in to_fail:
                self._active.pop(task.id, None)
            self._changed.notify_all()
            return SyncResult(to_fail, count)

    def _take_up(self, task: Task, lock: TaskLock) -> bool:
        belongs = (lock.data_source, lock.group_id, lock.priority) == (task.data_source, task.group_id, task.priority)
        if not belongs:
            return False
        if lock.revoked:
            posse = next((p for p in self._overlapping(lock.data_source, lock.interval) if p.lock == lock), None)
            (posse or self._new_posse(lock)).task_ids.add(task.id)
            return True
        request = LockRequest(
            type=lock.type,
            group_id=lock.group_id,
            data_source=lock.data_source,
            interval=lock.interval,
            priority=lock.priority,
            version=lock.version,
        )
        posse = self._find_or_create(request)
        if posse is None or posse.lock.revoked:
            return False
        posse.task_ids.add(task.id)
        return True

    # ---- granting

    def try_lock_time_chunk(self, task: Task, lock_type: TaskLockType, interval: Interval) -> TaskLock | None:
        """Return the task's lock that covers the interval (an old one, perhaps revoked, or a new one); None if refused.

        Raises ``DruidException`` when the task is not active or the interval is empty.
        """
        if interval.end <= interval.start:
            raise invalid_input(f"interval: must not be empty, but is [{interval}]")
        with self._changed:
            if task.id not in self._active:
                raise defensive(f"Unable to grant lock to inactive Task [{task.id}]")
            request = LockRequest(
                type=lock_type,
                group_id=task.group_id,
                data_source=task.data_source,
                interval=interval,
                priority=task.priority,
            )
            posse = self._find_or_create(request)
            if posse is None:
                return None
            if task.id not in posse.task_ids and not posse.lock.revoked:
                self._join(posse, task)
            return posse.lock

    def lock_time_chunk(
        self, task: Task, lock_type: TaskLockType, interval: Interval, *, timeout_s: float
    ) -> TaskLock | None:
        """As :meth:`try_lock_time_chunk`, but wait up to ``timeout_s`` seconds for it."""
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            while True:
                lock = self.try_lock_time_chunk(task, lock_type, interval)
                remaining = deadline - self._clock.monotonic()
                if lock is not None or remaining <= 0:
                    return lock
                self._changed.wait(remaining)

    def _find_or_create(self, request: LockRequest) -> TaskLockPosse | None:
        found = self._overlapping(request.data_source, request.interval)
        reusable = [posse for posse in found if is_reusable(posse.lock, request)]
        valid = [posse for posse in reusable if not posse.lock.revoked]
        if reusable:
            return (valid or reusable)[0]
        in_the_way = [posse for posse in found if not can_coexist(posse.lock, request)]
        if in_the_way and not self._same_group_and_interval(in_the_way, request):
            if not all(can_revoke(posse.lock, request) and not posse.critical for posse in in_the_way):
                return None
            for posse in in_the_way:
                self._revoke(posse)
        return self._new_posse(
            TaskLock(
                type=request.type,
                group_id=request.group_id,
                data_source=request.data_source,
                interval=request.interval,
                version=request.version or self._new_version(request),
                priority=request.priority,
            )
        )

    @staticmethod
    def _same_group_and_interval(posses: Iterable[TaskLockPosse], request: LockRequest) -> bool:
        """True when only the kind of lock differs: tasks of one group may change it while they run."""
        return all((p.lock.group_id, p.lock.interval) == (request.group_id, request.interval) for p in posses)

    def _new_version(self, request: LockRequest) -> str:
        if request.type is TaskLockType.APPEND:
            return APPEND_VERSION
        # two locks of one data source never share a version: their segments would share ids
        version = max(self._clock.now(), self._last_version.get(request.data_source, 0) + 1)
        self._last_version[request.data_source] = version
        return format_datetime(version)

    def _new_posse(self, lock: TaskLock) -> TaskLockPosse:
        posse = TaskLockPosse(lock)
        self._posses.setdefault(lock.data_source, {}).setdefault(lock.interval, []).append(posse)
        return posse

    def _join(self, posse: TaskLockPosse, task: Task) -> None:
        try:
            self._storage.add_lock(task.id, posse.lock)
        except BaseException:
            if not posse.task_ids:
                self._drop(posse)
            raise
        posse.task_ids.add(task.id)
        log.info("Task [%s] holds %s", task.id, posse.lock)

    def _revoke(self, posse: TaskLockPosse) -> None:
        revoked = posse.lock.revoked_copy()
        for task_id in sorted(posse.task_ids):
            self._storage.replace_lock(task_id, posse.lock, revoked)
        log.info("Revoked %s of tasks %s", posse.lock, sorted(posse.task_ids))
        posse.lock = revoked

    # ---- releasing

    def unlock(self, task: Task, interval: Interval) -> None:
        """Release the task's locks on exactly this interval, revoked ones too."""
        with self._changed:
            posses = self._posses_of(task.id, task.data_source)
            self._release(task.id, [posse for posse in posses if posse.lock.interval == interval])

    def unlock_all(self, task: Task) -> None:
        """Release all locks of the task; it stays active."""
        with self._changed:
            self._release(task.id, self._posses_of(task.id, task.data_source))

    def _release(self, task_id: str, posses: Sequence[TaskLockPosse]) -> None:
        if not posses:
            return
        settled = self._changed.wait_for(lambda: not any(p.critical for p in posses), _CRITICAL_SECTION_TIMEOUT_S)
        if not settled:
            raise timeout(
                f"A publish of task [{task_id}] keeps its locks for more than {_CRITICAL_SECTION_TIMEOUT_S} s"
            )
        for posse in posses:
            posse.task_ids.discard(task_id)
            if not posse.task_ids:
                self._drop(posse)
            try:
                self._storage.remove_lock(task_id, posse.lock)
            except Exception:
                # a row too many is cleaned up with its task; a lock in memory too many would block others
                log.exception("Removing a lock of task [%s] from the metadata store failed", task_id)
        self._changed.notify_all()

    def _drop(self, posse: TaskLockPosse) -> None:
        by_interval = self._posses.get(posse.lock.data_source, {})
        posses = by_interval.get(posse.lock.interval, [])
        if posse in posses:
            posses.remove(posse)
        if not posses:
            by_interval.pop(posse.lock.interval, None)
        if not by_interval:
            self._posses.pop(posse.lock.data_source, None)

    # ---- looking

    def _overlapping(self, data_source: str, interval: Interval) -> list[TaskLockPosse]:
        by_interval = self._posses.get(data_source, {})
        return [posse for held, posses in by_interval.items() if held.overlaps(interval) for posse in posses]

    def _posses_of(self, task_id: str, data_source: str) -> list[TaskLockPosse]:
        by_interval = self._posses.get(data_source, {})
        return [posse for posses in by_interval.values() for posse in posses if task_id in posse.task_ids]

    def find_locks_for_task(self, task: Task) -> list[TaskLock]:
        """Return all locks of the task, revoked ones too."""
        with self._changed:
            return [posse.lock for posse in self._posses_of(task.id, task.data_source)]

    def get_active_locks(self, min_priority: dict[str, int]) -> dict[str, list[TaskLock]]:
        """Return, per data source asked for, the locks in force of at least this priority."""
        with self._changed:
            found = {
                data_source: [
                    posse.lock
                    for posses in self._posses.get(data_source, {}).values()
                    for posse in posses
                    if not posse.lock.revoked and posse.lock.priority >= priority
                ]
                for data_source, priority in min_priority.items()
            }
        return {data_source: locks for data_source, locks in found.items() if locks}

    # ---- publishing

    def do_in_critical_section(
        self,
        task: Task,
        intervals: Sequence[Interval],
        *,
        on_valid_locks: Callable[[], T],
        on_invalid_locks: Callable[[], T],
    ) -> T:
        """Call ``on_valid_locks`` while the task's locks on all ``intervals`` can be neither revoked nor released.

        If a lock is missing or revoked, call ``on_invalid_locks`` instead.
        """
        with self._changed:
            posses = self._posses_covering(task, intervals) if task.id in self._active else None
            for posse in posses or []:
                posse.critical += 1
        if posses is None:
            return on_invalid_locks()
        with self._leaving(posses):
            return on_valid_locks()

    def _posses_covering(self, task: Task, intervals: Sequence[Interval]) -> list[TaskLockPosse] | None:
        mine = [p for p in self._posses_of(task.id, task.data_source) if not p.lock.revoked]
        needed: list[TaskLockPosse] = []
        for interval in intervals:
            covering = next((posse for posse in mine if posse.lock.interval.contains(interval)), None)
            if covering is None:
                return None
            if covering not in needed:
                needed.append(covering)
        return needed

    @contextmanager
    def _leaving(self, posses: Sequence[TaskLockPosse]) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                for posse in posses:
                    posse.critical -= 1
                self._changed.notify_all()
