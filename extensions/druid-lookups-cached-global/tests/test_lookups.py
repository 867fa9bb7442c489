"""Lookups that are read from files and databases, and read again when these have changed."""

from __future__ import annotations

import gzip
import os
import sqlite3
import sys

import pytest
from tests.servers.http_files import HttpFiles
from tests.servers.postgresql import PASSWORD, USER

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.spi.lookups import LookupContext, LookupExtractorFactory
from nemeton.testkit.waiting import eventually
from nemeton_lookups_cached_global.config import JdbcAccessSecurityConfig
from nemeton_lookups_cached_global.jdbc import JdbcExtractionNamespace, check_properties, sqlalchemy_url

CSV = {"format": "csv", "columns": ["k", "v"]}
SOON = "PT0.05S"


def entries(factory):
    return dict(factory.get().as_map())


def write(file, text, modified_s):
    file.write_text(text)
    os.utime(file, (modified_s, modified_s))


# ---- files


def test_a_file_is_read_and_read_again_when_it_has_changed(started, tmp_path):
    file = tmp_path / "a file.csv"
    write(file, "a,A\nb,B\n", 1000)
    lookup = started({"type": "uri", "uri": file.as_uri(), "namespaceParseSpec": CSV, "pollPeriod": SOON})
    assert entries(lookup) == {"a": "A", "b": "B"}
    assert lookup.version == "1000000"
    held = lookup.get()
    assert held is lookup.get(), "nothing has changed"
    write(file, "a,A2\n", 2000)
    eventually(lambda: entries(lookup) == {"a": "A2"}, "the file is read again")
    assert held.apply("b") == "B", "a query that runs sees one state"
    assert held.cache_key() != lookup.get().cache_key()


def test_a_file_that_is_damaged_or_gone_leaves_the_values_that_were_read(started, tmp_path, caplog):
    file = tmp_path / "x.json"
    write(file, '{"a": "A"}', 1000)
    spec = {"type": "uri", "uri": str(file), "namespaceParseSpec": {"format": "simpleJson"}, "pollPeriod": 50}
    lookup = started(spec)
    write(file, "{", 2000)
    eventually(lambda: "cannot be read" in caplog.text, "the failure is told")
    assert entries(lookup) == {"a": "A"}
    write(file, '{"a": "A3"}', 3000)
    eventually(lambda: entries(lookup) == {"a": "A3"}, "it is tried again")


def test_compressed_files_are_unpacked(started, tmp_path):
    file = tmp_path / "x.csv.gz"
    file.write_bytes(gzip.compress("ä,Ä\r\nb,B".encode()))
    lookup = started({"type": "uri", "uri": file.as_uri(), "namespaceParseSpec": CSV})
    assert entries(lookup) == {"ä": "Ä", "b": "B"}


def test_the_newest_file_of_a_folder_is_taken(started, tmp_path):
    write(tmp_path / "renames-1.csv", "a,1", 3000)
    write(tmp_path / "renames-2.csv", "a,2", 2000)
    write(tmp_path / "other.csv", "a,other", 9000)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "renames-9.csv", "a,9", 9000)
    spec = {"type": "uri", "uriPrefix": tmp_path.as_uri(), "namespaceParseSpec": CSV, "pollPeriod": SOON}
    lookup = started({**spec, "fileRegex": r"renames-[0-9]*\.csv"})
    assert entries(lookup) == {"a": "1"}
    write(tmp_path / "renames-3.csv", "a,3", 4000)
    eventually(lambda: entries(lookup) == {"a": "3"}, "the newer file is taken")


def test_a_file_of_a_web_server_is_read_on_all_kinds_of_nodes(nemeton_cluster):
    cluster = nemeton_cluster(properties={"druid.extensions.loadList": '["druid-lookups-cached-global"]'})
    files = HttpFiles(lambda _: b"a,A\n")
    namespace = {"type": "uri", "uri": files.url("x.csv"), "namespaceParseSpec": CSV}
    spec = {"type": "cachedNamespace", "extractionNamespace": namespace, "firstCacheTimeout": 20_000}
    try:
        for role in ("broker", "historical"):
            injector = cluster.process.injectors[role]
            json = injector.get(Json)
            lookup = json.structure(spec, LookupExtractorFactory)
            assert lookup.start(LookupContext(clock=SystemClock(), json=json, get=injector.get)), role
            assert entries(lookup) == {"a": "A"}
            lookup.close()
    finally:
        files.close()


def test_values_that_are_written_out(started):
    lookup = started({"type": "staticMap", "map": {"a": "A"}}, injective=True)
    assert entries(lookup) == {"a": "A"}
    assert lookup.get().is_one_to_one


@pytest.mark.parametrize(
    ("namespace", "words"),
    [
        ({"type": "uri", "namespaceParseSpec": CSV}, "Either uri xor uriPrefix required"),
        ({"type": "uri", "uri": "a", "uriPrefix": "b", "namespaceParseSpec": CSV}, "Either uri xor uriPrefix required"),
        ({"type": "uri", "uri": "a", "fileRegex": "b", "namespaceParseSpec": CSV}, "Cannot define both uri and file"),
        (
            {"type": "uri", "uriPrefix": "a", "fileRegex": "[", "namespaceParseSpec": CSV},
            r"Could not parse `fileRegex`",
        ),
        ({"type": "uri", "uri": "a"}, "namespaceParseSpec"),
        ({"type": "jdbc", "connectorConfig": {}, "table": "t", "keyColumn": "k", "valueColumn": "v"}, "connectURI"),
        ({"type": "ldap"}, r"\[ldap\] is no known type; known are uri, jdbc, staticMap"),
    ],
)
def test_a_namespace_without_sense_is_refused(json, namespace, words):
    with pytest.raises(DruidException, match=words):
        json.structure({"type": "cachedNamespace", "extractionNamespace": namespace}, LookupExtractorFactory)


def test_a_scheme_that_no_extension_reads_fails_the_start(json, context, caplog):
    namespace = {"type": "uri", "uri": "gopher://x/y", "namespaceParseSpec": CSV}
    spec = {"type": "cachedNamespace", "extractionNamespace": namespace, "firstCacheTimeout": 20_000}
    factory = json.structure(spec, LookupExtractorFactory)
    assert not factory.start(context)
    assert "Unknown loader type[gopher]" in caplog.text
    with pytest.raises(DruidException, match="not started"):
        factory.get()


def test_without_a_timeout_the_start_does_not_wait(json, context, tmp_path):
    namespace = {"type": "uri", "uri": str(tmp_path / "later.csv"), "namespaceParseSpec": CSV, "pollPeriod": SOON}
    factory = json.structure({"type": "cachedNamespace", "extractionNamespace": namespace}, LookupExtractorFactory)
    assert factory.start(context)
    assert not factory.is_initialized
    assert factory.version is None
    with pytest.raises(DruidException, match="CACHE_NOT_INITIALIZED"):
        factory.get()
    (tmp_path / "written.csv").write_text("a,A")
    (tmp_path / "written.csv").rename(tmp_path / "later.csv")  # a poll must not see it before its content
    factory.await_initialization()
    assert entries(factory) == {"a": "A"}
    factory.close()


def test_the_configuration_is_written_as_it_was_given(json):
    namespace = {
        "type": "jdbc",
        "connectorConfig": {"connectURI": "jdbc:postgresql://h/d", "user": "u", "password": "p"},
        "table": "t",
        "keyColumn": "k",
        "valueColumn": "v",
        "pollPeriod": "PT10M",
    }
    spec = {"type": "cachedNamespace", "extractionNamespace": namespace, "firstCacheTimeout": 5, "injective": True}
    factory = json.structure(spec, LookupExtractorFactory)
    written = json.unstructure(factory)
    assert written["extractionNamespace"].items() >= namespace.items(), "a snapshot has to hold the password"
    assert {k: v for k, v in written.items() if k != "extractionNamespace"} == {
        "type": "cachedNamespace",
        "firstCacheTimeout": 5,
        "injective": True,
    }
    assert json.structure(written, LookupExtractorFactory) == factory


# ---- databases


@pytest.fixture
def table(tmp_path):
    """Runs statements on a database in a file, in which there is a table."""
    file = tmp_path / "lookups.db"

    def run(*statements):
        with sqlite3.connect(file) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    run("CREATE TABLE t (k TEXT, v TEXT, kind INT, ts TEXT)")
    run("INSERT INTO t VALUES ('a', 'A', 1, '2024-01-01 00:00:00'), ('b', NULL, 1, NULL), (NULL, 'x', 1, NULL)")
    run("INSERT INTO t VALUES ('other', 'O', 2, NULL)")
    run.namespace = {
        "type": "jdbc",
        "connectorConfig": {"connectURI": f"jdbc:sqlite:{file}"},
        "table": "t",
        "keyColumn": "k",
        "valueColumn": "v",
        "pollPeriod": SOON,
    }
    return run


def test_a_table_is_read_and_read_again(started, table):
    lookup = started(table.namespace)
    assert entries(lookup) == {"a": "A", "other": "O"}
    table("INSERT INTO t VALUES ('new', 'N', 1, NULL)")
    eventually(lambda: entries(lookup).get("new") == "N", "the table is read again")


def test_a_filter_chooses_rows(started, table):
    assert entries(started({**table.namespace, "filter": "kind = 2 AND k <> ':x'"})) == {"other": "O"}


def test_with_a_time_column_a_table_is_read_when_its_newest_time_has_grown(started, table):
    lookup = started({**table.namespace, "tsColumn": "ts"})
    assert lookup.version == "1704067200000"
    table("INSERT INTO t VALUES ('unseen', 'U', 1, '2023-01-01 00:00:00')")
    table("INSERT INTO t VALUES ('seen', 'S', 1, '2024-01-02 00:00:00')")
    eventually(lambda: "seen" in entries(lookup), "the table is read again")
    assert lookup.version == "1704153600000"


def test_a_table_that_cannot_be_read_fails_the_start(json, context, table, caplog):
    spec = {"type": "cachedNamespace", "extractionNamespace": {**table.namespace, "table": "nosuch"}}
    assert not json.structure({**spec, "firstCacheTimeout": 20_000}, LookupExtractorFactory).start(context)
    assert "no such table" in caplog.text


def test_a_driver_that_is_not_installed_is_named(context, json, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    namespace = json.structure(
        {
            "connectorConfig": {"connectURI": "jdbc:mysql://h/d"},
            "table": "t",
            "keyColumn": "k",
            "valueColumn": "v",
            "type": "jdbc",
        },
        JdbcExtractionNamespace,
    )
    with pytest.raises(DruidException, match=r"driver for \[mysql\] is not installed .*; pip install 'PyMySQL'"):
        namespace.load(None, context)


def test_uris_of_databases():
    assert sqlalchemy_url("jdbc:mariadb://h:1/d", "mariadb", "u", "p@") == "mysql+pymysql://u:p%40@h:1/d"
    found = sqlalchemy_url("jdbc:postgresql://h/d?sslmode=require", "postgresql", "u", None)
    assert found == "postgresql+psycopg://u@h/d?sslmode=require"
    assert sqlalchemy_url("sqlite:////x/y.db", "sqlite", None, None) == "sqlite:////x/y.db"


def test_parameters_of_a_connection_must_be_allowed():
    check_properties("jdbc:postgresql://h/d?sslmode=require&ssl=true", JdbcAccessSecurityConfig())
    with pytest.raises(DruidException, match=r"The property \[loggerFile\] is not in the allowed list"):
        check_properties("jdbc:postgresql://h/d?ssl=true&loggerFile=/x", JdbcAccessSecurityConfig())
    check_properties("jdbc:x?loggerFile=/x", JdbcAccessSecurityConfig(enforce_allowed_properties=False))


def test_a_table_of_postgresql(started, postgresql):
    database = postgresql.create_database()
    engine = postgresql.engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE countries (id INT, name TEXT, ok BOOLEAN, ts TIMESTAMP)")
        connection.exec_driver_sql("INSERT INTO countries VALUES (1, 'Ä', true, '2024-01-01'), (2, 'B', false, NULL)")
    namespace = {
        "type": "jdbc",
        "connectorConfig": {
            "connectURI": f"jdbc:postgresql://127.0.0.1:{postgresql.port}/{database}",
            "user": USER,
            "password": PASSWORD,
        },
        "table": "countries",
        "keyColumn": "id",
        "valueColumn": "name",
        "tsColumn": "ts",
        "pollPeriod": SOON,
    }
    lookup = started(namespace)
    assert entries(lookup) == {"1": "Ä", "2": "B"}
    assert lookup.version == "1704067200000"
    assert entries(started({**namespace, "valueColumn": "ok", "tsColumn": None})) == {"1": "t", "2": "f"}
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO countries VALUES (3, 'C', true, '2024-06-01')")
    eventually(lambda: "3" in entries(lookup), "the table is read again")
    engine.dispose()
