"""Who leads when ZooKeeper, the network or a process fails (behaviours 5.9, 20.3)."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path

import pytest
from kazoo.exceptions import ConnectionLoss
from tests.servers.process import ServerMissingError, skip_or_fail
from tests.servers.proxy import Proxy
from tests.servers.zookeeper import ZooKeeperEnsemble

from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.testkit.suites.leader_selector import Quick, RecordingListener
from nemeton.testkit.waiting import eventually

SESSION_MS = 2000
SESSION_S = SESSION_MS / 1000
PARTICIPANT = str(Path(__file__).with_name("participant.py"))


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


def test_a_stopped_process_that_wakes_up_does_not_lead(server, join, base, run_process):
    """SIGSTOP for longer than the session: from the moment that another leads, the sleeper never says that it does."""
    session_ms = 2 * SESSION_MS  # a busy machine must not look like a stopped process
    arguments = (server.connect_string, f"{base}/overlord/_OVERLORD", "http://sleeper:1", str(session_ms))
    with run_process(PARTICIPANT, *arguments) as sleeper:
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


def test_a_killed_leader_is_followed_within_its_session(server, join, base, run_process):
    arguments = (server.connect_string, f"{base}/overlord/_OVERLORD", "http://killed:1", str(SESSION_MS))
    with run_process(PARTICIPANT, *arguments) as killed:
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
