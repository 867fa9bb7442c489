"""How often a transaction waits for the server: that is what it costs where the server is another machine."""

from __future__ import annotations

import contextlib
import socket

import pytest
import sqlalchemy
from sqlalchemy import insert, select
from tests.servers.proxy import Proxy
from tests.unit.discovery.metadata.conftest import lease_store, settings

from nemeton.common.clock import SystemClock
from nemeton.discovery.metadata.leases import Leases
from nemeton.discovery.metadata.terms import Terms
from nemeton.metadata.fence import LeadershipLostError, no_last_look


class CountingProxy(Proxy):
    """Counts how often the client speaks after the server."""

    turns = 0
    _server_spoke = True

    def _pump(self, source, sink, whole):
        from_server = source.getpeername()[1] == self._target_port
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not from_server and self._server_spoke:
                    self.turns += 1
                self._server_spoke = from_server
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(postgresql):
    with CountingProxy(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
def turns(postgresql, connect, proxy):
    """Counts the turns of work on a store with leaders of each kind, by a connection that is there already."""
    database = postgresql.create_database()
    store = connect(database, uri=f"jdbc:postgresql://{proxy.connect_string}/{database}")
    store.start()
    terms = Terms("overlord", lease_store(store), 10.0)
    term = terms.take(0, "http://a:1")
    store.fence.put_up("overlord", lambda: lambda connection: (terms.verify(connection, term), no_last_look)[1])
    leases = Leases(lease_store(store, settings(lease_s=60.0)), SystemClock())
    lease = leases.acquire("coordinator", "http://a:1")
    store.fence.put_up("coordinator", lambda: lambda connection: (leases.verify(connection, lease), no_last_look)[1])

    def turns(work):
        counts = []
        for _ in range(4):  # the first makes what is missing, one may prepare a statement that is used often
            before = proxy.turns
            work(store)
            counts.append(proxy.turns - before)
        return min(counts)

    return turns


def put_in(connection, store):
    audit = {"audit_key": "k", "type": "t", "author": "", "comment": "", "created_date": "", "payload": b""}
    connection.execute(insert(store.tables.audit).values(**audit))


def put(store):
    store.retry_transaction(lambda c: put_in(c, store), isolation="READ COMMITTED")


def test_the_fence_costs_no_wait(turns):
    """The look at the term travels with BEGIN, which waits for an answer of its own otherwise."""
    ping, begin, statement, commit = 1, 1, 1, 1  # the first is the pool's
    assert turns(put) == ping + begin + statement + commit
    for service in ("overlord", "coordinator"):  # over ZooKeeper, by leases
        assert turns(lambda store, service=service: put(store.acting_for(service))) == ping + begin + statement + commit
    assert turns(lambda store: store.read(lambda c: c.execute(select(1)).all())) == ping + statement + commit


def test_percent_signs_are_what_they_are(connect, postgresql):
    store = connect(postgresql.create_database())
    query = sqlalchemy.text("SELECT 'a%b' LIKE 'a%', 'a%b'")
    assert tuple(store.read(lambda c: c.execute(query).one())) == (True, "a%b")


def test_a_transaction_that_begins_with_an_error_leaves_a_connection_that_is_good(connect, postgresql):
    store = connect(postgresql.create_database())
    store.start()
    for _ in range(2):
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="nowhere"):
            store.retry_transaction(lambda c: c.execute(sqlalchemy.text("SELECT * FROM nowhere")))
        put(store)
    with store.engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
        put_in(connection, store)
        connection.rollback()
        put_in(connection, store)
        connection.commit()
    count = select(sqlalchemy.func.count()).select_from(store.tables.audit)
    assert store.read(lambda c: c.execute(count).scalar()) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"write": True, "isolation": "SERIALIZABLE"}, ("serializable", "off")),
        ({"write": True, "isolation": "READ COMMITTED"}, ("read committed", "off")),
        ({"write": False, "isolation": "SERIALIZABLE"}, ("repeatable read", "on")),
    ],
)
def test_transactions_are_what_they_are_asked_to_be(connect, postgresql, options, expected):
    store = connect(postgresql.create_database())
    what = sqlalchemy.text("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
    with store.engine.connect().execution_options(**store.dialect.transaction_options(**options)) as connection:
        for _ in range(2):
            with connection.begin():
                assert tuple(connection.execute(what).one()) == expected


def test_terms_are_where_the_tables_are(connect, postgresql):
    """In the schema that is set, not in the one that the session would find first."""
    database = postgresql.create_database()
    postgresql.sql("CREATE SCHEMA other", database)
    store = connect(database, db_table_schema="other")
    store.start()
    terms = Terms("overlord", lease_store(store), 10.0)
    term = terms.take(0, "http://a:1")
    store.fence.put_up("overlord", lambda: lambda connection: (terms.verify(connection, term), no_last_look)[1])
    put(store.acting_for("overlord"))
    assert postgresql.sql("SELECT term FROM other.druid_leases", database).strip() == "1"
    terms.take(1, "http://b:2")
    with pytest.raises(LeadershipLostError):
        put(store.acting_for("overlord"))
