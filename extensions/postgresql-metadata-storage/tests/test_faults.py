"""A real server that goes away, hangs, or wants to be spoken to in secret."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
import sqlalchemy
from sqlalchemy import insert, select
from tests.servers.postgresql import PASSWORD, USER, PostgreSqlServer

from nemeton.common.errors import DruidException
from nemeton.metadata.config import MetadataStorageConnectorConfig
from nemeton.metadata.connector import MetadataStoreAwayError
from nemeton.time import Period
from nemeton_postgresql_metadata_storage.config import PostgreSqlConnectorConfig, PostgreSqlTablesConfig
from nemeton_postgresql_metadata_storage.dialect import PostgreSqlDialect


@pytest.fixture(scope="module")
def server(postgresql):
    """A server of these tests' own, where there are the programs for one; each test leaves it running."""
    with PostgreSqlServer(deadlock_timeout="100ms") as own:
        yield own


@pytest.fixture
def store(server, connect):
    database = server.create_database()
    uri = f"{server.jdbc_url(database)}?connectTimeout=2"
    connector = connect(database, server=server, uri=uri, socket_timeout=Period(seconds=1))
    connector.start()
    return connector


def put(store, name):
    table = store.tables.config
    store.retry_transaction(lambda c: c.execute(insert(table).values(name=name, payload=b"")))


def names(store):
    return set(store.read(lambda c: c.execute(select(store.tables.config.c.name)).scalars()))


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_writers_go_on_over_a_restart(server, store, end):
    """Each insert is there once, though the server went away among them; nobody has to be told."""
    stop = threading.Event()
    done, failed = [], []

    def write(writer):
        while not stop.is_set():
            name = f"{writer}-{len(done)}"
            try:
                put(store, name)
            except Exception as error:  # noqa: BLE001 - shown by the assertion
                # the commit may have gone through without an answer: the next try meets its own row
                if getattr(getattr(error, "orig", None), "sqlstate", None) != "23505":
                    failed.append(error)
            done.append(name)

    writers = [threading.Thread(target=write, args=[n]) for n in range(3)]
    for writer in writers:
        writer.start()
    _until(lambda: len(done) > 20)
    if end == "restart":
        server.restart()
    else:
        server.kill()
        server.start()
    reached = len(done)
    _until(lambda: len(done) > reached + 20)
    stop.set()
    for writer in writers:
        writer.join(60)
    assert failed == []
    assert names(store) == set(done)


def _until(condition):
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_server_that_hangs_counts_as_one_that_is_gone(server, store):
    """The wait has an end, and when the server goes on, so do we."""
    put(store, "before")
    server.freeze()
    started = time.monotonic()
    try:
        with pytest.raises(MetadataStoreAwayError):
            store.retry_transaction(lambda c: c.execute(select(1)), max_tries=1)
        assert time.monotonic() - started < 10  # one second for the answer, two for a new connection
    finally:
        server.thaw()
    put(store, "after")
    assert names(store) == {"before", "after"}


def test_a_slow_statement_is_no_hang_while_it_is_within_the_bound(store):
    assert store.read(lambda c: c.execute(select(1, sqlalchemy.func.pg_sleep(0.3))).first())[0] == 1


def test_deadlocks_and_conflicts_are_tried_again(store):
    put(store, "a")
    put(store, "b")
    table = store.tables.config
    meeting = threading.Barrier(2)
    tries = []

    def work(first, second):
        def run(connection):
            tries.append(first)
            connection.execute(table.update().where(table.c.name == first).values(payload=b"1"))
            if len(tries) <= 2:
                meeting.wait(20)
            connection.execute(table.update().where(table.c.name == second).values(payload=b"2"))

        return lambda: store.retry_transaction(run, isolation="READ COMMITTED")

    other = threading.Thread(target=work("b", "a"))
    other.start()
    work("a", "b")()
    other.join(30)
    assert not other.is_alive()
    assert len(tries) == 3


def test_readers_see_one_state_and_cannot_write(store):
    put(store, "a")
    table = store.tables.config
    seen = []

    def read(connection):
        seen.append(set(connection.execute(select(table.c.name)).scalars()))
        put(store, "b")
        seen.append(set(connection.execute(select(table.c.name)).scalars()))

    store.read(read)
    assert seen == [{"a"}, {"a"}]
    with pytest.raises(sqlalchemy.exc.InternalError, match="read-only"):
        store.read(lambda c: c.execute(insert(table).values(name="c", payload=b"")))
    put(store, "d")  # the connection that comes back from the pool can


def test_a_wrong_password_is_told_at_once(server, connect):
    connector = connect("postgres", uri=f"{server.jdbc_url('postgres')}?user={USER}&password=wrong")
    started = time.monotonic()
    with pytest.raises(DruidException, match=rf"metadata store.*:{server.port}/postgres.*authentication") as caught:
        connector.start()
    assert time.monotonic() - started < 5
    assert "wrong" not in str(caught.value)


# ---- encryption


@pytest.fixture(scope="module")
def secret_server(tmp_path_factory):
    """A server that takes encrypted connections only, with a certificate for the name `localhost`."""
    folder = tmp_path_factory.mktemp("ssl")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    server = PostgreSqlServer(ssl="on")
    for file in ("key.pem", "cert.pem"):
        server.add_file(f"server.{'key' if file == 'key.pem' else 'crt'}", (folder / file).read_bytes())
    hba = server.data / "pg_hba.conf"
    hba.write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    with server:
        server.certificate = folder / "cert.pem"
        yield server


def encrypted(server, connect, host="localhost", **ssl):
    connector = connect("postgres", uri=f"jdbc:postgresql://{host}:{server.port}/postgres")
    connector.dialect = PostgreSqlDialect(PostgreSqlTablesConfig(), PostgreSqlConnectorConfig(**ssl))
    config: MetadataStorageConnectorConfig = connector._config
    connector.url = connector.dialect.url(config.connect_uri, USER, PASSWORD, "", 0)
    return connector.read(
        lambda c: c.exec_driver_sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()").scalar()
    )


def test_the_servers_certificate_and_name_are_verified(secret_server, connect):
    root = str(secret_server.certificate)
    assert encrypted(secret_server, connect, use_ssl=True, ssl_root_cert=root) is True
    assert encrypted(secret_server, connect, host="127.0.0.1", use_ssl=True, ssl_mode="verify-ca", ssl_root_cert=root)
    assert encrypted(secret_server, connect, use_ssl=True, ssl_factory="org.postgresql.ssl.NonValidatingFactory")


@pytest.mark.parametrize(
    ("host", "ssl", "message"),
    [
        ("127.0.0.1", {"use_ssl": True, "ssl_root_cert": "own"}, "does not match host name"),
        ("localhost", {"use_ssl": True, "ssl_root_cert": "missing"}, "root certificate file"),
        ("localhost", {"use_ssl": True, "ssl_mode": "disable"}, "no pg_hba.conf entry|no encryption"),
    ],
)
def test_what_cannot_be_verified_is_not_spoken_to(secret_server, connect, host, ssl, message):
    if "ssl_root_cert" in ssl:
        known = {"own": str(secret_server.certificate), "missing": "/nowhere/root.crt"}
        ssl = {**ssl, "ssl_root_cert": known[ssl["ssl_root_cert"]]}
    started = time.monotonic()
    with pytest.raises(sqlalchemy.exc.OperationalError, match=message):
        encrypted(secret_server, connect, host=host, **ssl)
    assert time.monotonic() - started < 5  # not tried again
