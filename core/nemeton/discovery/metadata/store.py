"""The metadata store as elections and discovery use it, in roles that have it anyway and in those that have not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from nemeton.discovery.metadata.config import MetadataDiscoveryConfig
from nemeton.inject import Injector
from nemeton.lifecycle import Lifecycle, lifecycle_stop

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from nemeton.discovery.metadata.tables import LeaseTables
    from nemeton.metadata.connector import MetadataStorageConnector

T = TypeVar("T")


class LeaseStore:
    """Gives the connector and the tables of leases, which it makes if need be (and ``createTables`` allows).

    Nothing is read, made or connected before it is asked. Thread-safe; one per role.
    """

    def __init__(self, injector: Injector, config: MetadataDiscoveryConfig) -> None:
        self._injector = injector
        self.config = config
        self._lock = threading.Lock()
        self._connector: MetadataStorageConnector | None = None
        self._own: MetadataStorageConnector | None = None
        self._tables: LeaseTables | None = None
        self._leases: Table | None = None

    @property
    def connector(self) -> MetadataStorageConnector:
        """The role's own connector, or one that is made for this."""
        with self._lock:
            return self._get_connector()

    @property
    def tables(self) -> LeaseTables:
        """The tables, which exist from then on. Raises when the store does not answer."""
        with self._lock:
            if self._tables is None:
                self._tables = self._made(["leases", "nodes"])
            return self._tables

    @property
    def leases(self) -> Table:
        """The table of leases, which exists from then on; the other is not made. Raises when the store is away."""
        with self._lock:
            if self._leases is None:
                self._leases = self._made(["leases"]).leases
            return self._leases

    def _made(self, names: list[str]) -> LeaseTables:
        """Describe the tables, and make those of these names that are missing."""
        from nemeton.discovery.metadata.tables import LeaseTables

        connector = self._get_connector()
        tables = LeaseTables.make(connector.tables_config.base, connector.dialect.fold_name)
        wanted = [getattr(tables, name) for name in names]
        if connector.creates_tables:
            with connector.reporting_failure():
                connector.retry_transaction(lambda c: tables.meta.create_all(c, tables=wanted, checkfirst=True))
        return tables

    def write(self, work: Callable[[Connection], T], silence_s: float, *, max_tries: int) -> T:
        """Run a short transaction that locks what it relies on.

        A process that falls silent in the middle keeps others off its rows no longer than ``silence_s`` seconds, where
        the database can see to that.
        """
        from sqlalchemy import select

        bound = self.connector.dialect.silence_bound(silence_s)

        def bounded(connection: Connection) -> T:
            if bound is not None:
                connection.execute(select(bound))
            return work(connection)

        return self.connector.retry_transaction(bounded, max_tries=max_tries, isolation="READ COMMITTED")

    @lifecycle_stop
    def close(self) -> None:
        """Close the connections, if they are not the role's."""
        with self._lock:
            if self._own is not None:
                self._own.stop()

    def _get_connector(self) -> MetadataStorageConnector:
        from nemeton.metadata.connector import MetadataStorageConnector
        from nemeton.metadata.module import MetadataModule

        if self._connector is None:
            injector = self._injector
            if not injector.has(MetadataStorageConnector):
                # a Broker has no use for Druid's tables: they are not made, so this lifecycle is never started
                lifecycle = Lifecycle("metadata-leases")
                name = f"{injector.name}, metadata store"
                injector = Injector([MetadataModule()], parent=injector, lifecycle=lifecycle, name=name, eagerly=False)
                self._own = injector.get(MetadataStorageConnector)
            self._connector = injector.get(MetadataStorageConnector)
        return self._connector
