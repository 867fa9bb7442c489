"""Keys and values from a table of a database."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input, runtime_failure
from nemeton.config import PasswordProvider
from nemeton.metadata.uris import shown, to_sqlalchemy
from nemeton.spi import LookupContext
from nemeton_lookups_cached_global.config import JdbcAccessSecurityConfig
from nemeton_lookups_cached_global.namespaces import Cached, PolledNamespace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_BATCH = 10_000
_CONNECT_TIMEOUT_S = 10
#: By the name in a JDBC URI: SQLAlchemy's driver, and the package that has it.
_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg[binary]"),
    "mysql": ("mysql+pymysql", "PyMySQL"),
    "mariadb": ("mysql+pymysql", "PyMySQL"),
    "sqlite": ("sqlite", ""),
}


@frozen(kw_only=True)
class JdbcExtractionNamespace(PolledNamespace):
    """Two columns of a table, as far as a filter lets rows through and the value is not null.

    With ``ts_column`` the table is read again only when the newest time in it has grown. ``connector_config`` has
    ``connectURI``, ``user`` and ``password`` (a text, or a password provider) as in Druid.
    """

    type_name: ClassVar[str] = "jdbc"

    connector_config: dict[str, Any] = field(repr=False)
    table: str
    key_column: str
    value_column: str
    ts_column: str | None = None
    filter: str | None = None
    jitter_seconds: int = 0
    load_timeout_seconds: int = 120

    def __attrs_post_init__(self) -> None:
        if not self.connector_config.get("connectURI"):
            raise invalid_input("connectorConfig.connectURI")
        super().__attrs_post_init__()

    @property
    def jitter_s(self) -> float:
        """``jitterSeconds``."""
        return float(self.jitter_seconds)

    @property
    def load_timeout_s(self) -> float:
        """``loadTimeoutSeconds``."""
        return float(self.load_timeout_seconds)

    def load(self, last_version: str | None, context: LookupContext) -> Cached | None:
        """See `ExtractionNamespace`."""
        with self._connection(context) as connection:
            newest = self._newest(connection)
            if newest is not None and last_version is not None and newest <= int(last_version):
                return None
            version = int(time.time() * 1000) if newest is None else newest
            entries = dict(self._pairs(connection))
        self.warn_if_large(entries, self.table)
        return Cached(str(version), entries)

    @contextmanager
    def _connection(self, context: LookupContext) -> Iterator[Connection]:
        engine = self._engine(context)
        try:
            with engine.connect().execution_options(stream_results=True) as connection:
                yield connection
        finally:
            engine.dispose()

    def _engine(self, context: LookupContext) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError
        from sqlalchemy.pool import NullPool

        given = self.connector_config
        provider: PasswordProvider | None = context.json.structure(given.get("password"), PasswordProvider | None)
        uri = str(given["connectURI"])
        check_properties(uri, context.get(JdbcAccessSecurityConfig))
        kind = re.sub(r"^jdbc:", "", uri).partition(":")[0].partition("+")[0]
        if kind not in _DRIVERS:
            known = ", ".join(_DRIVERS)
            raise invalid_input(f"[{shown(uri)}]: no driver is known for [{kind}]; known are {known}")
        url = sqlalchemy_url(uri, kind, given.get("user"), None if provider is None else provider.get_password())
        timeout = {} if kind == "sqlite" else {"connect_timeout": _CONNECT_TIMEOUT_S}
        try:
            return create_engine(url, poolclass=NullPool, connect_args=timeout)
        except (ModuleNotFoundError, NoSuchModuleError) as failure:
            raise runtime_failure(
                f"The driver for [{kind}] is not installed on this node; pip install '{_DRIVERS[kind][1]}'"
            ) from failure

    def _newest(self, connection: Connection) -> int | None:
        """The time of the last change in milliseconds; None without a column for it, or without rows."""
        if self.ts_column is None:
            return None
        return _millis(connection.exec_driver_sql(f"SELECT MAX({self.ts_column}) FROM {self.table}").scalar())

    def _pairs(self, connection: Connection) -> Iterator[tuple[str, str | None]]:
        condition = f"{self.filter} AND " if self.filter else ""
        rows = connection.exec_driver_sql(
            f"SELECT {self.key_column}, {self.value_column} FROM {self.table} "
            f"WHERE {condition}{self.value_column} IS NOT NULL"
        )
        for batch in rows.partitions(_BATCH):
            for key, value in batch:
                if key is not None:
                    yield _text(key), _text(value)


def check_properties(uri: str, config: JdbcAccessSecurityConfig) -> None:
    """Raise for parameters of a connection that the operator has not allowed."""
    if not config.enforce_allowed_properties:
        return
    for pair in filter(None, re.split("[&;]", uri.partition("?")[2])):
        name = pair.partition("=")[0]
        if name not in config.allowed_properties:
            allowed = ", ".join(config.allowed_properties)
            raise invalid_input(f"The property [{name}] is not in the allowed list [{allowed}]")


def sqlalchemy_url(uri: str, kind: str, user: str | None, password: str | None) -> str:
    """SQLAlchemy's URL for a JDBC URI, or for one of SQLAlchemy's own."""
    if kind == "sqlite":
        path = uri.removeprefix("jdbc:")
        return path if path.startswith("sqlite:///") else f"sqlite:///{path.removeprefix('sqlite:')}"
    driver = _DRIVERS[kind][0]
    url = to_sqlalchemy(uri, jdbc="mysql" if kind == "mariadb" else kind, driver=driver, user=user, password=password)
    mode = re.search(r"[?&]sslmode=([^&]*)", uri)
    return f"{url}?sslmode={mode[1]}" if mode and kind == "postgresql" and "?" not in url else url


def _text(value: Any) -> str:
    """A value as JDBC gives it as text."""
    if isinstance(value, bool):
        return "t" if value else "f"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _millis(value: Any) -> int | None:
    """Milliseconds of a time as drivers give it; numbers are milliseconds already, times without a zone are UTC."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
        return int(aware.timestamp() * 1000)
    raise invalid_input(f"tsColumn: [{value}] is no time")
