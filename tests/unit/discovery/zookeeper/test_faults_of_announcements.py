"""What becomes of announcements when ZooKeeper, the network or a process fails (behaviours 8.13, 20.1)."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from tests.servers.proxy import Proxy

from nemeton.json import Json
from nemeton.model import NodeRole
from nemeton.testkit.suites.discovery import DATA, RecordingNodeListener, hosts, node
from nemeton.testkit.waiting import eventually


def test_an_outage_that_is_longer_than_the_session(server, discover, connect, base, session_listener):
    """Everything is announced again with the same content, and who watched has seen no more than that."""
    kind, connection, announcer = discover()
    connection.add_session_listener(session_listener)
    kind.announcer().announce(node(1, NodeRole.HISTORICAL, DATA))
    announcer.announce(f"{base}/indexer/announcements/host:1", b'{"capacity":5}')
    before = dict(announcer.announced)
    watching, _, _ = discover()
    view = watching.provider().get_for_node_role(NodeRole.HISTORICAL).all_nodes()
    eventually(lambda: hosts(view) == ["host:1"], "seeing the node")
    server.freeze()
    try:
        eventually(lambda: session_listener.calls[:1] == ["suspended"], "noticing the silence")
        assert not connection.is_live()
        eventually(lambda: session_listener.calls[:2] == ["suspended", "lost"], "taking the session for lost")
        assert hosts(view) == ["host:1"]
    finally:
        server.thaw()
    # whether the server ends the session before the client takes it up again is chance
    eventually(lambda: session_listener.calls[:3] == ["suspended", "lost", "reconnected"], "the new connection")
    client = connect(server).client

    def restored():
        found = {path: client.exists(path) for path in before}
        return all(stat and stat.ephemeralOwner == connection.session_id for stat in found.values())

    eventually(restored, "everything's being announced by the session that counts")
    assert announcer.announced == before
    eventually(lambda: hosts(view) == ["host:1"], "seeing the node again")


def test_a_session_that_the_server_ended(server, discover, watch, base):
    kind, connection, _ = discover()
    path = f"{base}/internal-discovery/HISTORICAL/host:1"
    kind.announcer().announce(node(1))
    content = watch.get(path)[0]
    listener = RecordingNodeListener()
    watching, _, _ = discover()
    watching.provider().get_for_node_role(NodeRole.HISTORICAL).register_listener(listener)
    eventually(lambda: ("added", ["host:1"]) in listener.calls, "seeing the node")
    for _ in range(2):
        former = connection.session_id
        server.expire(connection.client)

        def is_back(former=former):
            stat = watch.exists(path)
            return stat is not None and stat.ephemeralOwner not in (former, 0)

        eventually(is_back, "its coming back")
        assert watch.get(path)[0] == content
    eventually(
        lambda: hosts(watching.provider().get_for_node_role(NodeRole.HISTORICAL).all_nodes()) == ["host:1"], "it"
    )
    assert {call for call, _ in listener.calls} <= {"added", "removed", "initialized"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_node_of_ones_own_old_session_is_replaced_at_once(server, discover, watch, base):
    """The client gave up and began a new session while the old one lives on at the server."""
    kind, connection, _ = discover(session_ms=20_000)
    path = f"{base}/internal-discovery/HISTORICAL/host:1"
    kind.announcer().announce(node(1))
    former = connection.session_id
    client = connection.client
    read = client._connection._read_socket
    client._connection._read_socket = lambda *_: 1 / 0
    with contextlib.suppress(Exception):
        client.exists("/")
    client._connection._read_socket = read

    def is_new():
        stat = watch.exists(path)
        return stat is not None and stat.ephemeralOwner not in (former, 0)

    eventually(is_new, "the new session's node")
    assert connection.session_id != former


def test_a_restart_of_the_server_within_the_sessions_time(server, discover, watch, base):
    """Sessions live on, and nobody hears of anything."""
    kind, connection, _ = discover(session_ms=20_000)
    kind.announcer().announce(node(1))
    session = connection.session_id
    listener = RecordingNodeListener()
    watching, _, _ = discover(session_ms=20_000)
    watching.provider().get_for_node_role(NodeRole.HISTORICAL).register_listener(listener)
    eventually(lambda: ("added", ["host:1"]) in listener.calls, "seeing the node")
    heard = len(listener.calls)
    server.restart()
    eventually(connection.is_live, "the connection's coming back")
    kind.announcer().announce(node(2))
    eventually(lambda: ("added", ["host:2"]) in listener.calls, "hearing of a second node")
    assert listener.calls[heard:] == [("added", ["host:2"])]
    assert connection.session_id == session


def test_a_server_that_takes_connections_and_is_silent_does_not_cost_the_session(server, connect):
    """A first answer that never comes is not waited for until it is too late."""
    with Proxy(server.port) as network:
        connection = connect(server, 8000, host=network.connect_string)
        session = connection.client and connection.session_id
        network.cut()
        network.reset()
        eventually(lambda: not connection.is_live(), "losing the connection")
        time.sleep(1)  # the next connection is made, and its first request swallowed
        network.forget()
        mended_at = time.monotonic()
        eventually(connection.is_live, "the connection's coming back")
        assert time.monotonic() - mended_at < 4
        assert connection.session_id == session


def test_a_kill_of_the_server_loses_nothing(server, discover, connect, base):
    kind, connection, announcer = discover()
    announcer.announce(f"{base}/indexer/announcements/host:1", b"one")
    server.kill()
    eventually(lambda: not connection.is_live(), "noticing it")
    announcer.update(f"{base}/indexer/announcements/host:1", b"two")
    announcer.announce(f"{base}/indexer/announcements/host:2", b"three")
    kind.announcer().announce(node(3))
    kind.announcer().unannounce(node(3))
    server.start()
    client = connect(server).client

    def found():
        parent = f"{base}/indexer/announcements"
        return {name: client.get(f"{parent}/{name}")[0] for name in client.get_children(parent)}

    eventually(lambda: found() == {"host:1": b"two", "host:2": b"three"}, "what was announced while it was down")
    assert not client.exists(f"{base}/internal-discovery/HISTORICAL/host:3")


def test_a_process_that_is_killed_is_gone_with_its_session(server, base, watch, run_process):
    script = (
        "import sys, time; from kazoo.client import KazooClient; c = KazooClient(sys.argv[1], timeout=1); c.start();"
        "c.create(sys.argv[2], b'x', ephemeral=True, makepath=True); print('there', flush=True); time.sleep(60)"
    )
    with run_process("-c", script, server.connect_string, f"{base}/a") as process:
        assert process.stdout.readline() == "there\n"
        assert watch.exists(f"{base}/a")
        process.kill()
        eventually(lambda: watch.exists(f"{base}/a") is None, "its node's going")


def test_whoever_is_cut_off_keeps_what_it_knew(server, discover, base):
    """And catches up when the network is mended."""
    with Proxy(server.port) as network:
        watching, connection, _ = discover(host=network.connect_string)
        listener = RecordingNodeListener()
        discovery = watching.provider().get_for_node_role(NodeRole.HISTORICAL)
        discovery.register_listener(listener)
        assert listener.initialized.wait(20)
        announcing, _, _ = discover()
        announcing.announcer().announce(node(1))
        announcing.announcer().announce(node(2))
        eventually(lambda: hosts(discovery.all_nodes()) == ["host:1", "host:2"], "seeing both")
        network.cut()
        eventually(lambda: not connection.is_live(), "noticing it")
        announcing.announcer().unannounce(node(1))
        announcing.announcer().announce(node(3))
        assert hosts(discovery.all_nodes()) == ["host:1", "host:2"]
        network.mend()
        eventually(lambda: hosts(discovery.all_nodes()) == ["host:2", "host:3"], "catching up")
        news = [("added", ["host:3"]), ("removed", ["host:1"])]
        eventually(lambda: sorted(listener.calls[-2:]) == news, "the listener's hearing of it")


def test_a_broken_announcement_harms_no_other(server, discover, watch, base):
    parent = f"{base}/internal-discovery/HISTORICAL"
    watch.create(f"{parent}/broken:1", b"{", makepath=True)
    watch.create(f"{parent}/broken:2", b"\x1f\x8bnonsense")
    plain = Json().dumps(node(3))
    assert json.loads(plain)["nodeType"] == "historical"
    watch.create(f"{parent}/host:3", plain)
    watching, _, _ = discover()
    view = watching.provider().get_for_node_role(NodeRole.HISTORICAL).all_nodes()
    assert hosts(view) == ["host:3"]
