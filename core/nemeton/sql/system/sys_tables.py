"""The schema sys: segments, servers, tasks and supervisors of the cluster.

The rows come from a :class:`SystemSchemaProvider`, which the Broker binds: it knows the timeline and asks Coordinator
and Overlord. A provider gives records by column name; columns that it leaves out are null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from nemeton.sql.catalog import SYSTEM_SCHEMA, Column, Table
from nemeton.sql.system.information_schema import SYSTEM_TABLE
from nemeton.sql.types import BIGINT, VARCHAR

Record = Mapping[str, Any]


class SystemSchemaProvider(Protocol):
    """Where the rows of sys come from. Thread-safe.

    `identity` is the authentication result of the request; the provider leaves out what that may not read, and raises
    `nemeton.common.errors.forbidden`, at once, for a table that it may not see at all.
    """

    def segments(self, identity: Any) -> Iterable[Record]:
        """Published and served segments, by the columns of :data:`SEGMENTS`; flags are 0 or 1."""
        ...

    def servers(self, identity: Any) -> Iterable[Record]:
        """Every discovered node, by the columns of :data:`SERVERS`."""
        ...

    def server_segments(self, identity: Any) -> Iterable[Record]:
        """Pairs of ``server`` and ``segment_id``."""
        ...

    def tasks(self, identity: Any) -> Iterable[Record]:
        """Running and recent tasks, by the columns of :data:`TASKS`."""
        ...

    def supervisors(self, identity: Any) -> Iterable[Record]:
        """Supervisors, by the columns of :data:`SUPERVISORS`."""
        ...


def _columns(names: str, numbers: str) -> tuple[Column, ...]:
    whole = set(numbers.split())
    return tuple(Column(name, BIGINT if name in whole else VARCHAR) for name in names.split())


SEGMENTS = _columns(
    "segment_id datasource start end size version partition_num num_replicas num_rows is_active is_published "
    "is_available is_realtime is_overshadowed shard_spec dimensions metrics last_compaction_state replication_factor",
    "size partition_num num_replicas num_rows is_active is_published is_available is_realtime is_overshadowed "
    "replication_factor",
)
SERVERS = _columns(
    "server host plaintext_port tls_port server_type tier curr_size max_size is_leader start_time",
    "plaintext_port tls_port curr_size max_size is_leader",
)
SERVER_SEGMENTS = _columns("server segment_id", "")
TASKS = _columns(
    "task_id group_id type datasource created_time queue_insertion_time status runner_status duration location host "
    "plaintext_port tls_port error_msg",
    "duration plaintext_port tls_port",
)
SUPERVISORS = _columns("supervisor_id state detailed_state healthy type source suspended spec", "healthy suspended")


def sys_tables(provider: SystemSchemaProvider) -> list[Table]:
    """The tables of sys over one provider."""
    return [
        _table("segments", SEGMENTS, provider.segments),
        _table("servers", SERVERS, provider.servers),
        _table("server_segments", SERVER_SEGMENTS, provider.server_segments),
        _table("tasks", TASKS, provider.tasks),
        _table("supervisors", SUPERVISORS, provider.supervisors),
    ]


def _table(name: str, columns: tuple[Column, ...], records: Callable[[Any], Iterable[Record]]) -> Table:
    names = [column.name for column in columns]

    def rows(identity: Any) -> Iterable[Sequence[Any]]:
        return ([record.get(column) for column in names] for record in records(identity))

    return Table(SYSTEM_SCHEMA, name, columns, kind=SYSTEM_TABLE, rows=rows)
