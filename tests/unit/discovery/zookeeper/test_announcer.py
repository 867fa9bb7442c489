"""Announcements stay until they are taken back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kazoo.exceptions import NoNodeError

from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.encoding import decompress
from nemeton.testkit.waiting import eventually


@pytest.fixture
def announcing(zookeeper, connect):
    return connect(zookeeper)


@pytest.fixture
def announcer(announcing, clock):
    made = Announcer(announcing, clock)
    yield made
    made.stop()


@pytest.fixture
def watching(zookeeper, connect):
    return connect(zookeeper).client


def test_announced_updated_and_taken_back(announcer, announcing, watching, base):
    path = f"{base}/announcements/a:1"
    announcer.announce(path, b"one")
    data, stat = watching.get(path)
    assert (data, stat.ephemeralOwner) == (b"one", announcing.session_id)
    announcer.update(path, b"two")
    assert watching.get(path)[0] == b"two"
    assert announcer.announced == {path: b"two"}
    announcer.unannounce(path)
    assert watching.exists(path) is None
    announcer.unannounce(path)
    assert watching.exists(f"{base}/announcements") is not None


def test_announcing_anew_replaces(announcer, watching, base):
    announcer.announce(f"{base}/a", b"one")
    announcer.announce(f"{base}/a", b"two")
    assert watching.get(f"{base}/a")[0] == b"two"


def test_what_is_not_announced_cannot_be_updated(announcer, base):
    with pytest.raises(ValueError, match=r"Cannot update path\[.*\] that hasn't been announced!"):
        announcer.update(f"{base}/a", b"one")


def test_compressed_it_stays_compressed(announcer, watching, base):
    announcer.announce(f"{base}/a", b"one", compress=True)
    announcer.update(f"{base}/a", b"two")
    data = watching.get(f"{base}/a")[0]
    assert data[:2] == b"\x1f\x8b"
    assert decompress(data) == b"two"


def test_compression_can_be_turned_off(zookeeper, connect, clock, watching, base):
    announcer = Announcer(connect(zookeeper, compress=False), clock)
    announcer.announce(f"{base}/a", b"one", compress=True)
    assert watching.get(f"{base}/a")[0] == b"one"
    announcer.stop()


def test_what_somebody_deletes_comes_back_with_its_newest_content(announcer, announcing, watching, base):
    announcer.announce(f"{base}/a", b"one")
    announcer.update(f"{base}/a", b"two")
    for _ in range(3):
        watching.delete(f"{base}/a")
        eventually(lambda: watching.exists(f"{base}/a"), "its coming back")
        data, stat = watching.get(f"{base}/a")
        assert (data, stat.ephemeralOwner) == (b"two", announcing.session_id)


def test_a_node_that_another_session_left_is_waited_for(announcer, announcing, watching, base):
    watching.create(f"{base}/a", b"old", ephemeral=True, makepath=True)
    announcer.announce(f"{base}/a", b"new")
    assert watching.get(f"{base}/a")[0] == b"old"
    watching.delete(f"{base}/a")
    eventually(lambda: watching.exists(f"{base}/a"), "the new one's coming")
    data, stat = watching.get(f"{base}/a")
    assert (data, stat.ephemeralOwner) == (b"new", announcing.session_id)


def test_stopping_takes_everything_back(announcer, watching, base):
    for name in "abc":
        announcer.announce(f"{base}/{name}", b"")
    announcer.stop()
    assert watching.get_children(base) == []


_examples = itertools.count(1)
PATHS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.sampled_from(["announce", "update"]), PATHS, st.binary(max_size=4)),
    st.tuples(st.sampled_from(["unannounce", "delete", "overwrite"]), PATHS, st.just(b"")),
    st.tuples(st.sampled_from(["expire", "break"]), st.just("a"), st.just(b"")),
)


# kazoo's threads use the random module while steps are drawn
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8))
def test_whatever_happens_what_is_wanted_comes_about(zookeeper, announcer, announcing, watching, base, steps):
    """Foreign deletions and writes, lost sessions and broken connections between one's own steps."""
    parent = f"{base}/example{next(_examples)}"
    watching.ensure_path(parent)
    wanted = {}
    for step, name, data in steps:
        path = f"{parent}/{name}"
        if step == "announce" or (step == "update" and name in wanted):
            getattr(announcer, step)(path, data)
            wanted[name] = data
        elif step == "unannounce":
            announcer.unannounce(path)
            wanted.pop(name, None)
        elif step in ("delete", "overwrite") and watching.exists(path):
            _tamper(watching, step, path)
        elif step == "expire" and announcing.is_live():
            zookeeper.expire(announcing.client)
        elif step == "break":
            announcing.client.drop_connection()

    def found():
        return {name: _content(watching, f"{parent}/{name}") for name in watching.get_children(parent)}

    eventually(lambda: found() == wanted, f"what is wanted: {wanted}")
    for name in wanted:
        announcer.unannounce(f"{parent}/{name}")
    eventually(lambda: found() == {}, "everything's going")


def _tamper(client, step, path):
    try:
        if step == "delete":
            client.delete(path)
        else:
            client.set(path, b"nonsense")
    except NoNodeError:
        return


def _content(client, path):
    try:
        return client.get(path)[0]
    except NoNodeError:
        return None
