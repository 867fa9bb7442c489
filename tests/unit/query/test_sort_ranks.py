"""Java's order of texts: by UTF-16 code units, null first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemeton.query.vectors import Dictionary, sort_ranks

letters = st.one_of(st.characters(max_codepoint=127), st.sampled_from("\0 ~éÿ\ud7ff\uffee\U0001f600"))
texts = st.text(letters, max_size=40)


def java(value):
    return value is not None, b"" if value is None else value.encode("utf-16-be", "surrogatepass")


@given(st.lists(st.one_of(st.none(), texts), unique=True, max_size=30))
def test_ranks_are_places_in_javas_order(values):
    ranks = sort_ranks(Dictionary(values, len(values)))
    assert [value for _, value in sorted(zip(ranks.tolist(), values, strict=True))] == sorted(values, key=java)


@given(st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=33), unique=True, max_size=200))
def test_ascii_of_any_length(values):
    ranks = sort_ranks(Dictionary(values, len(values)))
    assert [value for _, value in sorted(zip(ranks.tolist(), values, strict=True))] == sorted(values)
