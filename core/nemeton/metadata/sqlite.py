"""The built-in store type ``sqlite``: everything that is particular to SQLite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, event

from nemeton.common.errors import invalid_input
from nemeton.metadata.uris import refuse_derby, shown
from nemeton.plugins import json_type
from nemeton.spi.metadata import Isolation, MetadataStorageDialect

DEFAULT_URI = "sqlite:///var/druid/metadata.db"
_BUSY_TIMEOUT_MS = 30_000
_TRANSIENT = ("database is locked", "database table is locked", "database is busy", "cannot start a transaction")


@json_type("sqlite")
class SqliteDialect(MetadataStorageDialect):
    """A file in WAL mode: readers never wait, writers wait for each other (``BEGIN IMMEDIATE``) up to 30 s."""

    def url(self, connect_uri: str | None, user: str | None, password: str | None, host: str, port: int) -> str:
        """See :class:`MetadataStorageDialect`. Also takes ``jdbc:sqlite:<file>``."""
        uri = connect_uri or DEFAULT_URI
        if match := re.fullmatch(r"jdbc:sqlite:(.*)", uri):
            return f"sqlite:///{match[1]}"
        refuse_derby(uri)
        if not uri.startswith("sqlite"):
            raise invalid_input(
                f"druid.metadata.storage.connector.connectURI: [{shown(uri)}] is no URI for the store type sqlite; "
                "write sqlite:////path/to/file.db, or set druid.metadata.storage.type and load that store's extension",
                property="druid.metadata.storage.connector.connectURI",
            )
        return uri

    def local_file(self, url: str) -> Path | None:
        """See :class:`MetadataStorageDialect`."""
        database = sqlalchemy.make_url(url).database
        return None if not database or database == ":memory:" else Path(database)

    def create_engine(self, url: str, *, max_connections: int) -> Engine:
        """See :class:`MetadataStorageDialect`."""
        file = self.local_file(url)
        in_memory = file is None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        engine = sqlalchemy.create_engine(
            url,
            poolclass=sqlalchemy.pool.QueuePool,
            # an in-memory database lives in its one connection
            pool_size=1 if in_memory else max_connections,
            max_overflow=0,
            connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        )

        @event.listens_for(engine, "connect")
        def configure(dbapi_connection: Any, _record: object) -> None:
            # transactions are ours: sqlite3's own begin comes too late to be IMMEDIATE
            dbapi_connection.isolation_level = None
            cursor = dbapi_connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
            if not in_memory:
                cursor.execute("PRAGMA journal_mode=WAL")
                cursor.execute("PRAGMA synchronous=FULL")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            write = connection.get_execution_options().get("nemeton_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    def transaction_options(self, *, write: bool, isolation: Isolation) -> Mapping[str, Any]:
        """See :class:`MetadataStorageDialect`. Writers come one after the other, which is any isolation there is."""
        return {"nemeton_write": write}

    def clock(self) -> ColumnElement[int]:
        """See :class:`MetadataStorageDialect`: the machine's."""
        return sqlalchemy.literal_column("CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", BigInteger)

    def is_transient(self, error: Exception) -> bool:
        """See :class:`MetadataStorageDialect`."""
        return isinstance(error, sqlalchemy.exc.OperationalError) and any(text in str(error) for text in _TRANSIENT)
