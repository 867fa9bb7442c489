"""Dictionaries of several segments made one: few values and many, with nulls and with what UTF-8 cannot hold."""

from __future__ import annotations

import pytest

from nemeton.query.vectors import Dictionary, merge_dictionaries

MANY = [f"key {i}" for i in range(15_000)]


def check(lists: list[list[str | None]]) -> None:
    merged, places = merge_dictionaries([Dictionary(values, len(values)) for values in lists])
    values = merged.values.tolist()
    assert len(set(values)) == len(values) == merged.size
    assert [[values[place] for place in each] for each in places] == lists


@pytest.mark.parametrize("odd", [[], [None, "", "\0", "é", "\U0001f600"], [None, "\ud800", "\udc00x"]])
def test_each_value_has_one_code(odd: list[str | None]) -> None:
    check([[*odd, "a", "b"], ["b", "c"], ["x", *odd]])
    check([[*odd, *MANY[:9_000]], [*MANY[6_000:], *odd], ["key 1", "z"]])


def test_an_empty_dictionary_has_no_part() -> None:
    check([[*MANY], [], [*MANY[::-1], "more"]])
