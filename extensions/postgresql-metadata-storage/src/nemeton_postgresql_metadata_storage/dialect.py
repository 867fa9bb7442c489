"""The store type ``postgresql``: everything that is particular to PostgreSQL."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, event, func, literal, literal_column, update
from sqlalchemy import column as column_

from nemeton.plugins import json_type
from nemeton.spi import MetadataStorageDialect
from nemeton.spi.metadata import Isolation
from nemeton_postgresql_metadata_storage.config import PostgreSqlConnectorConfig, PostgreSqlTablesConfig
from nemeton_postgresql_metadata_storage.uris import SOCKET_TIMEOUT, make_url

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

_MAX_NAME_BYTES = 63
_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_TRANSIENT_CLASSES = ("08", "53")  # connection exceptions, insufficient resources
_TRANSIENT = {
    "40001",  # could not serialize
    "40P01",  # deadlock
    "57P01",  # the server is being shut down
    "57P02",  # … has crashed
    "57P03",  # … is starting
    # somebody inserted the row (or made the table, its type, a column) after we had looked; the next try finds it
    "23505",
    "42P07",
    "42710",
    "42701",
}
_NOT_LET_IN = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "does not match host name",
    "certificate",
    "does not support SSL",
)
"""Words of failed connections, which have no state, that the next try will meet again."""


@json_type("postgresql")
class PostgreSqlDialect(MetadataStorageDialect):
    """PostgreSQL through psycopg 3, in Druid's tables."""

    def __init__(self, tables: PostgreSqlTablesConfig, ssl: PostgreSqlConnectorConfig) -> None:
        self._tables = tables
        self._ssl = ssl

    def url(self, connect_uri: str | None, user: str | None, password: str | None, host: str, port: int) -> str:
        """See :class:`MetadataStorageDialect`. ``host`` and ``port`` are Derby's and not looked at, as in Druid."""
        return make_url(connect_uri, user, password, self._ssl.parameters()).render_as_string(hide_password=False)

    def fold_name(self, name: str) -> str:
        """PostgreSQL keeps names in lower case (ASCII letters), cut to 63 bytes."""
        return name.translate(_TO_LOWER).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")

    def create_engine(self, url: str, *, max_connections: int) -> Engine:
        """See :class:`MetadataStorageDialect`."""
        made = sqlalchemy.make_url(url)
        timeout = made.query.get(SOCKET_TIMEOUT)
        seconds = self._tables.socket_timeout.to_seconds() if timeout is None else float(str(timeout))
        engine = super().create_engine(
            made.difference_update_query([SOCKET_TIMEOUT]).render_as_string(hide_password=False),
            max_connections=max_connections,
        )
        self._bound_the_waits(engine, seconds if seconds > 0 else float("inf"))
        if self._tables.db_table_schema is None:
            return engine
        return engine.execution_options(schema_translate_map={None: self._tables.db_table_schema})

    @staticmethod
    def _bound_the_waits(engine: Engine, seconds: float) -> None:
        from nemeton_postgresql_metadata_storage.connection import BoundedConnection

        class Connection(BoundedConnection):
            socket_timeout_s = seconds

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: object, _record: object, cargs: list[Any], cparams: dict[str, Any]) -> Any:
            return Connection.connect(*cargs, **cparams)

        @event.listens_for(engine, "do_execute")
        def execute(cursor: Any, statement: str, parameters: Any, _context: object) -> bool:
            return bool(cursor.connection.begin_with(cursor, statement, parameters))

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _record: object) -> None:
            # a client that hangs in the middle of a transaction does not keep its locks for ever either
            if seconds != float("inf"):
                connection.execute(f"SET idle_in_transaction_session_timeout = {round(seconds * 1000)}")
                connection.commit()

    def transaction_options(self, *, write: bool, isolation: Isolation) -> Mapping[str, Any]:
        """See :class:`MetadataStorageDialect`."""
        return {**super().transaction_options(write=write, isolation=isolation), "postgresql_readonly": not write}

    def clock(self) -> ColumnElement[int]:
        """See :class:`MetadataStorageDialect`: the server's."""
        return literal_column("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)", BigInteger)

    def silence_bound(self, seconds: float) -> ColumnElement[Any]:
        """See :class:`MetadataStorageDialect`. The server closes the connection."""
        # without parameters, so that it can be sent along with BEGIN
        return literal_column(f"set_config('idle_in_transaction_session_timeout', '{round(seconds * 1000)}', true)")

    def among(self, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
        """See :class:`MetadataStorageDialect`: one parameter, however many values."""
        return column == any_(literal(list(values), ARRAY(column.type)))

    def update_each(self, connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """See :class:`MetadataStorageDialect`: one statement with a parameter for each column."""
        of = [table.c[name] for name in rows[0]]
        arrays = [literal([row[column.name] for row in rows], ARRAY(column.type)) for column in of]
        new = func.unnest(*arrays).table_valued(*(column_(c.name, c.type) for c in of)).render_derived(name="new")
        changed = {name: new.c[name] for name in rows[0] if name != key}
        connection.execute(update(table).where(table.c[key] == new.c[key]).values(changed))

    def is_transient(self, error: Exception) -> bool:
        """See :class:`MetadataStorageDialect`."""
        if not isinstance(error, sqlalchemy.exc.DBAPIError):
            return False
        state = getattr(error.orig, "sqlstate", None)
        if state is not None:
            return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT
        # without a state it comes from the client's side: no connection could be made, or it broke
        return isinstance(error, sqlalchemy.exc.OperationalError) and not any(
            text in str(error.orig) for text in _NOT_LET_IN
        )
