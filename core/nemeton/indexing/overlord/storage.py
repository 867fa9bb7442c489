"""Tasks, their status and their locks in the metadata store: ``druid_tasks`` and ``druid_taskLocks``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.model import TaskLock, TaskStatus
from nemeton.spi.indexing import Task
from nemeton.time import Interval, format_datetime, parse_datetime

log = logging.getLogger(__name__)

_ANY = "@"
OVERLORD = "overlord"
"""The service whose leader writes here."""


@frozen(kw_only=True)
class TaskInfo:
    """What the store knows of a task. ``published``: its publish is committed while the task still counts as active."""

    id: str
    created_time: int
    data_source: str
    status: TaskStatus
    type: str | None = None
    group_id: str | None = None
    task: Task | None = None
    published: bool = False


class TaskStorage:
    """See the module (Druid: ``MetadataTaskStorage``). Thread-safe.

    While a task is active its stored status is RUNNING, with one exception: a publish that completes its task stores
    SUCCESS in its own transaction (``docs/design/crash-safety.md``). To readers such a task is still RUNNING; it can
    no longer fail.
    """

    def __init__(self, connector: MetadataStorageConnector, json: Json, clock: Clock) -> None:
        self._connector = connector.acting_for(OVERLORD)
        self._tasks = connector.tables.tasks
        self._locks = connector.tables.task_locks
        self._upgrades = connector.tables.upgrade_segments
        self._json = json
        self._clock = clock
        self._running = json.dumps(TaskStatus.running(_ANY)).split(_ANY.encode())

    # ---- tasks

    def insert(self, task: Task, status: TaskStatus) -> TaskInfo:
        """Store a new task. Raises ``entryAlreadyExists`` when the id was ever used."""
        created = self._clock.now()
        table = self._tasks
        created_date, payload = format_datetime(created), self._json.dumps(task)

        inserted = False

        def work(connection: Connection) -> None:
            nonlocal inserted
            query = select(table.c.created_date, table.c.payload).where(table.c.id == task.id)
            there = connection.execute(query).first()
            if inserted and there is not None and tuple(there) == (created_date, payload):
                return  # by the try before: it was committed, but the answer got lost
            if there is not None:
                raise DruidException(
                    f"Task[{task.id}] already exists",
                    error_code="entryAlreadyExists",
                    persona="USER",
                    category="INVALID_INPUT",
                )
            connection.execute(
                insert(table).values(
                    id=task.id,
                    created_date=created_date,
                    datasource=task.data_source,
                    payload=payload,
                    status_payload=self._json.dumps(status),
                    active=status.is_running,
                    type=task.type,
                    group_id=task.group_id,
                )
            )
            inserted = True

        # two inserts of one id: the key refuses the second, which then finds the row
        self._connector.retry_transaction(work, isolation="READ COMMITTED")
        return TaskInfo(
            id=task.id,
            created_time=created,
            data_source=task.data_source,
            status=status,
            type=task.type,
            group_id=task.group_id,
            task=task,
        )

    def set_status(self, status: TaskStatus) -> TaskStatus:
        """Store one status; see `set_statuses`."""
        return self.set_statuses([status])[status.id]

    def set_statuses(self, statuses: Sequence[TaskStatus]) -> dict[str, TaskStatus]:
        """Store statuses of different tasks in one transaction; return by task id those that hold now.

        A final one makes its task inactive and deletes its locks. A task that has ended keeps its first final status;
        one whose publish is committed can only succeed.
        """
        table = self._tasks
        given = {status.id: status for status in statuses}
        query = select(table.c.id, table.c.active, table.c.status_payload)
        query = query.where(self._connector.dialect.among(table.c.id, list(given)))
        query = query.order_by(table.c.id).with_for_update()  # in one order for all, so that two never wait in a circle

        def work(connection: Connection) -> dict[str, TaskStatus]:
            holding = dict(given)
            changed: list[TaskStatus] = []
            for row in connection.execute(query).all():
                holding[row.id], is_new = self._effective(given[row.id], row)
                if is_new:
                    changed.append(holding[row.id])
            self._write(connection, changed)
            return holding

        return self._connector.retry_transaction(work, isolation="READ COMMITTED")

    def _effective(self, status: TaskStatus, row: Any) -> tuple[TaskStatus, bool]:
        """The status that shall hold, and whether it has to be written."""
        stored = self._status_in(row)
        if not row.active:
            return stored, False
        if not stored.is_success or status.is_success:
            return status, True
        if not status.is_complete:
            return status, False
        log.warning("Task [%s] has published and counts as SUCCESS, though: %s", status.id, status.error_msg)
        return TaskStatus.success(status.id, status.location).with_duration(status.duration), True

    def _write(self, connection: Connection, statuses: Sequence[TaskStatus]) -> None:
        if not statuses:
            return
        dialect = self._connector.dialect
        rows = [
            {"id": status.id, "active": status.is_running, "status_payload": self._json.dumps(status)}
            for status in statuses
        ]
        dialect.update_each(connection, self._tasks, "id", rows)
        ended = [status.id for status in statuses if status.is_complete]
        for left in (self._locks, self._upgrades):
            if ended:
                connection.execute(delete(left).where(dialect.among(left.c.task_id, ended)))

    def remove_tasks_older_than(self, created_before_ms: int) -> int:
        """Delete the rows of ended tasks that were submitted before that time; return how many."""
        table = self._tasks
        old = table.c.created_date < format_datetime(created_before_ms)
        statement = delete(table).where(table.c.active.is_(False), old)
        return self._connector.retry_transaction(lambda c: c.execute(statement).rowcount)

    def get_task(self, task_id: str) -> Task | None:
        """Return the task as stored. Raises when its type is not known here."""
        table = self._tasks
        query = select(table.c.payload).where(table.c.id == task_id)
        payload = self._connector.read(lambda c: c.execute(query).scalar())
        return None if payload is None else self._json.loads(payload, Task)

    def get_task_payload(self, task_id: str) -> Any | None:
        """Return the task's JSON as stored; works for types that are not known here."""
        table = self._tasks
        query = select(table.c.payload).where(table.c.id == task_id)
        payload = self._connector.read(lambda c: c.execute(query).scalar())
        return None if payload is None else self._json.loads(payload)

    def get_status(self, task_id: str) -> TaskStatus | None:
        """Return the task's status, or None for an unknown id."""
        info = self.get_task_info(task_id)
        return None if info is None else info.status

    def get_task_info(self, task_id: str) -> TaskInfo | None:
        """Return what is stored, without the task itself."""
        table = self._tasks
        rows = self._connector.read(lambda c: c.execute(self._info_query().where(table.c.id == task_id)).all())
        return self._info(rows[0]) if rows else None

    def get_statuses(self, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """Return the statuses of those tasks that there are."""
        table = self._tasks
        query = self._info_query().where(self._connector.dialect.among(table.c.id, task_ids))
        rows = self._connector.read(lambda c: c.execute(query).all())
        return {row.id: self._info(row).status for row in rows}

    def get_active_infos(self, data_source: str | None = None) -> list[TaskInfo]:
        """Return active tasks, oldest first, without the tasks themselves."""
        table = self._tasks
        query = self._info_query().where(table.c.active.is_(True)).order_by(table.c.created_date, table.c.id)
        if data_source is not None:
            query = query.where(table.c.datasource == data_source)
        rows = self._connector.read(lambda c: c.execute(query).all())
        return [self._info(row) for row in rows]

    def get_complete_infos(
        self,
        *,
        data_source: str | None = None,
        created: Interval | None = None,
        created_after: int | None = None,
        limit: int | None = None,
    ) -> list[TaskInfo]:
        """Return ended tasks, newest first."""
        table = self._tasks
        query = self._info_query().where(table.c.active.is_(False))
        if data_source is not None:
            query = query.where(table.c.datasource == data_source)
        if created is not None:
            query = query.where(
                table.c.created_date >= format_datetime(created.start),
                table.c.created_date < format_datetime(created.end),
            )
        if created_after is not None:
            query = query.where(table.c.created_date >= format_datetime(created_after))
        query = query.order_by(table.c.created_date.desc(), table.c.id.desc()).limit(limit)
        rows = self._connector.read(lambda c: c.execute(query).all())
        return [self._info(row) for row in rows]

    def get_active_tasks(self) -> list[TaskInfo]:
        """Return active tasks with the tasks themselves, oldest first.

        A task that cannot be read (its type's extension is gone) has ``task`` None.
        """
        table = self._tasks
        query = (
            self._info_query()
            .add_columns(table.c.payload)
            .where(table.c.active.is_(True))
            .order_by(table.c.created_date, table.c.id)
        )
        rows = self._connector.read(lambda c: c.execute(query).all())
        return [self._info(row, with_task=True) for row in rows]

    def _info_query(self) -> Select[Any]:
        c = self._tasks.c
        return select(c.id, c.created_date, c.datasource, c.status_payload, c.active, c.type, c.group_id)

    def _info(self, row: Row[Any], *, with_task: bool = False) -> TaskInfo:
        status = self._status_in(row)
        published = bool(row.active) and status.is_complete
        task = None
        if with_task:
            try:
                task = self._json.loads(row.payload, Task)
            except DruidException:
                log.exception("Task [%s] in the metadata store cannot be read", row.id)
        return TaskInfo(
            id=row.id,
            created_time=parse_datetime(row.created_date),
            data_source=row.datasource,
            status=TaskStatus.running(row.id) if published else status,
            type=row.type,
            group_id=row.group_id,
            task=task,
            published=published,
        )

    def _status_in(self, row: Any) -> TaskStatus:
        """The stored status; the one that tasks begin with is known by its bytes, as lists hold thousands of it."""
        before, after = self._running
        payload = bytes(row.status_payload)
        if (
            payload.startswith(before)
            and payload.endswith(after)
            and payload[len(before) : -len(after)] == row.id.encode()
        ):
            return TaskStatus.running(row.id)
        return self._json.loads(payload, TaskStatus)

    # ---- locks

    def add_lock(self, task_id: str, lock: TaskLock) -> None:
        """Store a lock of the task."""
        statement = insert(self._locks).values(task_id=task_id, lock_payload=self._lock_payload(lock))
        self._connector.retry_transaction(lambda c: c.execute(statement), isolation="READ COMMITTED")

    def replace_lock(self, task_id: str, old: TaskLock, new: TaskLock) -> None:
        """Store ``new`` in the place of ``old``."""

        def work(connection: Connection) -> None:
            found = self._find_lock(connection, task_id, old)
            if found is not None:
                statement = update(self._locks).where(self._locks.c.id == found)
                connection.execute(statement.values(lock_payload=self._lock_payload(new)))

        self._connector.retry_transaction(work, isolation="READ COMMITTED")

    def remove_lock(self, task_id: str, lock: TaskLock) -> None:
        """Delete the stored lock."""

        def work(connection: Connection) -> None:
            found = self._find_lock(connection, task_id, lock)
            if found is not None:
                connection.execute(delete(self._locks).where(self._locks.c.id == found))

        self._connector.retry_transaction(work, isolation="READ COMMITTED")

    def get_locks(self, task_id: str) -> list[TaskLock]:
        """Return the stored locks of the task."""
        query = select(self._locks.c.lock_payload).where(self._locks.c.task_id == task_id)
        rows = self._connector.read(lambda c: list(c.execute(query).scalars()))
        return [self._json.loads(payload, TaskLock) for payload in rows if payload is not None]

    def get_all_locks(self) -> dict[str, list[TaskLock]]:
        """Return all stored locks by task id."""
        query = select(self._locks.c.task_id, self._locks.c.lock_payload).order_by(self._locks.c.id)
        rows = self._connector.read(lambda c: c.execute(query).all())
        found: dict[str, list[TaskLock]] = {}
        for row in rows:
            if row.lock_payload is not None:
                found.setdefault(row.task_id, []).append(self._json.loads(row.lock_payload, TaskLock))
        return found

    def remove_orphaned_locks(self) -> int:
        """Delete what ended tasks have left: locks (return how many), and notes on segments appended beside them."""
        active = select(self._tasks.c.id).where(self._tasks.c.active.is_(True))
        locks = delete(self._locks).where(self._locks.c.task_id.not_in(active))
        upgrades = delete(self._upgrades).where(self._upgrades.c.task_id.not_in(active))

        def work(connection: Connection) -> int:
            connection.execute(upgrades)
            return connection.execute(locks).rowcount

        return self._connector.retry_transaction(work)

    def _lock_payload(self, lock: TaskLock) -> bytes:
        return self._json.dumps(lock.to_tagged_json())

    def _find_lock(self, connection: Connection, task_id: str, lock: TaskLock) -> int | None:
        """The id of one row that holds the lock; a task may hold two of a kind."""
        query = select(self._locks.c.id, self._locks.c.lock_payload).where(self._locks.c.task_id == task_id)
        for row in connection.execute(query.order_by(self._locks.c.id).with_for_update()).all():
            stored = None if row.lock_payload is None else self._json.loads(row.lock_payload, TaskLock)
            if stored is not None and stored.priority is None and lock.priority is not None:
                stored = stored.with_priority(lock.priority)
            if stored == lock:
                return int(row.id)
        return None
