"""The first pieces of a streamed answer are taken where it was made: small answers are then whole."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from nemeton.http import sending
from nemeton.http.sending import begun
from nemeton.spi.http import Response, StreamingResponse


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands: how busy the machine is does not tell how much is taken at once."""
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(sending, "time", clock)
    return clock


class Pieces:
    """An iterator that counts what was taken, and says when it was closed."""

    def __init__(self, pieces):
        self.left = iter(pieces)
        self.taken = 0
        self.closed = False

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.left)
        self.taken += 1
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self.closed = True


def test_a_small_answer_is_whole():
    pieces = Pieces([b"one,", b"", b"two"])
    found = begun(StreamingResponse(pieces, status=203, headers={"X-A": "b"}, media_type="text/csv"))
    assert isinstance(found, Response)
    assert (found.body, found.status, found.headers, found.media_type) == (b"one,two", 203, {"X-A": "b"}, "text/csv")
    assert pieces.closed


def test_an_answer_without_pieces_is_empty():
    found = begun(StreamingResponse(iter(())))
    assert isinstance(found, Response)
    assert found.body == b""


def test_a_large_answer_is_only_begun_and_comes_in_order():
    pieces = Pieces(bytes([number % 256]) * 10_000 for number in range(100))
    found = begun(StreamingResponse(pieces, status=203, headers={"X-A": "b"}))
    assert isinstance(found, StreamingResponse)
    assert (found.status, found.headers) == (203, {"X-A": "b"})
    assert 0 < pieces.taken < 50
    assert not pieces.closed
    assert b"".join(found.iterator) == b"".join(bytes([number % 256]) * 10_000 for number in range(100))
    assert pieces.closed


def test_a_slow_answer_is_not_waited_for(clock):
    """Some time passes with each piece: the client gets the first at once."""
    looks = itertools.count()
    clock.monotonic = lambda: next(looks) * 0.04
    pieces = Pieces([b"a", b"b", b"c", b"d"])
    found = begun(StreamingResponse(pieces))
    assert isinstance(found, StreamingResponse)
    assert pieces.taken < 4
    assert b"".join(found.iterator) == b"abcd"


@pytest.mark.parametrize("read", [0, 1, 2])
def test_an_answer_that_is_given_up_closes_its_source(read):
    pieces = Pieces(b"x" * 300_000 for _ in range(9))
    found = begun(StreamingResponse(pieces))
    iterator = iter(found.iterator)
    for _ in range(read):
        next(iterator)
    for each in (iterator, found.iterator):  # as the sender does
        if hasattr(each, "close"):
            each.close()
    assert pieces.closed


def test_a_failure_before_the_first_piece_can_still_be_told():
    pieces = Pieces([b"one", ValueError("no more")])
    with pytest.raises(ValueError, match="no more"):
        begun(StreamingResponse(pieces))
    assert pieces.closed


def test_a_failure_later_comes_where_it_comes():
    pieces = Pieces([b"x" * 300_000, ValueError("no more")])
    found = begun(StreamingResponse(pieces))
    iterator = iter(found.iterator)
    assert next(iterator) == b"x" * 300_000
    with pytest.raises(ValueError, match="no more"):
        next(iterator)
    assert pieces.closed


async def _later():
    yield b"x"


def test_answers_that_must_flow_are_left_alone():
    """A log that is followed, and what the event loop itself makes."""
    pieces = Pieces([b"x"])
    for response in (StreamingResponse(pieces, compress=False), StreamingResponse(_later())):
        assert begun(response) is response
    assert pieces.taken == 0
