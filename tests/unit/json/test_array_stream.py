"""Arrays of JSON read while they arrive."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.json.array_stream import array_members
from nemeton.json.errors import JsonError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.sampled_from(['"', "\\", '\\"', "[{", "},"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(VALUES, max_size=6), st.lists(st.integers(0, 10_000), max_size=8), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_members_are_what_was_written_wherever_the_text_is_cut(values, places, pretty, escaped):
    text = json.dumps(values, indent=1 if pretty else None, ensure_ascii=escaped)
    data = text.encode("utf-8", "surrogatepass" if escaped else "replace")
    if escaped:  # lone surrogates are not for a strict reader
        values = json.loads(data)
    assert list(array_members(cut(data, places))) == json.loads(data)


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 10_000))
@settings(max_examples=60, deadline=None)
def test_what_ends_too_soon_is_told(values, place):
    data = json.dumps(values).encode()
    with pytest.raises(JsonError):
        list(array_members([data[: place % len(data)]]))


@pytest.mark.parametrize("text", [b"", b" ", b"{}", b'{"error": 1}', b"[1, x]", b"1"])
def test_what_is_no_array_is_told(text):
    with pytest.raises(JsonError):
        list(array_members([text]))


def test_members_come_when_they_are_there():
    read = []

    def chunks():
        for chunk in (b'[{"a": 1},', b'{"a": [2', b", 3]}", b"]"):
            read.append(chunk)
            yield chunk

    members = array_members(chunks())
    assert next(members) == {"a": 1}
    assert len(read) == 1
    assert next(members) == {"a": [2, 3]}
    assert len(read) == 4
