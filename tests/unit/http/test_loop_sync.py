"""Following a server on an event loop: the same protocol as with a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nemeton.common.clock import SystemClock
from nemeton.http.client import HttpClientError
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_sync import LoopChangeSyncer
from nemeton.http.loop_timers import CoarseTimers
from nemeton.http.pool import HandlerPool
from nemeton.json import Json
from nemeton.testkit.waiting import eventually

from .test_change_sync import RESET, Recorder, ScriptedClient, answer


class LoopScriptedClient(ScriptedClient):
    """Answers on the loop; when it has nothing more to say, the poll hangs until it is given up."""

    given_up = False

    def ask(self, method, origin, target, done, **options):
        if not self.answers:
            self.drained.set()
            return self
        try:
            said = self.request(method, origin + target, **options)
        except HttpClientError as failure:
            said = failure
        asyncio.get_running_loop().call_soon(done, said)
        return self

    def cancel(self):
        self.given_up = True


class ThreadRecorder(Recorder):
    def __init__(self, fail_at=None):
        super().__init__(fail_at)
        self.threads = []

    def full_sync(self, changes):
        self.threads.append(threading.current_thread().name)
        super().full_sync(changes)

    def delta_sync(self, changes):
        self.threads.append(threading.current_thread().name)
        super().delta_sync(changes)


@pytest.fixture
def follow():
    loop, pool = EventLoopThread("test-loop-sync"), HandlerPool("test-sync", 2, 0)

    def follow(client, listener, made=lambda syncer: None, **options):
        syncer = LoopChangeSyncer(
            loop,
            client,
            pool,
            CoarseTimers(),
            Json(),
            SystemClock(),
            base_url="http://x:1",
            path="/p",
            change_type=str,
            listener=listener,
            **options,
        )
        assert not syncer.is_following
        made(syncer)
        syncer.start()
        assert client.drained.wait(20)
        assert syncer.is_synced
        assert syncer.debug_info()["syncScheduled"]
        syncer.stop()
        assert not syncer.is_following
        eventually(lambda: client.given_up, "a poll that hangs is given up")
        return syncer

    yield follow
    loop.stop()
    pool.close()


def test_it_begins_with_everything_on_a_thread_and_follows_on_the_loop(follow):
    client, listener = LoopScriptedClient(answer(2, ["a", "b"]), (204,), answer(3, ["c"])), ThreadRecorder()
    syncer = follow(client, listener)
    assert listener.heard == [("full", ["a", "b"]), ("delta", ["c"])]
    assert (
        client.urls == ["counter=-1", "counter=2&hash=20", "counter=2&hash=20", "counter=3&hash=30"][: len(client.urls)]
    )
    assert syncer.is_initialized
    assert listener.threads[0].startswith("test-sync")
    assert listener.threads[1] == "test-loop-sync"


def test_it_asks_how_long_to_wait_after_each_news(follow):
    client, listener, asked = LoopScriptedClient(answer(2, ["a"]), (204,), answer(3, ["c"])), Recorder(), []

    def pause():
        asked.append(len(listener.heard))
        return 0.01

    follow(client, listener, pause=pause)
    assert asked == [1, 2]


def test_a_large_change_is_read_on_a_thread(follow):
    listener = ThreadRecorder()
    follow(LoopScriptedClient(answer(1, ["a"]), answer(2, ["b" * 40_000])), listener)
    assert all(name.startswith("test-sync") for name in listener.threads)


def test_it_starts_over_when_told(follow):
    client, listener = LoopScriptedClient(answer(1, ["a"]), RESET, answer(5, ["b"])), Recorder()
    follow(client, listener)
    assert listener.heard == [("full", ["a"]), ("full", ["b"])]


def test_a_broken_connection_costs_nothing_known_but_an_error_does(follow):
    script = [answer(1, ["a"]), HttpClientError("gone"), answer(2, ["b"]), (500,), answer(2, ["a", "b"])]
    listener = Recorder()
    follow(LoopScriptedClient(*script), listener)
    assert listener.heard == [("full", ["a"]), ("delta", ["b"]), ("full", ["a", "b"])]


def test_a_failing_listener_makes_it_start_over(follow):
    listener = Recorder(fail_at=2)
    follow(LoopScriptedClient(answer(1, ["a"]), answer(2, ["b"]), answer(2, ["a", "b"])), listener)
    assert listener.heard == [("full", ["a"]), ("delta", ["b"]), ("full", ["a", "b"])]


def test_a_pause_after_news_can_be_cut_short(follow):
    class Hurried(Recorder):
        def delta_sync(self, changes):
            super().delta_sync(changes)
            asyncio.get_running_loop().call_later(0.01, syncers[0].hurry, 0.01)

    syncers = []
    client, listener = LoopScriptedClient(answer(1, ["a"]), answer(2, ["b"]), answer(3, ["c"])), Hurried()
    pauses = iter([0.0, 3600.0])  # after the full list, which is read on a thread, and after "b"
    follow(client, listener, pause=lambda: next(pauses, 0.0), made=syncers.append)
    assert listener.heard == [("full", ["a"]), ("delta", ["b"]), ("delta", ["c"])]


def test_changes_that_are_not_worth_it_are_not_read(follow):
    listener = Recorder()
    follow(LoopScriptedClient(answer(2, ["a", "b"])), listener, worth_reading=lambda changes: changes[1:])
    assert listener.heard == [("full", ["b"])]
