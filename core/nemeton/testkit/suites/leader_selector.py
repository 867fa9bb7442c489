"""What every kind of leader selection must do."""

from __future__ import annotations

import abc
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from attrs import define, field

from nemeton.spi.discovery import DruidLeaderSelector, LeaderListener
from nemeton.testkit.waiting import PATIENCE_S, eventually


class Quick(random.Random):
    """Randomness for which the pause of 1 to 5 seconds is a moment; `asked` holds the bounds that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        """Hardly any pause."""
        self.asked.append((a, b))
        return 0.01


@define(eq=False)
class RecordingListener(LeaderListener):
    """Remembers what it was told; may fail, and may hang until `release` is set."""

    failures: int = 0
    hang: bool = False
    calls: list[str] = field(factory=list)
    threads: set[int] = field(factory=set)
    entered: threading.Event = field(factory=threading.Event)
    release: threading.Event = field(factory=threading.Event)
    on_become: Callable[[], None] | None = None

    def become_leader(self) -> None:
        """Take it."""
        self.threads.add(threading.get_ident())
        self.calls.append("become")
        self.entered.set()
        if self.on_become is not None:
            self.on_become()
        if self.hang:
            self.release.wait(PATIENCE_S)
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("cannot lead")

    def stop_being_leader(self) -> None:
        """Give it back."""
        self.threads.add(threading.get_ident())
        self.calls.append("stop")


class LeaderSelectorSuite(abc.ABC):
    """Subclass it as ``TestMySelector`` and implement `make_selector` and `revoke`.

    Pauses after a loss or a failure should be short in tests: give your selector `Quick` as its randomness.
    """

    @abc.abstractmethod
    def make_selector(self, participant: str) -> DruidLeaderSelector:
        """A new participant in one election, the same for all calls of one test."""

    @abc.abstractmethod
    def revoke(self, leader: DruidLeaderSelector) -> None:
        """Take the leadership away from outside: end the session, let the lease lapse."""

    @pytest.fixture
    def join(self) -> Iterator[Callable[..., tuple[DruidLeaderSelector, RecordingListener]]]:
        """Make a participant that has entered the election; all leave at the end."""
        joined: list[tuple[DruidLeaderSelector, RecordingListener]] = []

        def join(
            participant: str, listener: RecordingListener | None = None
        ) -> tuple[DruidLeaderSelector, RecordingListener]:
            selector = self.make_selector(participant)
            listener = listener or RecordingListener()
            joined.append((selector, listener))
            selector.register_listener(listener)
            return selector, listener

        yield join
        for selector, listener in joined:
            listener.release.set()
            try:
                selector.unregister_listener()
            except ValueError:
                continue

    def test_the_only_candidate_leads(self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]) -> None:
        """Before: nobody leads. After: it does, in its first term."""
        assert self.make_selector("http://a:1").get_current_leader() is None
        selector, listener = join("http://a:1")
        eventually(lambda: listener.calls == ["become"], "becoming leader")
        eventually(selector.is_leader, "is_leader")
        assert selector.local_term() == 1
        assert selector.get_current_leader() == "http://a:1"

    def test_it_leads_already_when_the_listener_is_told(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Leader first, then the term, then the listener."""
        selector = self.make_selector("http://a:1")
        seen: list[tuple[bool, int]] = []
        listener = RecordingListener(on_become=lambda: seen.append((selector.is_leader(), selector.local_term())))
        try:
            selector.register_listener(listener)
            eventually(lambda: bool(seen), "becoming leader")
        finally:
            selector.unregister_listener()
        assert seen == [(True, 1)]

    def test_only_one_of_two_leads(self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]) -> None:
        """The other knows who does, and takes over when the leader leaves."""
        first, first_heard = join("http://a:1")
        eventually(first.is_leader, "the first leads")
        second, second_heard = join("http://b:2")
        eventually(lambda: second.get_current_leader() == "http://a:1", "the second knows the first")
        assert not second.is_leader()
        assert second_heard.calls == []
        first.unregister_listener()
        eventually(second.is_leader, "the second takes over")
        assert not first.is_leader()
        assert second.get_current_leader() == "http://b:2"
        assert first_heard.calls == ["become"]

    def test_whoever_does_not_take_part_knows_the_leader(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Without a listener, and through all changes; nobody leads when all have left."""
        observer = self.make_selector("http://observer:9")
        assert observer.get_current_leader() is None
        first, _ = join("http://a:1")
        eventually(lambda: observer.get_current_leader() == "http://a:1", "knowing the first")
        join("http://b:2")
        first.unregister_listener()
        eventually(lambda: observer.get_current_leader() == "http://b:2", "knowing the second")
        assert not observer.is_leader()
        assert observer.local_term() == 0

    def test_a_candidate_that_leaves_before_its_turn_is_passed_over(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Nobody waits for it."""
        first, _ = join("http://a:1")
        eventually(first.is_leader, "the first leads")
        second, second_heard = join("http://b:2")
        third, third_heard = join("http://c:3")
        second.unregister_listener()
        first.unregister_listener()
        eventually(third.is_leader, "the third leads")
        assert second_heard.calls == []
        assert third_heard.calls == ["become"]

    def test_a_leader_that_loses_stops_and_runs_again(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Alone, it leads again in a new term."""
        selector, listener = join("http://a:1")
        eventually(selector.is_leader, "leading")
        self.revoke(selector)
        eventually(lambda: listener.calls == ["become", "stop", "become"], "losing and leading again")
        eventually(selector.is_leader, "leading again")
        assert selector.local_term() == 2

    def test_the_other_takes_over_from_one_that_loses(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Never both."""
        first, first_heard = join("http://a:1")
        eventually(first.is_leader, "the first leads")
        second, _ = join("http://b:2")
        self.revoke(first)
        eventually(second.is_leader, "the second takes over")
        eventually(lambda: first_heard.calls == ["become", "stop"], "the first stops")
        assert not first.is_leader()

    def test_a_listener_that_fails_gives_the_leadership_up(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """It tries again after a pause, and is not told to stop what it did not begin."""
        selector, listener = join("http://a:1", RecordingListener(failures=2))
        eventually(lambda: listener.calls == ["become"] * 3, "trying until it can")
        eventually(selector.is_leader, "leading in the end")
        assert selector.local_term() == 3

    def test_one_that_fails_lets_the_other_lead(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """A participant that cannot lead stands in nobody's way."""
        failing, _ = join("http://a:1", RecordingListener(failures=10**9))
        able, _ = join("http://b:2")
        eventually(able.is_leader, "the able one leads")
        eventually(lambda: not failing.is_leader(), "the failing one does not")

    def test_a_frozen_leader_is_replaced(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """One that hangs while it loses leads no more, even before it notices; thawed, it is told to stop."""
        frozen, heard = join("http://a:1", RecordingListener(hang=True))
        assert heard.entered.wait(PATIENCE_S)
        other, _ = join("http://b:2")
        self.revoke(frozen)
        eventually(other.is_leader, "the other leads")
        assert not frozen.is_leader()
        assert heard.calls == ["become"]
        heard.release.set()
        eventually(lambda: heard.calls == ["become", "stop"], "the thawed one stops")
        assert other.is_leader()

    def test_calls_come_one_at_a_time_on_one_thread(
        self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]
    ) -> None:
        """Not on the caller's."""
        selector, listener = join("http://a:1")
        eventually(selector.is_leader, "leading")
        self.revoke(selector)
        eventually(lambda: len(listener.calls) == 3, "losing and leading again")
        assert len(listener.threads) == 1
        assert threading.get_ident() not in listener.threads

    def test_leaving_ends_every_call(self, join: Callable[..., tuple[DruidLeaderSelector, RecordingListener]]) -> None:
        """A leader that has left is told nothing, whatever becomes of the election; its owner stops it."""
        first, heard = join("http://a:1")
        eventually(first.is_leader, "leading")
        first.unregister_listener()
        assert not first.is_leader()
        second, _ = join("http://b:2")
        eventually(second.is_leader, "the second leads")
        self.revoke(second)
        eventually(lambda: second.local_term() == 2, "the second leads again")
        assert heard.calls == ["become"]

    def test_registering_twice_or_leaving_too_often_is_an_error(self) -> None:
        """And leaving without having entered."""
        selector = self.make_selector("http://a:1")
        with pytest.raises(ValueError, match="listener"):
            selector.unregister_listener()
        selector.register_listener(RecordingListener())
        with pytest.raises(ValueError, match="listener"):
            selector.register_listener(RecordingListener())
        selector.unregister_listener()
        with pytest.raises(ValueError, match="listener"):
            selector.unregister_listener()
