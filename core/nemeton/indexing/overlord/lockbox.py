"""``TaskLockbox``: the one place where locks are decided."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, defensive, illegal_argument, timeout
from nemeton.indexing.overlord.lock_rules import (
    APPEND_VERSION,
    TIME_CHUNK_ONLY,
    LockRequest,
    LockResult,
    can_coexist,
    can_revoke,
    is_of_same_group_and_interval,
    is_reusable,
    meets,
    partition_of,
    supersedes,
)
from nemeton.indexing.overlord.posses import Posses, TaskLockPosse
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.model import LockGranularity, SegmentLock, TaskLock, TaskLockType, TimeChunkLock
from nemeton.spi.indexing import Task
from nemeton.spi.metadata import ReplaceTaskLock
from nemeton.time import Interval, format_datetime, parse_datetime

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long releasing a lock, or publishing alone, waits for a publish that is under way.
_CRITICAL_SECTION_TIMEOUT_S = 120.0


@frozen
class SyncResult:
    """What came of reading the stored locks: tasks whose group lost a lock must fail."""

    tasks_to_fail: list[Task]
    lock_count: int


class TaskLockbox:
    """Grants, shares, revokes and releases locks of active tasks; each change is stored first. Thread-safe.

    Every release wakes all who wait. A publish does not hold the lockbox's own lock: it marks
    its locks, which can then be neither revoked nor released until it is done.
    """

    def __init__(self, storage: TaskStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._active: dict[str, Task] = {}
        self._posses = Posses()
        self._last_version: dict[str, int] = {}
        self._publishing_alone: set[str] = set()
        self._waiters: set[threading.Event] = set()

    # ---- active tasks

    def add(self, task: Task) -> None:
        """Make the task active: from now on it may have locks."""
        with self._changed:
            self._active[task.id] = task

    def remove(self, task: Task) -> None:
        """Release all locks of the task and make it inactive."""
        with self._changed:
            self._active.pop(task.id, None)  # first, so that nothing is granted while a publish is waited for
            self._notify()  # the task itself may wait for a lock
            self._release(task.id, self._posses.of_task(task.id))

    def find_active_task(self, task_id: str) -> Task | None:
        """Return the active task of this id."""
        with self._changed:
            return self._active.get(task_id)

    def is_active(self, task: Task) -> bool:
        """True when the task may have locks."""
        return self.find_active_task(task.id) is not None

    # ---- restart

    def sync_from_storage(self, stored: Sequence[tuple[Task, Sequence[TaskLock]]]) -> SyncResult:
        """Forget everything and take up the stored locks of the stored active tasks, in the order they were granted.

        A lock that cannot be taken up fails all tasks of its group. Locks on empty intervals are left out.
        """
        with self._changed:
            self._posses.clear()
            self._active = {task.id: task for task, _ in stored}
            pairs = [(task, lock) for task, locks in stored for lock in locks]
            failed_groups: set[str] = set()
            count = 0
            for task, lock in sorted(pairs, key=lambda pair: (pair[1].version or "", pair[0].id)):
                if lock.interval.is_empty:
                    log.warning("Stored lock of task [%s] has an empty interval; left out: %s", task.id, lock)
                elif self._take_up(task, lock):
                    count += 1
                else:
                    log.error("Stored lock of task [%s] cannot be taken up: %s", task.id, lock)
                    failed_groups.add(task.group_id)
            to_fail = [task for task, _ in stored if task.group_id in failed_groups]
            for task in to_fail:
                self._active.pop(task.id, None)
            self._notify()
            return SyncResult(to_fail, count)

    def _take_up(self, task: Task, lock: TaskLock) -> bool:
        if lock.priority is None:
            lock = lock.with_priority(task.priority)
        belongs = (lock.data_source, lock.group_id, lock.priority) == (task.data_source, task.group_id, task.priority)
        if not belongs:
            return False
        posse = self._find_stored(task, lock)
        if posse is None or posse.lock.revoked != lock.revoked:
            return False
        self._posses.join(posse, task.id)
        self._remember_version(lock)
        return True

    def _remember_version(self, lock: TaskLock) -> None:
        """New versions are later than this one, even if the clock of this machine is behind that of the last leader."""
        with contextlib.suppress(DruidException):
            if lock.version is not None and isinstance(lock, TimeChunkLock):
                version = parse_datetime(lock.version)
                self._last_version[lock.data_source] = max(version, self._last_version.get(lock.data_source, 0))

    def _find_stored(self, task: Task, lock: TaskLock) -> TaskLockPosse | None:
        found = self._posses.overlapping(lock.data_source, lock.interval)
        same = next((posse for posse in found if posse.lock == lock and task.id not in posse.task_ids), None)
        if same is not None:
            return same
        if lock.revoked:
            return self._posses.add(lock)  # it stands in nobody's way, and its holder must hear of it
        partition = partition_of(lock)
        request = LockRequest.of(task, lock.type, lock.interval, version=lock.version, partition_id=partition)
        met = [posse.lock for posse in found if meets(posse.lock, request)]
        if all(can_coexist(held, request) or is_of_same_group_and_interval(held, request) for held in met):
            return self._posses.add(lock)
        try:
            return self._find_or_create(request)[0]
        except Exception:
            log.exception("A stored lock of task [%s] cannot be taken up: %s", task.id, lock)
            return None

    # ---- granting

    def try_lock(self, task: Task, request: LockRequest) -> LockResult:
        """Grant what is asked for, or say that it cannot be had now, or that the task had it and lost it.

        Raises ``DruidException`` when the task is not active, the interval is empty, or another task of its group has
        this lock with another priority.
        """
        if request.interval.is_empty:
            raise illegal_argument("interval empty")
        with self._changed:
            if task.id not in self._active:
                raise defensive(f"Unable to grant lock to inactive Task [{task.id}]")
            posse, met = self._find_or_create(request)
            if posse is None:
                return LockResult.fail()
            if task.id not in posse.task_ids:
                self._join(posse, task)
                self._release_superseded(posse, task, met)
            return LockResult.of(posse.lock)

    def lock(self, task: Task, request: LockRequest, *, timeout_s: float) -> LockResult:
        """As :meth:`try_lock`, but wait up to ``timeout_s`` seconds for what is in the way."""
        deadline = self._clock.monotonic() + timeout_s
        while True:
            changed = threading.Event()
            with self._changed:
                result = self.try_lock(task, request)
                remaining = deadline - self._clock.monotonic()
                if result.task_lock is not None or remaining <= 0:
                    return result
                self._waiters.add(changed)
            try:
                self._clock.wait(changed, remaining)
            finally:
                with self._changed:
                    self._waiters.discard(changed)

    def _notify(self) -> None:
        """Wake who waits for a lock, or for a publish to end."""
        self._changed.notify_all()
        for waiter in self._waiters:
            waiter.set()

    def try_lock_time_chunk(self, task: Task, lock_type: TaskLockType, interval: Interval) -> TaskLock | None:
        """Return the task's lock that covers the interval (an old one, perhaps revoked, or a new one); None if refused.

        Raises as :meth:`try_lock` does.
        """
        return self.try_lock(task, LockRequest.of(task, lock_type, interval)).task_lock

    def lock_time_chunk(
        self, task: Task, lock_type: TaskLockType, interval: Interval, *, timeout_s: float
    ) -> TaskLock | None:
        """As :meth:`try_lock_time_chunk`, but wait up to ``timeout_s`` seconds for it."""
        return self.lock(task, LockRequest.of(task, lock_type, interval), timeout_s=timeout_s).task_lock

    def _find_or_create(self, request: LockRequest) -> tuple[TaskLockPosse | None, list[TaskLockPosse]]:
        """The posse to join, if any, and the posses that the request meets."""
        found = self._posses.overlapping(request.data_source, request.interval)
        met = [posse for posse in found if meets(posse.lock, request)]
        reusable = [posse for posse in found if is_reusable(posse.lock, request)]
        if len(reusable) > 1:
            raise defensive(
                f"Task group[{request.group_id}] has multiple locks for the same interval[{request.interval}]?"
            )
        if reusable:
            return reusable[0], met
        return (self._create(request) if not met or self._make_room(request, met) else None), met

    def _make_room(self, request: LockRequest, met: Sequence[TaskLockPosse]) -> bool:
        """Whether the lock may be granted; revokes what is in its way, all of it or nothing."""
        if request.type in TIME_CHUNK_ONLY and request.granularity is LockGranularity.SEGMENT:
            return False
        in_the_way = [posse for posse in met if not can_coexist(posse.lock, request)]
        if all(can_revoke(posse.lock, request) and not posse.critical for posse in in_the_way):
            for posse in in_the_way:
                self._revoke(posse)
            return True
        # only the kind of lock differs: tasks of one group may change it while they run
        return all(is_of_same_group_and_interval(posse.lock, request) for posse in met)

    def _create(self, request: LockRequest) -> TaskLockPosse:
        return self._posses.add(request.to_lock(request.version or self.new_version(request.data_source, request.type)))

    def new_version(self, data_source: str, lock_type: TaskLockType) -> str:
        """The version of a lock that begins now.

        Two locks of one data source never share a version, as their segments would share ids; all APPEND locks do.
        """
        if lock_type is TaskLockType.APPEND:
            return APPEND_VERSION
        with self._changed:
            version = max(self._clock.now(), self._last_version.get(data_source, 0) + 1)
            self._last_version[data_source] = version
            return format_datetime(version)

    def _join(self, posse: TaskLockPosse, task: Task) -> None:
        if posse.lock.priority != task.priority:
            raise illegal_argument(
                f"priority[{task.priority}] of task[{task.id}] is different from the existing lockPosse's "
                f"priority[{posse.lock.priority}]"
            )
        try:
            self._storage.add_lock(task.id, posse.lock)
        except BaseException:
            self._posses.drop_if_empty(posse)
            raise
        self._posses.join(posse, task.id)
        log.info("Task [%s] holds %s", task.id, posse.lock)

    def _release_superseded(self, posse: TaskLockPosse, task: Task, met: Iterable[TaskLockPosse]) -> None:
        superseded = [p for p in met if task.id in p.task_ids and not p.critical and supersedes(posse.lock, p.lock)]
        self._release(task.id, superseded)

    def _revoke(self, posse: TaskLockPosse) -> None:
        revoked = posse.lock.revoked_copy()
        for task_id in sorted(posse.task_ids):
            self._storage.replace_lock(task_id, posse.lock, revoked)
        log.info("Revoked %s of tasks %s", posse.lock, sorted(posse.task_ids))
        self._posses.replace_lock(posse, revoked)

    # ---- releasing

    def unlock(self, task: Task, interval: Interval) -> None:
        """Release the task's time-chunk locks on exactly this interval, revoked ones too."""
        with self._changed:
            posses = self._posses.of_task(task.id)
            self._release(
                task.id,
                [p for p in posses if p.lock.interval == interval and not isinstance(p.lock, SegmentLock)],
            )

    def unlock_all(self, task: Task) -> None:
        """Release all locks of the task; it stays active."""
        with self._changed:
            self._release(task.id, self._posses.of_task(task.id))

    def _release(self, task_id: str, posses: Sequence[TaskLockPosse]) -> None:
        if not posses:
            return
        settled = self._changed.wait_for(lambda: not any(p.critical for p in posses), _CRITICAL_SECTION_TIMEOUT_S)
        if not settled:
            raise timeout(
                f"A publish of task [{task_id}] keeps its locks for more than {_CRITICAL_SECTION_TIMEOUT_S} s"
            )
        for posse in posses:
            if task_id not in posse.task_ids:
                continue  # another thread was faster while this one waited
            self._posses.leave(posse, task_id)
            try:
                self._storage.remove_lock(task_id, posse.lock)
            except Exception:
                # a row too many is cleaned up with its task; a lock in memory too many would block others
                log.exception("Removing a lock of task [%s] from the metadata store failed", task_id)
        self._notify()

    # ---- looking

    def find_locks_for_task(self, task: Task) -> list[TaskLock]:
        """Return all locks of the task, revoked ones too."""
        with self._changed:
            return [posse.lock for posse in self._posses.of_task(task.id)]

    def find_valid_locks(self, data_source: str) -> list[TaskLock]:
        """Return all locks of the data source that are in force."""
        with self._changed:
            return [p.lock for p in self._posses.of_data_source(data_source) if not p.lock.revoked]

    def find_replace_locks_for_task(self, task: Task) -> list[ReplaceTaskLock]:
        """Return the REPLACE locks in force that the task holds; raise when another task holds one of them too."""
        with self._changed:
            return _replace_locks(self._posses.of_task(task.id))

    def find_replace_locks(self, data_source: str) -> list[ReplaceTaskLock]:
        """Return the REPLACE locks in force of the data source; raise when several tasks hold one of them."""
        with self._changed:
            return _replace_locks(self._posses.of_data_source(data_source))

    # ---- publishing

    def do_in_critical_section(
        self,
        task: Task,
        intervals: Sequence[Interval],
        *,
        on_valid_locks: Callable[[], T],
        on_invalid_locks: Callable[[], T],
        alone: bool = False,
    ) -> T:
        """Call ``on_valid_locks`` while the task's locks on all ``intervals`` can be neither revoked nor released.

        If all on an interval are revoked, call ``on_invalid_locks`` instead; of several locks on partitions it is
        enough that one is in force, and ``on_valid_locks`` has to see which. Raise when there is none, or more than one
        and not all on partitions (as in Druid). Sections that run ``alone`` in their data source do not overlap: an
        append must either see the replacement that has been published, or be seen by the one that is going to be.
        """
        with self._changed:
            if alone:
                self._wait_to_be_alone(task)
            posses = self._posses_covering(task, intervals)
            if posses is not None:
                for posse in posses:
                    posse.critical += 1
                if alone:
                    self._publishing_alone.add(task.data_source)
        if posses is None:
            return on_invalid_locks()
        with self._leaving(task, posses, alone=alone):
            return on_valid_locks()

    def _wait_to_be_alone(self, task: Task) -> None:
        source = task.data_source
        free = self._changed.wait_for(lambda: source not in self._publishing_alone, _CRITICAL_SECTION_TIMEOUT_S)
        if not free:
            raise timeout(
                f"Task [{task.id}] has waited {_CRITICAL_SECTION_TIMEOUT_S} s for another publish to [{source}]"
            )

    def _posses_covering(self, task: Task, intervals: Sequence[Interval]) -> list[TaskLockPosse] | None:
        """The posses in force of the task that cover the intervals; None when one is covered by revoked ones only."""
        # the locks of a task that has ended may still be there, for another publish that is under way
        mine = self._posses.of_task(task.id) if task.id in self._active else []
        needed: dict[int, TaskLockPosse] = {}
        for interval in intervals:
            containing = [posse for posse in mine if posse.lock.interval.contains(interval)]
            if not containing:
                raise defensive(f"Cannot find any lock for task[{task.id}] and interval[{interval}]")
            if len(containing) > 1 and not all(isinstance(p.lock, SegmentLock) for p in containing):
                raise defensive(f"There are multiple timechunk lockPosses for task[{task.id}] and interval[{interval}]")
            in_force = [posse for posse in containing if not posse.lock.revoked]
            if not in_force:
                return None
            needed.update((id(posse), posse) for posse in in_force)
        return list(needed.values())

    @contextlib.contextmanager
    def _leaving(self, task: Task, posses: Sequence[TaskLockPosse], *, alone: bool) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                for posse in posses:
                    posse.critical -= 1
                if alone:
                    self._publishing_alone.discard(task.data_source)
                self._notify()


def _replace_locks(posses: Iterable[TaskLockPosse]) -> list[ReplaceTaskLock]:
    found = []
    for posse in posses:
        lock = posse.lock
        if lock.revoked or lock.type is not TaskLockType.REPLACE:
            continue
        if len(posse.task_ids) > 1:  # sub tasks replace in the name of their supervisor task
            raise DruidException(
                f"Replace lock[{lock.to_tagged_json()}] for datasource[{lock.data_source}] is held by multiple tasks"
                f"[{', '.join(sorted(posse.task_ids))}]",
                category="DEFENSIVE",
                persona="DEVELOPER",
            )
        found.append(ReplaceTaskLock(next(iter(posse.task_ids)), lock.interval, lock.version or ""))
    return found
