"""What happens when ZooKeeper, the network or a process fails (behaviours 5.9, 8.13, 20.1, 20.3)."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kazoo.exceptions import ConnectionLoss
from tests.servers.process import ServerMissingError, skip_or_fail
from tests.servers.proxy import Proxy
from tests.servers.zookeeper import ZooKeeperEnsemble, ZooKeeperServer

from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig, CuratorDiscoveryConfig
from nemeton.discovery.zookeeper.curator import CuratorDiscovery
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.json import Json
from nemeton.model import NodeRole
from nemeton.testkit.suites.discovery import DATA, RecordingNodeListener, hosts, node
from nemeton.testkit.suites.leader_selector import Quick, RecordingListener
from nemeton.testkit.waiting import eventually

SESSION_MS = 2000
SESSION_S = SESSION_MS / 1000


@pytest.fixture(scope="module")
def server():
    """A server of these tests alone: they freeze, kill and restart it."""
    try:
        made = ZooKeeperServer()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    with made:
        yield made


@pytest.fixture
def join(server, connect, clock, base):
    """Take part in an election; returns selector, listener and connection."""
    path = f"{base}/overlord/_OVERLORD"
    joined = []

    def join(participant, host=None, session_ms=SESSION_MS):
        connection = connect(server, session_ms, host=host)
        view = LatchView(connection, path, clock)
        connection.before_stop(view.close)
        selector = LatchLeaderSelector(
            path, lambda: CuratorLatch(connection, path, participant, view, clock), randomness=Quick()
        )
        listener = RecordingListener()
        selector.register_listener(listener)
        joined.append(selector)
        return selector, listener, connection

    yield join
    for selector in joined:
        with contextlib.suppress(ValueError):  # it has left
            selector.unregister_listener()


@pytest.fixture
def discover(server, connect, clock):
    """Make a member of the discovery; returns it, its connection and its announcer."""
    made = []

    def discover(host=None, session_ms=SESSION_MS):
        connection = connect(server, session_ms, host=host)
        announcer = Announcer(connection, clock)
        services, segments = CuratorDiscoveryConfig(), BatchDataSegmentAnnouncerConfig()
        kind = CuratorDiscovery(connection, announcer, services, segments, Json(), clock)
        kind.start()
        made.append((kind, announcer))
        return kind, connection, announcer

    yield discover
    for kind, announcer in made:
        kind.close()
        announcer.stop()


@pytest.fixture
def watch(server, connect):
    """A client that stays connected only while the server is well."""
    return connect(server).client


class Both:
    """Asks two selectors all the time whether they lead, and remembers when both said yes."""

    def __init__(self, *selectors):
        self._selectors = selectors
        self._stop = threading.Event()
        self.seen = []
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        while not self._stop.wait(0.001):
            leading = [selector for selector in self._selectors if selector.is_leader()]
            if len(leading) > 1 and all(selector.is_leader() for selector in leading):
                self.seen.append(time.monotonic())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


# ---- announcements


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


def test_a_process_that_is_killed_is_gone_with_its_session(server, base, watch):
    script = (
        "import sys, time; from kazoo.client import KazooClient; c = KazooClient(sys.argv[1], timeout=1); c.start();"
        "c.create(sys.argv[2], b'x', ephemeral=True, makepath=True); print('there', flush=True); time.sleep(60)"
    )
    with _process(script, server.connect_string, f"{base}/a", as_script=True) as process:
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


# ---- leadership


def test_a_frozen_zookeeper_ends_leadership_before_the_session(server, join):
    selector, listener, _ = join("http://a:1")
    eventually(selector.is_leader, "leading")
    frozen_at = time.monotonic()
    server.freeze()
    try:
        eventually(lambda: not selector.is_leader(), "leading no more")
        assert time.monotonic() - frozen_at < SESSION_S
        eventually(lambda: listener.calls == ["become", "stop"], "being told")
        assert selector.get_current_leader() is None
    finally:
        server.thaw()
    eventually(selector.is_leader, "leading again")
    assert selector.local_term() == 2
    assert listener.calls == ["become", "stop", "become"]


def test_a_new_candidacy_stands_at_the_end_of_the_line(server, join, watch, base):
    """The sequence goes on, and the node of the lost one is away, even when the session lives."""
    first, _, connection = join("http://a:1")
    eventually(first.is_leader, "leading")
    path = f"{base}/overlord/_OVERLORD"
    (before,) = watch.get_children(path)
    connection.client.drop_connection()
    eventually(lambda: first.local_term() == 2, "leading again")
    (after,) = watch.get_children(path)
    assert int(after[-10:]) > int(before[-10:])
    assert watch.get(f"{path}/{after}")[0] == b"http://a:1"


def test_a_leader_that_is_cut_off_stops_before_another_leads(server, join):
    with Proxy(server.port) as network:
        cut_off, heard, _ = join("http://a:1", host=network.connect_string)
        eventually(cut_off.is_leader, "leading")
        other, _, _ = join("http://b:2")
        eventually(lambda: other.get_current_leader() == "http://a:1", "knowing the leader")
        with Both(cut_off, other) as both:
            network.cut()
            eventually(lambda: not cut_off.is_leader(), "noticing it")
            assert not other.is_leader()
            eventually(other.is_leader, "the other's leading")
            eventually(lambda: heard.calls == ["become", "stop"], "its being told")
            assert cut_off.get_current_leader() is None
            network.mend()
            eventually(lambda: cut_off.get_current_leader() == "http://b:2", "its knowing the new leader")
            assert not cut_off.is_leader()
        assert both.seen == []
        other.unregister_listener()
        eventually(cut_off.is_leader, "its leading again in its turn")


def test_a_connection_that_breaks_ends_leadership_and_no_more(server, join):
    with Proxy(server.port) as network:
        selector, listener, connection = join("http://a:1", host=network.connect_string)
        eventually(selector.is_leader, "leading")
        session = connection.session_id
        network.reset()
        eventually(lambda: listener.calls == ["become", "stop", "become"], "losing and leading again")
        assert connection.session_id == session


def test_a_restarted_zookeeper_has_one_leader_again(server, join):
    first, _, _ = join("http://a:1")
    eventually(first.is_leader, "leading")
    second, _, _ = join("http://b:2")
    with Both(first, second) as both:
        server.restart()
        eventually(lambda: first.is_leader() or second.is_leader(), "one's leading")
        leader = "http://a:1" if first.is_leader() else "http://b:2"
        eventually(lambda: {first.get_current_leader(), second.get_current_leader()} == {leader}, "both know who")
    assert both.seen == []


def test_a_latch_node_that_somebody_deletes_ends_the_leadership(server, join, watch, base):
    first, heard, _ = join("http://a:1")
    eventually(first.is_leader, "leading")
    path = f"{base}/overlord/_OVERLORD"
    (name,) = watch.get_children(path)
    watch.delete(f"{path}/{name}")
    eventually(lambda: heard.calls == ["become", "stop", "become"], "losing and leading again")


def test_an_answer_that_is_lost_makes_no_second_node(server, join, connect, watch, base, clock):
    """The node was made, but its maker never heard of it: it finds it by its prefix."""
    first, _, _ = join("http://a:1")
    eventually(first.is_leader, "leading")
    connection = connect(server)
    client = connection.client
    create, lost = client.create, []

    def loses_the_answer(*arguments, **options):
        made = create(*arguments, **options)
        if len(lost) < 3:
            lost.append(made)
            raise ConnectionLoss
        return made

    client.create = loses_the_answer
    path = f"{base}/overlord/_OVERLORD"
    gained = threading.Event()
    latch = CuratorLatch(connection, path, "http://b:2", LatchView(connection, path, clock), clock)
    latch.start(gained.set, lambda: None)
    eventually(lambda: lost, "losing the answer")
    first.unregister_listener()
    assert gained.wait(20)
    assert watch.get_children(path) == [lost[0].rpartition("/")[2]]
    latch.close()
    assert watch.get_children(path) == []


def test_a_stopped_process_that_wakes_up_does_not_lead(server, join, base):
    """SIGSTOP for longer than the session: from the moment that another leads, the sleeper never says that it does."""
    session_ms = 2 * SESSION_MS  # a busy machine must not look like a stopped process
    arguments = (server.connect_string, f"{base}/overlord/_OVERLORD", "http://sleeper:1", str(session_ms))
    with _process(str(Path(__file__).with_name("participant.py")), *arguments) as sleeper:
        assert sleeper.stdout.readline().split()[1] == "1"
        other, _, _ = join("http://b:2", session_ms=session_ms)
        eventually(lambda: other.get_current_leader() == "http://sleeper:1", "the sleeper leads")
        sleeper.send_signal(signal.SIGSTOP)
        eventually(other.is_leader, "the other's leading")
        took_over_at = time.monotonic()
        time.sleep(0.5)
        sleeper.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        assert other.is_leader()
        sleeper.kill()
        said = [line.split() for line in sleeper.stdout]
    assert [line for line in said if float(line[0]) > took_over_at] == []
    assert {line[1] for line in said} <= {"1"}


def test_a_killed_leader_is_followed_within_its_session(server, join, base):
    arguments = (server.connect_string, f"{base}/overlord/_OVERLORD", "http://killed:1", str(SESSION_MS))
    with _process(str(Path(__file__).with_name("participant.py")), *arguments) as killed:
        assert killed.stdout.readline()
        other, _, _ = join("http://b:2")
        killed.kill()
        killed_at = time.monotonic()
        eventually(other.is_leader, "the other's leading")
        assert time.monotonic() - killed_at < SESSION_S + 2
        assert other.get_current_leader() == "http://b:2"


# ---- three servers


@pytest.mark.slow  # what is left of three servers takes up to half a minute to agree on a new leader among themselves
def test_one_server_of_three_may_go(connect, base, clock, session_listener):
    """The session moves to another one; without a second one there is nobody to lead, until it comes back."""
    try:
        ensemble = ZooKeeperEnsemble()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    with ensemble:
        connection = connect(ensemble, session_ms=10_000)
        connection.add_session_listener(session_listener)
        announcer = Announcer(connection, clock)
        announcer.announce(f"{base}/a", b"kept")
        session = connection.session_id
        path = f"{base}/overlord/_OVERLORD"
        view = LatchView(connection, path, clock)
        selector = LatchLeaderSelector(
            path, lambda: CuratorLatch(connection, path, "http://a:1", view, clock), randomness=Quick()
        )
        selector.register_listener(RecordingListener())
        eventually(selector.is_leader, "leading")
        used = next(server for server in ensemble.servers if f"0x{session:x}" in server.ask("cons"))
        used.kill()
        eventually(lambda: session_listener.calls[:2] == ["suspended", "reconnected"], "moving to another server")
        assert connection.session_id == session
        assert connection.client.get(f"{base}/a")[0] == b"kept"
        eventually(lambda: selector.is_leader() and selector.local_term() >= 2, "leading again")
        other = next(server for server in ensemble.servers if server.is_running)
        other.kill()
        eventually(lambda: not selector.is_leader(), "leading no more")
        used.start()
        eventually(selector.is_leader, "leading again with two of three", 40)
        eventually(lambda: connection.client.exists(f"{base}/a"), "the announcement")
        selector.unregister_listener()
        view.close()
        announcer.stop()
        connection.stop()


@contextlib.contextmanager
def _process(script, *arguments, as_script=False):
    command = [sys.executable, *(("-c", script) if as_script else (script,)), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
