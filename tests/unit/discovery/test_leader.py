"""What the selector makes of its latch's calls (behaviours 5.1 to 5.10)."""

from __future__ import annotations

import logging

import pytest
from tests.unit.recording_emitter import RecordingEmitter

from nemeton.discovery.leader import LatchLeaderSelector, LeaderLatch
from nemeton.testkit.suites.leader_selector import Quick, RecordingListener, eventually


class FakeLatch(LeaderLatch):
    made: list[FakeLatch]

    def __init__(self, made, fail_start=False):
        made.append(self)
        self.leads = False
        self.started = self.closed = False
        self.fail_start = fail_start

    def start(self, gained, lost):
        if self.fail_start:
            raise OSError("no connection")
        self.started = True
        self._gained, self._lost = gained, lost

    def close(self):
        self.closed = True

    def has_leadership(self):
        return self.leads

    def leader_id(self):
        return "http://a:1" if self.leads else None

    def gain(self):
        self.leads = True
        self._gained()

    def lose(self):
        self.leads = False
        self._lost()


class Setting:
    def __init__(self, **latch):
        self.latches = []
        self.alerts = RecordingEmitter()
        self.randomness = Quick()
        self.listener = RecordingListener()
        self.failing_starts = latch.get("failing_from", 10**9)
        self.selector = LatchLeaderSelector(
            "overlord",
            lambda: FakeLatch(self.latches, len(self.latches) >= self.failing_starts),
            emitter=self.alerts,
            randomness=self.randomness,
        )


@pytest.fixture
def make():
    settings = []

    def make(**latch):
        setting = Setting(**latch)
        settings.append(setting)
        return setting

    yield make
    for setting in settings:
        try:
            setting.selector.unregister_listener()
        except ValueError:
            continue


def test_a_latch_is_there_before_the_registration(make):
    setting = make()
    assert len(setting.latches) == 1
    assert not setting.latches[0].started
    setting.latches[0].leads = True
    assert setting.selector.get_current_leader() == "http://a:1"
    assert not setting.selector.is_leader()


def test_a_missing_listener(make):
    with pytest.raises(ValueError, match="needs a listener"):
        make().selector.register_listener(None)


def test_gaining_twice_and_losing_twice_are_warned_of(make, caplog):
    setting = make()
    setting.selector.register_listener(setting.listener)
    latch = setting.latches[0]
    with caplog.at_level(logging.WARNING):
        latch.gain()
        latch.gain()
        eventually(lambda: "is leader already" in caplog.text, "the warning")
    assert setting.selector.local_term() == 1
    assert setting.listener.calls == ["become"]
    latch.lose()
    eventually(lambda: setting.listener.calls == ["become", "stop"], "stopping")
    eventually(lambda: len(setting.latches) == 2 and setting.latches[1].started, "a new candidacy")
    with caplog.at_level(logging.WARNING):
        setting.latches[1].lose()
        eventually(lambda: "is not leader" in caplog.text, "the warning")
    assert setting.listener.calls == ["become", "stop"]


def test_the_pause_is_one_to_five_seconds(make):
    setting = make()
    setting.listener.failures = 1
    setting.selector.register_listener(setting.listener)
    setting.latches[0].gain()
    eventually(lambda: len(setting.latches) == 2 and setting.latches[1].started, "a new candidacy")
    assert setting.latches[0].closed
    assert setting.randomness.asked == [(1.0, 5.0)]
    assert setting.alerts.messages == ["[overlord]: becoming leader failed"]
    assert not setting.selector.is_leader()


def test_a_listener_that_fails_to_stop_is_only_an_alert(make):
    setting = make()
    setting.listener.stop_being_leader = lambda: 1 / 0
    setting.selector.register_listener(setting.listener)
    setting.latches[0].gain()
    eventually(setting.selector.is_leader, "leading")
    setting.latches[0].lose()
    eventually(lambda: len(setting.latches) == 2 and setting.latches[1].started, "a new candidacy")
    assert setting.alerts.messages == ["[overlord]: stopping to be leader failed"]


def test_a_candidacy_that_cannot_begin_anew_is_a_zombie(make):
    setting = make(failing_from=1)
    setting.selector.register_listener(setting.listener)
    setting.latches[0].gain()
    eventually(setting.selector.is_leader, "leading")
    setting.latches[0].lose()
    eventually(lambda: setting.alerts.messages == ["[overlord]: I am a zombie"], "the alert")


def test_leaving_closes_the_latch_without_a_call(make):
    setting = make()
    setting.selector.register_listener(setting.listener)
    setting.latches[0].gain()
    eventually(setting.selector.is_leader, "leading")
    setting.selector.unregister_listener()
    assert setting.latches[0].closed
    assert not setting.selector.is_leader()
    setting.latches[0].lose()
    assert setting.listener.calls == ["become"]
