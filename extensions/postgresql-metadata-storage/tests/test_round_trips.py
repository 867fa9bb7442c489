"""How often a transaction waits for the server: that is what it costs where the server is another machine."""

from __future__ import annotations

import contextlib
import socket

import pytest
import sqlalchemy
from sqlalchemy import insert, select
from tests.servers.proxy import Proxy
from tests.unit.discovery.metadata.conftest import lease_store

from nemeton.discovery.metadata.terms import Terms
from nemeton.metadata.fence import no_last_look


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
    """Counts the turns of work on a store with a leader's term, by a connection that is there already."""
    database = postgresql.create_database()
    store = connect(database, uri=f"jdbc:postgresql://{proxy.connect_string}/{database}")
    store.start()
    terms = Terms("overlord", lease_store(store), 10.0)
    term = terms.take(0, "http://a:1")
    store.fence.put_up("overlord", lambda: lambda connection: (terms.verify(connection, term), no_last_look)[1])

    def turns(work):
        work(store)
        before = proxy.turns
        work(store)
        return proxy.turns - before

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
    assert turns(lambda store: put(store.acting_for("overlord"))) == ping + begin + statement + commit
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
