"""The children of a node are followed."""

from __future__ import annotations

import pytest

from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.encoding import compress
from nemeton.testkit.waiting import eventually


class Recording(ChildrenListener):
    def __init__(self):
        self.calls = []
        self.fails = False

    def child_added(self, name, data):
        self.calls.append(("added", name, data))
        if self.fails:
            raise RuntimeError("deaf")

    def child_updated(self, name, data):
        self.calls.append(("updated", name, data))

    def child_removed(self, name, data):
        self.calls.append(("removed", name, data))

    def initialized(self):
        self.calls.append("initialized")


def failing_once(function):
    failures = [RuntimeError("unforeseen")]

    def call():
        if failures:
            raise failures.pop()
        return function()

    return call


@pytest.fixture
def listener():
    return Recording()


@pytest.fixture
def follow(zookeeper, connect, clock, base, listener):
    made = []

    def follow():
        made.append(ChildrenCache(connect(zookeeper), base, listener, clock))
        made[-1].start()
        return made[-1]

    yield follow
    for cache in made:
        cache.close()


@pytest.fixture
def client(zookeeper, connect):
    return connect(zookeeper).client


def test_what_is_there_comes_first_then_each_change(client, follow, listener, base):
    client.create(f"{base}/a", b"1", makepath=True)
    client.create(f"{base}/b", compress(b"2"))
    cache = follow()
    eventually(lambda: "initialized" in listener.calls, "the first view")
    assert listener.calls == [("added", "a", b"1"), ("added", "b", b"2"), "initialized"]
    client.set(f"{base}/a", b"3")
    eventually(lambda: listener.calls[3:] == [("updated", "a", b"3")], "the update")
    client.delete(f"{base}/a")
    eventually(lambda: listener.calls[4:] == [("removed", "a", b"3")], "the removal")
    client.create(f"{base}/c", b"4")
    eventually(lambda: listener.calls[5:] == [("added", "c", b"4")], "the new one")
    assert cache.children == {"b": b"2", "c": b"4"}


def test_a_missing_node_is_made(follow, listener, client, base):
    follow()
    eventually(lambda: listener.calls == ["initialized"], "the empty view")
    assert client.exists(base) is not None


def test_it_goes_on_when_the_node_is_deleted_and_made_again(follow, listener, client, base):
    client.create(f"{base}/a", b"1", makepath=True)
    follow()
    eventually(lambda: "initialized" in listener.calls, "the first view")
    client.delete(base, recursive=True)
    eventually(lambda: listener.calls[2:] == [("removed", "a", b"1")], "the removal")
    eventually(lambda: client.exists(base), "the node's being made again")
    client.create(f"{base}/b", b"2")
    eventually(lambda: listener.calls[3:] == [("added", "b", b"2")], "the new one")


def test_a_listener_that_fails_is_told_of_the_next(follow, listener, client, base):
    listener.fails = True
    follow()
    for name in "ab":
        client.ensure_path(f"{base}/{name}")
    eventually(lambda: {call[1] for call in listener.calls if call != "initialized"} == {"a", "b"}, "both")


def test_what_nobody_foresaw_does_not_end_it(follow, listener, client, base, monkeypatch):
    cache = follow()
    eventually(lambda: "initialized" in listener.calls, "the first view")
    monkeypatch.setattr(cache, "_list", failing_once(cache._list))
    client.create(f"{base}/a")
    eventually(lambda: ("added", "a", b"") in listener.calls, "it was looked for again")


def test_closed_it_hears_no_more(follow, listener, client, base):
    cache = follow()
    eventually(lambda: "initialized" in listener.calls, "the first view")
    cache.close()
    client.create(f"{base}/a")
    client.sync(base)
    assert listener.calls == ["initialized"]
