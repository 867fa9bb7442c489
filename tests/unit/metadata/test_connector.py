import sqlite3
import threading

import pytest
from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import OperationalError

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
from nemeton.metadata.connector import MetadataStorageConnector, MetadataStoreAwayError, RetryTransactionError
from nemeton.metadata.derby import RefusedDerbyDialect
from nemeton.metadata.sqlite import SqliteDialect
from nemeton.metadata.uris import refuse_derby, to_sqlalchemy

COLUMNS = {
    "druid_tasks": "id created_date datasource payload status_payload active type group_id",
    "druid_taskLocks": "id task_id lock_payload",
    "druid_segments": "id datasource created_date start end partitioned version used payload "
    "used_status_last_updated upgraded_from_segment_id",
    "druid_pendingSegments": "id datasource created_date start end sequence_name sequence_prev_id "
    "sequence_name_prev_id_sha1 payload upgraded_from_segment_id task_allocator_id",
    "druid_upgradeSegments": "id task_id segment_id lock_version",
    "druid_dataSource": "datasource created_date commit_metadata_payload commit_metadata_sha1",
    "druid_rules": "id datasource version payload",
    "druid_config": "name payload",
    "druid_audit": "id audit_key type author comment created_date payload",
    "druid_supervisors": "id spec_id created_date payload",
}


def test_tables_have_druids_names_and_columns(connector):
    found = inspect(connector.engine)
    fold = connector.dialect.fold_name
    assert set(found.get_table_names()) == {fold(name) for name in COLUMNS}
    for table, columns in COLUMNS.items():
        assert [column["name"] for column in found.get_columns(fold(table))] == columns.split()


def test_table_names_follow_base_and_single_properties():
    names = MetadataStorageTablesConfig(base="acme", segments="my_segments").names()
    assert names["tasks"] == "acme_tasks"
    assert names["segments"] == "my_segments"


def test_creating_the_tables_twice_is_fine(connector):
    connector.create_tables()


def test_sqlite_file_is_in_wal_mode(sqlite_store, tmp_path):
    with sqlite3.connect(tmp_path / "metadata.db") as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "sqlite:///var/druid/metadata.db"),
        ("sqlite:////data/m.db", "sqlite:////data/m.db"),
        ("jdbc:sqlite:/data/m.db", "sqlite:////data/m.db"),
    ],
)
def test_sqlite_takes_both_spellings(given, url):
    assert SqliteDialect().url(given, None, None, "localhost", 1527) == url


@pytest.mark.parametrize("given", ["derby", "jdbc:derby://localhost:1527/druid;create=true"])
def test_derby_is_refused_with_the_mend(given):
    with pytest.raises(DruidException, match="sqlite"):
        refuse_derby(given)


def test_the_type_derby_is_known_only_to_be_refused():
    dialect = RefusedDerbyDialect()
    with pytest.raises(DruidException, match="sqlite"):
        MetadataStorageConnector(
            MetadataStorageConnectorConfig(), MetadataStorageTablesConfig(), dialect, SystemClock()
        )


def test_derby_uri_is_refused_when_the_connector_is_used():
    config = MetadataStorageConnectorConfig(connect_uri="jdbc:derby://localhost:1527/druid")
    with pytest.raises(DruidException, match="derby"):
        MetadataStorageConnector(config, MetadataStorageTablesConfig(), SqliteDialect(), SystemClock())


def test_another_databases_uri_needs_its_type():
    with pytest.raises(DruidException, match=r"druid\.metadata\.storage\.type") as caught:
        SqliteDialect().url("jdbc:postgresql://u:secret@h/druid?password=secret", None, None, "", 0)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "user", "password", "url"),
    [
        ("jdbc:postgresql://h:5432/druid", "u", "p@ss", "postgresql+psycopg://u:p%40ss@h:5432/druid"),
        ("jdbc:postgresql://h/druid?user=a&password=b&ssl=true", "u", "p", "postgresql+psycopg://a:b@h/druid"),
        ("jdbc:postgresql://h/druid", None, None, "postgresql+psycopg://h/druid"),
        ("postgresql+psycopg://h/druid", "u", None, "postgresql+psycopg://u@h/druid"),
        ("postgresql://a:b@h/druid", "u", "p", "postgresql://a:b@h/druid"),
    ],
)
def test_uris_of_server_databases(given, user, password, url):
    assert to_sqlalchemy(given, jdbc="postgresql", driver="postgresql+psycopg", user=user, password=password) == url


def test_a_uri_of_another_server_database_is_refused():
    with pytest.raises(DruidException, match="jdbc:postgresql://host"):
        to_sqlalchemy("jdbc:mysql://h/d", jdbc="postgresql", driver="postgresql+psycopg", user=None, password=None)
    mysql = to_sqlalchemy("jdbc:mariadb://h/d", jdbc="mysql", driver="mysql+pymysql", user=None, password=None)
    assert mysql == "mysql+pymysql://h/d"


class ImpatientClock(SystemClock):
    def sleep(self, seconds):
        pass


def test_a_lost_race_starts_the_transaction_again(connector):
    connector._clock = ImpatientClock()
    table = connector.tables.config
    tries = []

    def work(connection):
        tries.append(1)
        connection.execute(insert(table).values(name="k", payload=b"v"))
        if len(tries) < 3:
            raise RetryTransactionError("again")

    connector.retry_transaction(work)
    assert len(tries) == 3  # and the two inserts before were rolled back, or the third had met its own key
    assert connector.read(lambda c: c.execute(select(table.c.name)).scalars().all()) == ["k"]


def test_other_failures_are_raised_at_once_and_rolled_back(connector):
    table = connector.tables.config

    def work(connection):
        connection.execute(insert(table).values(name="k", payload=b"v"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        connector.retry_transaction(work)
    assert connector.read(lambda c: c.execute(select(table.c.name)).all()) == []


def test_it_gives_up_after_the_last_try(connector):
    connector._clock = ImpatientClock()
    tries = []

    def work(_):
        tries.append(1)
        raise RetryTransactionError("never")

    with pytest.raises(RetryTransactionError):
        connector.retry_transaction(work, max_tries=4)
    assert len(tries) == 4


def test_a_store_that_is_away_at_every_try_is_no_failure_of_the_caller(connector):
    connector._clock = ImpatientClock()
    tries = []

    def work(_):
        tries.append(1)
        away = OperationalError("SELECT", {}, Exception("database is locked"))
        away.connection_invalidated = True
        raise away

    with pytest.raises(MetadataStoreAwayError, match="away or too busy: database is locked") as caught:
        connector.retry_transaction(work)
    assert len(tries) > 1
    assert caught.value.http_status == 503


def test_writers_wait_for_each_other(sqlite_store):
    table = sqlite_store.tables.config
    inserted, go_on = threading.Event(), threading.Event()

    def slow(connection):
        connection.execute(insert(table).values(name="slow", payload=b""))
        inserted.set()
        go_on.wait(10)

    first = threading.Thread(target=sqlite_store.retry_transaction, args=[slow])
    first.start()
    assert inserted.wait(10)
    second = threading.Thread(
        target=sqlite_store.retry_transaction,
        args=[lambda c: c.execute(insert(table).values(name="second", payload=b""))],
    )
    second.start()
    assert sqlite_store.read(lambda c: c.execute(select(table.c.name)).all()) == []  # readers do not wait
    go_on.set()
    first.join(10)
    second.join(10)
    assert sqlite_store.read(lambda c: set(c.execute(select(table.c.name)).scalars())) == {"slow", "second"}
