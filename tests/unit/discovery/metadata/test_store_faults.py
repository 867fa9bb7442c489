"""The store goes away, hangs and comes back; nodes die without a word."""

import time

import pytest
from sqlalchemy import delete, func, select
from tests.servers.metadata import postgresql_connector
from tests.servers.postgresql import PostgreSqlServer
from tests.unit.discovery.metadata.conftest import Participant, lease_store, settings

from nemeton.common.clock import SystemClock
from nemeton.discovery.metadata.kinds import MetadataDiscovery
from nemeton.json import Json
from nemeton.metadata.fence import LeadershipLostError
from nemeton.model import NodeRole
from nemeton.testkit.suites.discovery import RecordingNodeListener, node
from nemeton.testkit.suites.leader_selector import RecordingListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Period

LEASE_S = 1.5


@pytest.fixture(scope="module")
def server(postgresql):
    """A server of these tests' own, where there are the programs for one."""
    with PostgreSqlServer() as own:
        yield own


@pytest.fixture
def connect(server):
    """Makes connectors to one database of the server."""
    database, made = server.create_database(), []

    def make():
        uri = f"{server.jdbc_url(database)}?connectTimeout=2"
        made.append(postgresql_connector(server, database, SystemClock(), uri=uri, socket_timeout=Period(seconds=1)))
        return made[-1]

    yield make
    for connector in made:
        connector.stop()


@pytest.fixture
def elected(connect):
    """Two participants of an election, the first of which leads."""
    config = settings(lease_s=LEASE_S, poll_s=0.1)
    participants = [Participant(connect(), config, f"http://h:{n}") for n in (1, 2)]
    listeners = [RecordingListener(), RecordingListener()]
    participants[0].connector.start()
    participants[0].selector.register_listener(listeners[0])
    eventually(participants[0].selector.is_leader, "the first leads")
    participants[1].selector.register_listener(listeners[1])
    yield participants, listeners
    for each in participants:
        each.selector.unregister_listener()


def leaders(participants):
    return [each for each in participants if each.selector.is_leader()]


def write(participant):
    table = participant.connector.tables.config
    acting = participant.connector.acting_for("overlord")
    acting.retry_transaction(lambda c: c.execute(delete(table)), max_tries=1)


def test_a_restart_within_the_lease_is_no_change_of_leader(elected, server):
    participants, listeners = elected
    server.restart()
    started = time.monotonic()
    eventually(lambda: _writes(participants[0]), "the leader writes again")
    if time.monotonic() - started < LEASE_S / 2:
        assert listeners[0].calls[:1] == ["become"]
    assert len(leaders(participants)) == 1


def _writes(participant):
    try:
        write(participant)
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_without_the_store_the_leadership_ends_with_the_lease(elected, server, fault):
    """No leader, whatever hangs; nobody can write; and when the store is back, one leads in a higher term."""
    participants, listeners = elected
    term = participants[0].leadership.lease.term
    (server.kill if fault == "kill" else server.freeze)()
    gone = time.monotonic()
    try:
        eventually(lambda: listeners[0].calls == ["become", "stop"], "the end of the leadership")
        assert time.monotonic() - gone < LEASE_S + 1
        assert leaders(participants) == []
        with pytest.raises(LeadershipLostError):
            write(participants[0])
        assert listeners[1].calls == []
    finally:
        (server.start if fault == "kill" else server.thaw)()
    eventually(lambda: len(leaders(participants)) == 1, "a leader")
    (leader,) = leaders(participants)
    assert leader.leadership.lease.term > term
    eventually(lambda: _writes(leader), "it writes")
    assert participants[1].selector.get_current_leader() == leader.id or leader is participants[1]


# ---- nodes


@pytest.fixture
def kinds(connect):
    """Makes kinds of discovery, as different processes have them."""
    made = []

    def make(node_s=1.5):
        store = lease_store(connect(), settings(node_s=node_s, lease_s=5, poll_s=0.05))
        made.append(MetadataDiscovery(store, Json(), SystemClock()))
        made[-1].store = store
        return made[-1]

    yield make
    for kind in made:
        kind.close()


def watch(kind, role=NodeRole.HISTORICAL):
    listener = RecordingNodeListener()
    kind.provider().get_for_node_role(role).register_listener(listener)
    assert listener.initialized.wait(20)
    return listener


def test_a_node_stays_while_its_heart_beats_and_goes_when_it_stops(kinds):
    announcing, watching = kinds(), kinds()
    listener = watch(watching)
    announcing.announcer().announce(node(1))
    eventually(lambda: listener.calls[-1] == ("added", ["host:1"]), "seeing it")
    time.sleep(2)  # longer than an announcement holds by itself
    assert listener.calls[-1] == ("added", ["host:1"])
    announcing.announcer().close()  # as a process that is killed: nothing is taken back
    eventually(lambda: listener.calls[-1] == ("removed", ["host:1"]), "its going")


def test_an_announcement_that_was_deleted_is_made_anew(kinds):
    announcing, watching = kinds(), kinds()
    listener = watch(watching)
    announcing.announcer().announce(node(1))
    eventually(lambda: listener.calls[-1] == ("added", ["host:1"]), "seeing it")
    store = watching.store
    store.connector.retry_transaction(lambda c: c.execute(delete(store.tables.nodes)))
    there = select(func.count()).select_from(store.tables.nodes)
    eventually(lambda: store.connector.retry_transaction(lambda c: c.execute(there).scalar()) == 1, "its coming back")
    # whether its going was seen depends on which of the two looked first
    eventually(lambda: listener.calls[-1] == ("added", ["host:1"]), "its being there for who watched")


@pytest.mark.slow
def test_nobody_is_gone_because_the_store_was(kinds, server):
    """Announcements end while the store is away, and nobody could renew them: that says nothing about the nodes."""
    announcing, watching = kinds(), kinds()
    listener = watch(watching)
    for port in (1, 2):
        announcing.announcer().announce(node(port))
    eventually(lambda: listener.calls[-1] == ("added", ["host:2"]), "seeing both")
    before = list(listener.calls)
    server.kill()
    time.sleep(2)
    server.start()
    assert len(watching.provider().get_for_node_role(NodeRole.HISTORICAL).all_nodes()) == 2
    announcing.announcer().announce(node(3))  # and life goes on
    eventually(lambda: listener.calls == [*before, ("added", ["host:3"])], "seeing the third")
    time.sleep(2)
    assert listener.calls == [*before, ("added", ["host:3"])]
    announcing.announcer().close()
    eventually(lambda: len(listener.calls) == len(before) + 4, "all are gone, when they are")


def test_who_looks_for_the_first_time_after_an_outage_sees_the_nodes_of_before(kinds, server):
    """As an Overlord does that becomes leader then: the workers have had no time to renew, and run tasks."""
    announcing, watching = kinds(), kinds()
    watch(watching, NodeRole.BROKER)
    for port in (1, 2):
        announcing.announcer().announce(node(port))
    server.kill()
    announcing.announcer().close()  # nobody renews
    time.sleep(2)
    watcher = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
    listener = RecordingNodeListener()
    watcher.register_listener(listener)
    server.start()
    assert listener.initialized.wait(20)
    assert listener.calls[0] == ("added", ["host:1", "host:2"])
    eventually(lambda: not watcher.all_nodes(), "they are gone when they have not come back in time")


def test_rows_of_the_dead_are_cleared_away(kinds):
    dead, living = kinds(node_s=0.2), kinds(node_s=0.2)
    dead.announcer().announce(node(1))
    dead.announcer().close()
    living.announcer().announce(node(2))
    nodes = living.store.tables.nodes
    ids = select(nodes.c.id)
    eventually(
        lambda: living.store.connector.read(lambda c: c.execute(ids).scalars().all()) == ["historical/host:2"],
        "only the living one's row",
    )
