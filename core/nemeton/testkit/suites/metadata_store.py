"""What every kind of metadata store must do."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from nemeton.common.clock import SystemClock
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.spi.metadata import MetadataStorageDialect
from nemeton.testkit.waiting import PATIENCE_S

Connect = Callable[[], MetadataStorageConnector]

ALL_BYTES = bytes(range(256))
_ROUNDS = 5


def _names(connector: MetadataStorageConnector) -> list[str]:
    table = connector.tables.config
    return connector.read(lambda c: sorted(c.execute(select(table.c.name)).scalars()))


def _at_once(*calls: Callable[[], Any]) -> list[BaseException]:
    """Run the calls on a thread each, beginning at the same time; return what they raised."""
    start = threading.Barrier(len(calls))
    raised: list[BaseException] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            start.wait(PATIENCE_S)
            call()
        except BaseException as error:  # noqa: BLE001 - the test shows it
            raised.append(error)

    threads = [threading.Thread(target=run, args=[call], daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a transaction does not end"
    return raised


class MetadataStoreSuite(abc.ABC):
    """Subclass it as ``TestMyStore`` and implement `make_dialect` and `connect_uri`."""

    #: What goes beside the URI (``…connector.user``, ``…connector.password``).
    user: str | None = None
    password: str | None = None

    @abc.abstractmethod
    def make_dialect(self) -> MetadataStorageDialect:
        """A new dialect, as the injector makes one in each process."""

    @abc.abstractmethod
    def connect_uri(self, folder: Path) -> str:
        """The URI of an empty database, of its own for each test; ``folder`` is the test's. Called once in a test."""

    @pytest.fixture
    def connect(self, tmp_path: Path) -> Iterator[Connect]:
        """Make connectors to one store, each as another process has it."""
        password = DefaultPasswordProvider(self.password) if self.password is not None else None
        config = MetadataStorageConnectorConfig(
            connect_uri=self.connect_uri(tmp_path), user=self.user, password=password
        )
        made: list[MetadataStorageConnector] = []

        def connect() -> MetadataStorageConnector:
            connector = MetadataStorageConnector(
                config, MetadataStorageTablesConfig(), self.make_dialect(), SystemClock()
            )
            made.append(connector)
            return connector

        yield connect
        for connector in made:
            connector.stop()

    @pytest.fixture
    def store(self, connect: Connect) -> MetadataStorageConnector:
        """A store with its tables."""
        connector = connect()
        connector.start()
        return connector

    def test_tables_are_made_once(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """By the first process; whoever comes later finds them, with their rows."""
        table = store.tables.config
        store.retry_transaction(lambda c: c.execute(insert(table).values(name="k", payload=b"v")))
        later = connect()
        later.start()
        assert _names(later) == ["k"]

    def test_processes_that_start_at_once_make_them_together(self, connect: Connect) -> None:
        """None of them fails."""
        assert _at_once(*(connect().start for _ in range(3))) == []

    def test_names_are_folded_for_good(self) -> None:
        """A name that is folded already stays."""
        dialect = self.make_dialect()
        for name in ("druid_dataSource", "idx_druid_pendingSegments_datasource_end"):
            assert dialect.fold_name(dialect.fold_name(name)) == dialect.fold_name(name)

    def test_many_rows_are_updated_each_to_its_own(self, store: MetadataStorageConnector) -> None:
        """And found again by a list of values; others stay as they are."""
        table, dialect = store.tables.config, store.dialect
        names = [f"k{number} 'ü' {{}},\\" for number in range(300)]
        before = [{"name": name, "payload": b"old"} for name in [*names, "other"]]
        store.retry_transaction(lambda c: c.execute(insert(table), before))
        rows = [{"name": name, "payload": ALL_BYTES + name.encode()} for name in names] + [
            {"name": "absent", "payload": b""}
        ]
        store.retry_transaction(lambda c: dialect.update_each(c, table, "name", rows))
        query = select(table).where(dialect.among(table.c.name, [*names, "absent"]))
        found = store.read(lambda c: {row.name: row.payload for row in c.execute(query)})
        assert found == {name: ALL_BYTES + name.encode() for name in names}
        other = select(table.c.payload).where(table.c.name == "other")
        assert store.read(lambda c: c.execute(other).scalar()) == b"old"
        nothing = select(table).where(dialect.among(table.c.name, []))
        assert store.read(lambda c: c.execute(nothing).all()) == []

    def test_text_and_bytes_come_back(self, store: MetadataStorageConnector) -> None:
        """Whatever they are."""
        table = store.tables.config
        name = "a 'quoted' \"name\" – ü %s :x"
        store.retry_transaction(lambda c: c.execute(insert(table).values(name=name, payload=ALL_BYTES)))
        row = store.read(lambda c: c.execute(select(table).where(table.c.payload == ALL_BYTES)).one())
        assert (row.name, row.payload) == (name, ALL_BYTES)

    def test_numbers_go_up(self, store: MetadataStorageConnector) -> None:
        """The ids that the store gives to rows."""
        table = store.tables.upgrade_segments

        def put(number: int) -> Callable[[Connection], object]:
            row = insert(table).values(task_id=f"t{number}", segment_id="s", lock_version="v")
            return lambda connection: connection.execute(row)

        for number in range(3):
            store.retry_transaction(put(number))
        by_id = select(table.c.task_id).order_by(table.c.id)
        assert store.read(lambda c: list(c.execute(by_id).scalars())) == ["t0", "t1", "t2"]

    def test_a_failure_leaves_nothing_behind(self, store: MetadataStorageConnector) -> None:
        """A transaction that raises has not been."""
        table = store.tables.config

        def work(connection: Connection) -> None:
            connection.execute(insert(table).values(name="k", payload=b""))
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            store.retry_transaction(work)
        assert _names(store) == []

    def test_a_reader_sees_one_state(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """Though others write in the meantime, which it does not keep them from."""
        table, other = store.tables.config, connect()

        def read(connection: Connection) -> list[int]:
            count = select(func.count()).select_from(table)
            before = connection.execute(count).scalar_one()
            other.retry_transaction(lambda c: c.execute(insert(table).values(name="k", payload=b"")))
            return [before, connection.execute(count).scalar_one()]

        assert store.read(read) == [0, 0]
        assert _names(store) == ["k"]

    def test_a_write_reads_as_if_it_were_alone(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """No increment is lost."""
        table = store.tables.config
        store.retry_transaction(lambda c: c.execute(insert(table).values(name="n", payload=b"0")))

        def increment(connection: Connection) -> None:
            value = int(connection.execute(select(table.c.payload)).scalar_one())
            connection.execute(update(table).values(payload=str(value + 1).encode()))

        def often(connector: MetadataStorageConnector) -> None:
            for _ in range(_ROUNDS):
                connector.retry_transaction(increment)

        connectors = [store, connect(), connect()]
        assert _at_once(*(lambda each=each: often(each) for each in connectors)) == []
        value = store.read(lambda c: c.execute(select(table.c.payload)).scalar_one())
        assert int(value) == len(connectors) * _ROUNDS

    def test_a_row_that_is_locked_is_one_s_own(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """With READ COMMITTED too, which locks the rows that it relies on."""
        table = store.tables.config
        store.retry_transaction(lambda c: c.execute(insert(table).values(name="n", payload=b"0")))

        def increment(connection: Connection) -> None:
            value = int(connection.execute(select(table.c.payload).with_for_update()).scalar_one())
            connection.execute(update(table).values(payload=str(value + 1).encode()))

        def often(connector: MetadataStorageConnector) -> None:
            for _ in range(_ROUNDS):
                connector.retry_transaction(increment, isolation="READ COMMITTED")

        connectors = [store, connect(), connect()]
        assert _at_once(*(lambda each=each: often(each) for each in connectors)) == []
        value = store.read(lambda c: c.execute(select(table.c.payload)).scalar_one())
        assert int(value) == len(connectors) * _ROUNDS

    def test_who_looks_before_inserting_does_not_fail(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """When two do at once, the second finds the first one's row, however that comes about."""
        table, other = store.tables.config, connect()

        def put(connection: Connection) -> None:
            if connection.execute(select(table.c.name)).first() is None:
                connection.execute(insert(table).values(name="k", payload=b""))

        for _ in range(_ROUNDS):
            assert _at_once(lambda: store.retry_transaction(put), lambda: other.retry_transaction(put)) == []
            assert _names(store) == ["k"]
            store.retry_transaction(lambda c: c.execute(delete(table)))

    def test_rows_that_exclude_each_other(self, store: MetadataStorageConnector, connect: Connect) -> None:
        """Two that each look for the other's row do not both miss it: writes are serializable."""
        table, other = store.tables.config, connect()

        def put(name: str, unless: str) -> Callable[[Connection], None]:
            def work(connection: Connection) -> None:
                if connection.execute(select(table.c.name).where(table.c.name == unless)).first() is None:
                    connection.execute(insert(table).values(name=name, payload=b""))

            return work

        for _ in range(_ROUNDS):
            calls = (
                lambda: store.retry_transaction(put("a", "b")),
                lambda: other.retry_transaction(put("b", "a")),
            )
            assert _at_once(*calls) == []
            assert len(_names(store)) == 1
            store.retry_transaction(lambda c: c.execute(delete(table)))

    def test_the_clock_of_the_store(self, store: MetadataStorageConnector) -> None:
        """It goes on within a transaction, in milliseconds since the epoch."""

        def work(connection: Connection) -> list[int]:
            first = connection.execute(select(store.dialect.clock())).scalar_one()
            threading.Event().wait(0.05)
            return [first, connection.execute(select(store.dialect.clock())).scalar_one()]

        first, second = store.retry_transaction(work)
        assert 1_600_000_000_000 < first < 5_000_000_000_000
        assert 30 <= second - first < PATIENCE_S * 1000

    def test_expressions_of_the_clock_are_compared_and_stored(self, store: MetadataStorageConnector) -> None:
        """As leases do."""
        now = store.dialect.clock()
        assert store.read(lambda c: c.execute(select(now + 1000 > now, now - 1000 > now)).one()) == (True, False)
