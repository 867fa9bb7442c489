"""Blocks of bytes in the body of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import QueryException
from nemeton.dataserver.blocks import blocks_of, framed

BLOCKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(BLOCKS, st.integers(1, 50))
def test_blocks_come_back_in_whatever_pieces_they_arrive(blocks, size):
    body = b"".join(framed(blocks))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert list(blocks_of(pieces)) == blocks


@given(BLOCKS, st.data())
def test_a_body_that_ends_early_is_told(blocks, data):
    body = b"".join(framed(blocks))
    with pytest.raises(QueryException, match="broke off"):
        list(blocks_of([body[: data.draw(st.integers(0, len(body) - 1))]]))


def test_a_body_that_is_something_else_is_told():
    with pytest.raises(QueryException, match="no blocks"):
        list(blocks_of([b"\xff<html>"]))
