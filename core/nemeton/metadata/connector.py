"""The connection to the metadata store: engine, tables, transactions that are tried again."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
from nemeton.metadata.fence import LeadershipFence
from nemeton.metadata.tables import Tables
from nemeton.metadata.upgrade import add_missing_columns
from nemeton.spi.metadata import Isolation, MetadataStorageDialect

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_TRIES = 10
QUIET_TRIES = 3


class RetryTransactionError(Exception):
    """Raised inside a transaction that lost a race: roll back and try again (Druid: ``RetryTransactionException``)."""


class MetadataStoreAwayError(DruidException):
    """The metadata store did not answer, or was too busy, at every try of a transaction; HTTP answers 503.

    So that peons, and other callers with patience, ask again instead of giving up their work.
    """

    def __init__(self, cause: Exception) -> None:
        reason = str(getattr(cause, "orig", None) or cause).strip()
        super().__init__(
            f"The metadata store is away or too busy: {reason}", category="CAPACITY_EXCEEDED", persona="OPERATOR"
        )

    @property
    def http_status(self) -> int:
        """Service unavailable."""
        return 503


class MetadataStorageConnector:
    """The metadata store (Druid: ``SQLMetadataConnector``). Thread-safe; connections come from a bounded pool.

    The tables are made before the first transaction, unless ``createTables`` is false.
    """

    def __init__(
        self,
        config: MetadataStorageConnectorConfig,
        tables_config: MetadataStorageTablesConfig,
        dialect: MetadataStorageDialect,
        clock: Clock,
    ) -> None:
        self._config = config
        self._clock = clock
        self._leader_of: str | None = None
        self.dialect = dialect
        self.fence = LeadershipFence()
        self.tables_config = tables_config
        self.tables = Tables.make(tables_config, dialect.fold_name)
        self.url = dialect.url(
            config.connect_uri,
            config.user,
            config.password.get_password() if config.password is not None else None,
            config.host,
            config.port,
        )
        self._engines: list[Engine] = []
        self._lock = threading.Lock()

    def acting_for(self, service: str) -> MetadataStorageConnector:
        """Return the same store for writes that only the leader of ``service`` may make; see `nemeton.metadata.fence`.

        They raise `LeadershipLostError` when this process does not lead. Reads are as ever.
        """
        acting = copy.copy(self)
        acting._leader_of = service
        return acting

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine; made when first asked for."""
        with self._lock:
            if not self._engines:
                made = self.dialect.create_engine(self.url, max_connections=self._config.max_connections)
                self._engines.append(made)
            return self._engines[0]

    @property
    def creates_tables(self) -> bool:
        """Whether tables that are missing may be made (``createTables``)."""
        return self._config.create_tables

    @lifecycle_start
    def start(self) -> None:
        """Make the tables that are missing, if so configured. Raises a `DruidException` when that cannot be done."""
        if self._config.create_tables:
            with self.reporting_failure():
                self.create_tables()

    @contextlib.contextmanager
    def reporting_failure(self) -> Iterator[None]:
        """Turn failures of the database into a `DruidException` that names it; for what an operator has to mend."""
        try:
            yield
        except sqlalchemy.exc.DBAPIError as error:
            where = sqlalchemy.make_url(self.url).set(query={}).render_as_string(hide_password=True)
            said = " ".join(str(error.orig).split())
            raise DruidException(
                f"The metadata store [{where}] cannot be used: {said}",
                category="RUNTIME_FAILURE",
                persona="OPERATOR",
            ) from error

    @lifecycle_stop
    def stop(self) -> None:
        """Close all connections."""
        with self._lock:
            for engine in self._engines:
                engine.dispose()

    def create_tables(self) -> None:
        """Make tables and indexes that are not there, and columns that a younger Druid has (``metadata-init``)."""

        def work(connection: Connection) -> None:
            self.tables.meta.create_all(connection, checkfirst=True)
            add_missing_columns(connection, self.tables.meta)

        self.retry_transaction(work)

    def read(self, work: Callable[[Connection], T], *, max_tries: int = MAX_TRIES) -> T:
        """Run ``work`` in one consistent read-only transaction; tried again when the connection fails."""
        return self._retry(work, write=False, max_tries=max_tries)

    def retry_transaction(
        self, work: Callable[[Connection], T], *, max_tries: int = MAX_TRIES, isolation: Isolation = "SERIALIZABLE"
    ) -> T:
        """Run ``work`` in one write transaction, again from the start on a conflict or a transient failure.

        ``work`` may read and then write as if nobody else were there. Where many do so at once, ``READ COMMITTED``
        spares the conflicts; ``work`` must then lock the rows that it reads before it writes (``with_for_update``), or
        put into each statement what it relies on. ``work`` may raise :class:`RetryTransactionError` to be run again;
        any other exception rolls back and is raised. It may also be run again after a commit whose outcome did not
        come through, and has to bear that.
        """
        if self._leader_of is None:
            return self._retry(work, write=True, max_tries=max_tries, isolation=isolation)
        check = self.fence.admit(self._leader_of)

        def fenced(connection: Connection) -> T:
            last_look = check(connection)
            result = work(connection)
            last_look()
            return result

        return self._retry(fenced, write=True, max_tries=max_tries, isolation=isolation)

    def _retry(
        self,
        work: Callable[[Connection], T],
        *,
        write: bool,
        max_tries: int = MAX_TRIES,
        isolation: Isolation = "SERIALIZABLE",
    ) -> T:
        options = self.dialect.transaction_options(write=write, isolation=isolation)
        backoff = Backoff(initial_s=0.05, max_s=5, jitter=0.5)
        attempt = 1
        while True:
            try:
                with self.engine.connect().execution_options(**options) as connection, connection.begin():
                    return work(connection)
            except Exception as error:
                if not self._may_retry(error):
                    raise
                if attempt >= max_tries:
                    raise _given_up(error) from error
                delay = backoff.next_delay()
                level = logging.DEBUG if attempt < QUIET_TRIES else logging.WARNING
                log.log(level, "Metadata transaction failed (try %d), again in %.2f s: %s", attempt, delay, error)
                self._clock.sleep(delay)
                attempt += 1

    def _may_retry(self, error: Exception) -> bool:
        if isinstance(error, DruidException):
            return False
        if isinstance(error, RetryTransactionError | sqlalchemy.exc.TimeoutError):
            return True
        if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
            return True
        return self.dialect.is_transient(error)


def _given_up(error: Exception) -> Exception:
    return error if isinstance(error, RetryTransactionError) else MetadataStoreAwayError(error)
