"""Tasks put straight into a metadata store on PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg
from tests.servers.metadata import postgresql_connector
from tests.servers.postgresql import PASSWORD, USER, PostgreSqlServer

from nemeton.common.clock import SystemClock

_COLUMNS = "id, created_date, datasource, payload, status_payload, active, type, group_id"
_CONTEXT = {"forceTimeChunkLock": True, "useLineageBasedSegmentAllocation": True}


def pending_id(number: int) -> str:
    """The id of a task that waits."""
    return f"scale_{number:08}"


def fill(server: PostgreSqlServer, database: str, pending: int, completed: int) -> None:
    """Make Druid's tables, `completed` tasks that ended within the last ten days, and `pending` ones."""
    connector = postgresql_connector(server, database, SystemClock())
    connector.start()
    connector.create_tables()
    connector.stop()
    now = datetime.now(UTC)
    with _connect(server, database) as connection:
        with connection.cursor().copy(f"COPY druid_tasks ({_COLUMNS}) FROM STDIN") as copy:
            for number in range(completed):
                created = now - timedelta(days=10) * ((completed - number) / completed)
                copy.write_row(_row(f"ended_{number:08}", created, "SUCCESS"))
            for number in range(pending):
                copy.write_row(_row(pending_id(number), now + timedelta(milliseconds=number - pending), "RUNNING"))
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE druid_tasks")


def _row(task_id: str, created: datetime, status: str) -> tuple[object, ...]:
    task = {
        "type": "noop",
        "id": task_id,
        "groupId": task_id,
        "resource": {"availabilityGroup": task_id, "requiredCapacity": 1},
        "dataSource": "scale",
        "runTime": 1000,
        "isReadyTime": 0,
        "isReadyResult": "YES",
        "context": _CONTEXT,
    }
    said = {
        "id": task_id,
        "status": status,
        "duration": -1 if status == "RUNNING" else 1000,
        "errorMsg": None,
        "location": {"host": None, "port": -1, "tlsPort": -1},
    }
    at = created.strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03}Z"
    payloads = (json.dumps(each, separators=(",", ":")).encode() for each in (task, said))
    return task_id, at, "scale", *payloads, status == "RUNNING", "noop", task_id


def count_active(server: PostgreSqlServer, database: str) -> int:
    """How many tasks the store does not hold as ended."""
    with _connect(server, database) as connection:
        row = connection.execute("SELECT count(*) FROM druid_tasks WHERE active").fetchone()
        return int(str(row[0])) if row else 0


def _connect(server: PostgreSqlServer, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(host="127.0.0.1", port=server.port, user=USER, password=PASSWORD, dbname=database)
