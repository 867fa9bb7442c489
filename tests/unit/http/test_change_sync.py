"""Both ends of the long poll."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.clock import ManualClock
from nemeton.http.change_history import ChangeRequestHistory, Counter
from nemeton.http.change_sync import ChangeRequestHttpSyncer
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.json import Json

STEPS = st.lists(st.integers(0, 4) | st.just("poll"), max_size=60)


@given(STEPS, st.integers(1, 6))
def test_a_follower_who_starts_over_when_told_knows_everything(steps, max_size):
    """Numbers add so many changes; whoever polls ends up with all of them, or is told to start over."""
    clock = ManualClock()
    history = ChangeRequestHistory(clock, max_size)
    everything, known, place = [], None, None
    for step in [*steps, "poll", "poll"]:
        clock.advance(0.001)
        if step != "poll":
            new = [len(everything) + i for i in range(step)]
            everything += new
            history.add(new)
        elif place is None:
            place, known = history.last_counter, list(everything)
        else:
            found = history.since(place)
            if found is None:
                assert known == everything
            elif found.reset_counter:
                assert len(everything) - len(known) > max_size
                place = None
            else:
                known += found.requests
                place = found.counter
                assert known == everything


def test_a_counter_of_another_history_is_refused():
    clock = ManualClock()
    history = ChangeRequestHistory(clock)
    history.add(["a"])
    clock.advance(1)
    history.add(["b"])
    last = f"Counter{{counter=2, hash={clock.now()}}}"
    assert (
        history.since(Counter(2, 1)).reset_cause
        == f"counter[Counter{{counter=2, hash=1}}] failed to match with [{last}]"
    )
    assert "failed to match" in history.since(Counter(1, 12345)).reset_cause
    assert "failed to match" in history.since(Counter(0, 12345)).reset_cause
    assert history.since(Counter(0, 1_577_836_800_000)).requests == ["a", "b"]
    assert history.since(Counter(7, 1)).reset_cause == f"counter[Counter{{counter=7, hash=1}}] > last counter[{last}]"


def test_who_waits_is_woken_by_a_change_from_another_thread():
    history = ChangeRequestHistory(ManualClock())

    async def wait():
        task = asyncio.create_task(history.wait_since(history.last_counter, 30))
        await asyncio.sleep(0)
        threading.Thread(target=history.add, args=(["a"],)).start()
        return await task

    assert asyncio.run(wait()).requests == ["a"]


def test_waiting_ends_at_its_time():
    history = ChangeRequestHistory(ManualClock())
    assert asyncio.run(history.wait_since(history.last_counter, 0.01)) is None
    assert history._waiters == []


class ScriptedClient:
    """Gives prepared answers in order, then waits until the test is over."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.urls = []
        self.drained = threading.Event()

    def request(self, method, url, **_):
        self.urls.append(url.split("?")[1].split("&timeout")[0])
        if not self.answers:
            self.drained.set()
            threading.Event().wait(0.01)
            return HttpResponse(204, {}, url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return HttpResponse(answer[0], {}, url, Json().dumps(answer[1]) if len(answer) > 1 else b"")


class Recorder:
    def __init__(self, fail_at=None):
        self.heard = []
        self.fail_at = fail_at

    def full_sync(self, changes):
        self.heard.append(("full", list(changes)))
        if len(self.heard) == self.fail_at:
            raise ValueError("listener")

    def delta_sync(self, changes):
        self.heard.append(("delta", list(changes)))
        if len(self.heard) == self.fail_at:
            raise ValueError("listener")


def answer(counter, requests):
    place = {"counter": counter, "hash": counter * 10}
    return 200, {"resetCounter": False, "resetCause": None, "counter": place, "requests": requests}


RESET = (200, {"resetCounter": True, "resetCause": "why", "counter": None, "requests": None})


def follow(client, listener):
    clock = ManualClock()
    syncer = ChangeRequestHttpSyncer(
        client, Json(), clock, base_url="http://x", path="/p", change_type=str, listener=listener
    )
    syncer.start()
    while not client.drained.wait(0.01):
        clock.advance(60)
    syncer.stop()
    assert syncer.is_synced
    return syncer


def test_the_syncer_begins_with_everything_and_follows_the_counter():
    client, listener = ScriptedClient(answer(2, ["a", "b"]), (204,), answer(3, ["c"])), Recorder()
    syncer = follow(client, listener)
    assert listener.heard == [("full", ["a", "b"]), ("delta", ["c"])]
    assert client.urls[:4] == ["counter=-1", "counter=2&hash=20", "counter=2&hash=20", "counter=3&hash=30"]
    assert syncer.wait_until_first_sync(0)


def test_it_starts_over_when_told():
    client, listener = ScriptedClient(answer(1, ["a"]), RESET, answer(5, ["b"])), Recorder()
    follow(client, listener)
    assert listener.heard == [("full", ["a"]), ("full", ["b"])]


def test_a_broken_connection_costs_nothing_known():
    client = ScriptedClient(answer(1, ["a"]), HttpClientError("gone"), answer(2, ["b"]))
    listener = Recorder()
    follow(client, listener)
    assert listener.heard == [("full", ["a"]), ("delta", ["b"])]


def test_an_error_answer_or_a_failing_listener_makes_it_start_over():
    client = ScriptedClient(answer(1, ["a"]), (500,), answer(1, ["a"]), answer(2, ["b"]), answer(2, ["a", "b"]))
    listener = Recorder(fail_at=3)
    follow(client, listener)
    assert listener.heard == [("full", ["a"]), ("full", ["a"]), ("delta", ["b"]), ("full", ["a", "b"])]


class Emitter:
    def __init__(self):
        self.alerts = []

    def alert(self, message, data=None, exception=None):
        self.alerts.append((message, data, str(exception)))


class SteppingClock(ManualClock):
    """Every wait is over at once, and the time has passed; after so many of them it waits for real."""

    def __init__(self, waits):
        super().__init__()
        self.left = waits
        self.waited = []
        self.done = threading.Event()

    def wait(self, event, timeout_s):
        self.waited.append(timeout_s)
        if len(self.waited) >= self.left:
            self.done.set()
            return event.wait(10)
        self.advance(timeout_s)
        return event.is_set()


class FailingClient:
    """Fails so many times, then has nothing to tell."""

    def __init__(self, failures, then=()):
        self.failures = failures
        self.then = list(then)

    def request(self, method, url, **_):
        self.failures -= 1
        if self.failures >= 0:
            raise HttpClientError("refused")
        status, body = self.then.pop(0) if self.then else (503, None)
        return HttpResponse(status, {}, url, Json().dumps(body) if body else b"")


def followed(client, clock, **options):
    syncer = ChangeRequestHttpSyncer(
        client, Json(), clock, base_url="http://x", path="/p", change_type=str, listener=Recorder(), **options
    )
    syncer.start()
    assert clock.done.wait(10)
    syncer.stop()
    return syncer


def test_failures_are_counted_and_retried_at_growing_distance_up_to_two_minutes(monkeypatch):
    monkeypatch.setattr("random.Random.random", lambda self: 0.5)  # no jitter
    clock = SteppingClock(14)
    syncer = followed(FailingClient(100), clock)
    assert clock.waited[:4] == [0.2, 0.4, 0.8, 1.6]
    assert clock.waited[-3:] == [120, 120, 120]
    assert syncer.debug_info()["consecutiveFailedAttemptCount"] == 14
    assert syncer.unstable_s == pytest.approx(sum(clock.waited[:-1]))
    assert not syncer.is_synced
    assert not syncer.is_initialized


def test_a_server_that_fails_for_long_is_an_alert():
    emitter, clock = Emitter(), SteppingClock(12)
    followed(FailingClient(100), clock, emitter=emitter, alert_after_s=60)
    message, data, exception = emitter.alerts[0]
    assert "Sync with http://x failed" in message
    assert (data, exception) == ({"server": "http://x"}, "refused")
    assert 0 < len(emitter.alerts) < 12


def test_a_success_forgets_the_failures():
    clock = SteppingClock(4)
    syncer = followed(FailingClient(3, [answer(1, ["a"])]), clock)
    assert syncer.debug_info()["consecutiveFailedAttemptCount"] == 1  # the one after the success
    assert syncer.is_initialized
    assert clock.waited[3] < clock.waited[2] + 0.5


def test_a_view_is_good_only_as_long_as_the_server_was_heard_of():
    client, listener = ScriptedClient(answer(1, ["a"])), Recorder()
    syncer = follow(client, listener)
    syncer._clock.advance(3 * 65 - 1)
    assert syncer.is_synced
    syncer._clock.advance(2)
    assert not syncer.is_synced


@pytest.mark.parametrize("nonsense", [(204, None), RESET])
def test_a_server_that_has_nothing_for_who_knows_nothing_is_retried_with_pauses(nonsense):
    clock = SteppingClock(3)
    syncer = followed(FailingClient(0, [nonsense] * 3), clock)
    assert len(clock.waited) == 3
    assert not syncer.is_synced
