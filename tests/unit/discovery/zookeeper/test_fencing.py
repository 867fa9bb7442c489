"""Leaders whose session is lost in the middle of a write: it is refused, and leaves nothing."""

import contextlib
import json
import signal
import threading

import pytest
from tests.servers.proxy import Proxy
from tests.unit.discovery.zookeeper.electing import elector
from tests.unit.discovery.zookeeper.test_office import metadata_database, names, put, row  # noqa: F401 - a fixture

from nemeton.metadata.fence import LeadershipLostError
from nemeton.testkit.suites.leader_selector import RecordingListener
from nemeton.testkit.waiting import eventually

SESSION_MS = 2000


@pytest.fixture
def path(base):
    return f"{base}/overlord/_OVERLORD"


@pytest.fixture
def join(zookeeper, connect, path):
    """Take part in the election; with a connector the participant is fenced."""
    joined = []

    def join(participant, connector=None, host=None):
        connection = connect(zookeeper, SESSION_MS, host=host)
        selector = elector(connection, path, participant, connector)
        selector.register_listener(RecordingListener())
        joined.append(selector)
        return selector

    yield join
    for selector in joined:
        with contextlib.suppress(ValueError):  # it has left
            selector.unregister_listener()


@pytest.fixture
def freezing(zookeeper, path, run_process, connector, tmp_path, request):
    """A process that leads and freezes in a write."""

    @contextlib.contextmanager
    def freezing(moment):
        given = {"sqlite": str(tmp_path / "metadata.db")}
        if connector.dialect.__class__.__name__ != "SqliteDialect":
            database = request.getfixturevalue("metadata_database")
            given = {"uri": request.getfixturevalue("postgresql").jdbc_url(database), "database": database}
        given |= {"zookeeper": zookeeper.connect_string, "path": path, "id": "http://a:1", "session_ms": SESSION_MS}
        given["moment"] = moment
        with run_process("-m", "tests.unit.discovery.zookeeper.freezing_leader", json.dumps(given)) as process:
            assert process.stdout.readline() == "leads\n"
            yield process

    return freezing


def wake(process):
    """What becomes of the write."""
    process.send_signal(signal.SIGCONT)
    return process.stdout.readline().strip()


@pytest.mark.parametrize("moment", ["before", "within"])
def test_a_frozen_leader_that_wakes_up_cannot_write(join, connector, another_connector, freezing, moment):
    """Behaviour 7.5, over ZooKeeper."""
    everybody_waits = moment == "within" and connector.engine.dialect.name == "sqlite"  # for the frozen writer
    with freezing(moment) as process:
        other = another_connector()
        second = join("http://b:2", other)
        eventually(lambda: second.get_current_leader() == "http://b:2", "the end of the first's session")
        if everybody_waits:
            assert not second.is_leader()
        else:
            eventually(second.is_leader, "the next leader")
            put(other.acting_for("overlord"), "in time")
        assert wake(process) == "refused"
        eventually(second.is_leader, "the next leader")
        put(other.acting_for("overlord"), "afterwards")
    assert names(connector) - {"in time"} == {"afterwards"}
    assert row(connector)[0] == "http://b:2"


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
@pytest.mark.parametrize("moment", ["before", pytest.param("within", marks=pytest.mark.slow)])
def test_nor_can_it_when_the_next_leader_notes_no_term(join, connector, another_connector, freezing, moment):
    """As Java's do; whoever of ours leads after it takes the next term and writes."""
    with freezing(moment) as process:
        java = join("http://java:2")
        eventually(java.is_leader, "the next leader")
        put(connector, "by java")
        term = row(connector)
        assert wake(process) == "refused"
    assert row(connector) == term
    java.unregister_listener()
    third = another_connector()
    eventually(join("http://c:3", third).is_leader, "one of ours")
    put(third.acting_for("overlord"), "by c")
    assert names(connector) == {"by java", "by c"}
    assert row(connector) == ("http://c:3", term[1] + 1)


def test_a_write_is_refused_when_the_session_is_lost_in_its_middle(join, zookeeper, connector, another_connector):
    """The process is well, but cut off from ZooKeeper; nobody else has written yet."""
    mine, other = another_connector(), another_connector()
    within, go_on = threading.Event(), threading.Event()
    refused = []

    def write():
        try:
            put(mine.acting_for("overlord"), "late", then=lambda: (within.set(), go_on.wait(30)))
        except LeadershipLostError as error:
            refused.append(error)

    with Proxy(zookeeper.port) as proxy:
        first = join("http://a:1", mine, host=proxy.connect_string)
        eventually(first.is_leader, "the first leader")
        second = join("http://b:2", other)
        writing = threading.Thread(target=write)
        writing.start()
        assert within.wait(20)
        proxy.cut()
        eventually(lambda: second.get_current_leader() == "http://b:2", "the end of the session")
        go_on.set()
        writing.join(20)
        assert refused
        eventually(second.is_leader, "the next leader")
        put(other.acting_for("overlord"), "by b")
        proxy.mend()
    assert names(connector) == {"by b"}
