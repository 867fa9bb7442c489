"""The PostgreSQL server of the tests can be treated as the fault tests need it."""

import threading

from tests.servers.postgresql import PostgreSqlServer


def test_databases_are_apart_and_survive_a_kill(postgresql):
    one, other = postgresql.create_database(), postgresql.create_database()
    postgresql.sql("create table t (n int); insert into t values (7)", one)
    assert postgresql.sql("select count(*) from pg_tables where tablename = 't'", other) == "0\n"
    postgresql.kill()
    assert not postgresql.is_running
    assert not postgresql.answers()
    postgresql.start()
    assert postgresql.sql("select n from t", one) == "7\n"
    postgresql.restart()
    assert postgresql.sql("select n from t", one) == "7\n"


def test_a_frozen_server_keeps_its_clients_waiting(postgresql):
    answer = []
    asking = threading.Thread(target=lambda: answer.append(postgresql.sql("select 1")))
    postgresql.freeze()
    try:
        asking.start()
        asking.join(0.3)
        assert answer == []
    finally:
        postgresql.thaw()
    asking.join(30)
    assert answer == ["1\n"]


def test_it_leaves_nothing_behind():
    with PostgreSqlServer() as server:
        assert server.folder.exists()
    assert not server.folder.exists()
    assert not server.is_running
