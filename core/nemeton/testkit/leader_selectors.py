"""What every kind of leader selection owes the services that elect their leader by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from nemeton.spi.discovery import DruidLeaderSelector, LeaderListener
from nemeton.testkit.waiting import eventually, never

MakeSelector = Callable[[int], DruidLeaderSelector]


class Candidate(LeaderListener):
    """A participant: counts how often it was told to lead and to stop."""

    def __init__(self, selector: DruidLeaderSelector) -> None:
        """Not in the election yet."""
        self.selector = selector
        self.became = 0
        self.stopped = 0
        self.fails = False
        self.may_finish = threading.Event()
        self.may_finish.set()

    def enter(self) -> Candidate:
        """Enter the election."""
        self.selector.register_listener(self)
        return self

    def become_leader(self) -> None:
        """Count, and fail or hang as the test wants."""
        self.became += 1
        self.may_finish.wait(30)
        if self.fails:
            raise RuntimeError("cannot lead, for the test")

    def stop_being_leader(self) -> None:
        """Count."""
        self.stopped += 1

    @property
    def leads(self) -> bool:
        """Whether it is leader and has been told so."""
        return self.selector.is_leader() and self.became > self.stopped


class LeaderSelectorSuite:
    """Subclass it, and override the fixture `make_selector`, and `depose` where leadership can be taken away."""

    @pytest.fixture
    def make_selector(self) -> MakeSelector:
        """A function that makes a selector for participant number n in one election; its node has a URL of its own."""
        raise NotImplementedError("override the fixture `make_selector`")

    @pytest.fixture
    def depose(self) -> Callable[[], None] | None:
        """A function that takes the leadership from who has it, as when its lease or session lapses; None: cannot."""
        return None

    @pytest.fixture
    def enter(self, make_selector: MakeSelector) -> Iterator[Callable[[], Candidate]]:
        """A function that adds a participant to the election; all leave at the end."""
        made: list[Candidate] = []

        def add() -> Candidate:
            made.append(Candidate(make_selector(len(made))))
            return made[-1].enter()

        yield add
        for candidate in made:
            candidate.may_finish.set()
            try:
                candidate.selector.unregister_listener()
            except ValueError:
                continue

    def test_who_is_alone_leads(self, enter: Callable[[], Candidate]) -> None:
        """In its first term, under its own id."""
        one = enter()
        eventually(lambda: one.leads, "the only participant leads")
        assert one.became == 1
        assert one.selector.local_term() == 1
        assert one.selector.get_current_leader()

    def test_before_the_election_nobody_leads(self, make_selector: MakeSelector) -> None:
        """Asking is allowed before registering."""
        selector = make_selector(0)
        assert not selector.is_leader()
        assert selector.get_current_leader() is None
        assert selector.local_term() == 0

    def test_of_two_one_leads_and_both_know_who(self, enter: Callable[[], Candidate]) -> None:
        """The other waits."""
        one = enter()
        eventually(lambda: one.leads, "the first leads")
        two = enter()
        never(lambda: two.leads, "two lead at a time")
        eventually(lambda: two.selector.get_current_leader() is not None, "the second knows who leads")
        assert two.selector.get_current_leader() == one.selector.get_current_leader()

    def test_when_the_leader_leaves_the_next_leads(self, enter: Callable[[], Candidate]) -> None:
        """And has another id."""
        one = enter()
        eventually(lambda: one.leads, "the first leads")
        former = one.selector.get_current_leader()
        two = enter()
        one.selector.unregister_listener()
        eventually(lambda: two.leads, "the second leads")
        assert not one.selector.is_leader()
        assert two.selector.get_current_leader() not in (None, former)

    def test_who_fails_to_lead_lets_others(self, enter: Callable[[], Candidate]) -> None:
        """An exception in `become_leader` gives the leadership up."""
        one = enter()
        eventually(lambda: one.leads, "the first leads")
        two = enter()
        two.fails = True
        three = enter()
        one.selector.unregister_listener()
        eventually(lambda: three.leads, "the third leads, after the second has failed or without it")
        assert not two.leads or two.fails

    def test_a_deposed_leader_is_told_and_others_lead(
        self, enter: Callable[[], Candidate], depose: Callable[[], None] | None
    ) -> None:
        """Once per leadership."""
        if depose is None:
            return  # this kind cannot take leadership away
        one = enter()
        eventually(lambda: one.leads, "the first leads")
        two = enter()
        depose()
        eventually(lambda: two.leads, "the second leads")
        eventually(lambda: one.stopped == 1, "the first is told to stop")
        assert not one.selector.is_leader()

    def test_a_frozen_leader_is_none(self, enter: Callable[[], Candidate], depose: Callable[[], None] | None) -> None:
        """Whoever hangs while its lease lapses does not count as leader, even though nothing could tell it yet."""
        if depose is None:
            return  # this kind cannot take leadership away
        one = enter()
        one.may_finish.clear()
        eventually(lambda: one.became == 1, "the first is told to lead")
        two = enter()
        depose()
        eventually(lambda: two.leads, "the second leads while the first hangs")
        assert not one.selector.is_leader()
        one.may_finish.set()
        eventually(lambda: one.stopped == 1, "the first is told to stop once it listens again")
        assert two.leads

    def test_registering_is_once(self, enter: Callable[[], Candidate]) -> None:
        """A second registration is an error."""
        one = enter()
        with pytest.raises(ValueError, match=r"."):
            one.selector.register_listener(one)

    def test_leaving_needs_having_entered(self, make_selector: MakeSelector) -> None:
        """And is once."""
        with pytest.raises(ValueError, match=r"."):
            make_selector(0).unregister_listener()
