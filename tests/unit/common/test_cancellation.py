"""The event that calls who waits for something else."""

from __future__ import annotations

from nemeton.common.cancellation import CancelSignal


def test_it_is_an_event():
    signal = CancelSignal()
    assert not signal.is_set()
    assert not signal.wait(0)
    signal.set()
    assert signal.is_set()
    assert signal.wait(0)


def test_who_asked_for_it_is_called_while_it_cares():
    signal, called = CancelSignal(), []
    with signal.calling(lambda: called.append("gone")):
        pass
    with signal.calling(lambda: called.append("one")), signal.calling(lambda: called.append("two")):
        signal.set()
    assert called == ["one", "two"]


def test_who_comes_later_is_called_at_once():
    signal, called = CancelSignal(), []
    signal.set()
    with signal.calling(lambda: called.append("late")):
        assert called == ["late"]
