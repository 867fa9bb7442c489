"""Many strings put in order at once, against Python's own sort."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.ingest.index.dictionaries import EncodedStrings, encode, encode_sorted, union
from nemeton.segment.string_order import distinct_in_order

#: Alike for longer than a few words, with zeros at the end, and where Java's order is not that of the bytes.
PARTS = st.sampled_from(
    ["", "a", "ab", "\0", "\0\0", "carefully final ", "x" * 8, "y" * 70, "é", "\U0001f600", "\uffee"]
)
TEXTS = st.lists(PARTS, max_size=4).map("".join) | st.text(max_size=12)


def java_key(text: str | None) -> tuple[bool, bytes]:
    return (text is not None, b"" if text is None else text.encode("utf-16-be", "surrogatepass"))


def check(strings: EncodedStrings, values: list[str | None]) -> None:
    dictionary = strings.dictionary.to_pylist()
    assert dictionary == sorted(set(values), key=java_key)
    assert [dictionary[code] for code in strings.codes] == values


@given(st.lists(TEXTS, max_size=60))
def test_distinct_values_are_in_javas_order(values: list[str]) -> None:
    dictionary, codes = distinct_in_order(pa.array(values, pa.large_string()))
    check(EncodedStrings(dictionary, codes), [*values])


@given(st.lists(st.none() | TEXTS, max_size=60), st.integers(0, 5))
def test_null_is_first_and_slices_are_taken_as_they_are(values: list[str | None], skipped: int) -> None:
    strings = encode_sorted(pa.array(values, pa.large_string())[skipped:])
    check(strings, values[skipped:])


def test_long_strings_that_begin_alike_are_ordered() -> None:
    values: list[str | None] = [f"{'https://example.com/' * 10}{i % 700:09d}" for i in range(1000, 0, -1)]
    check(encode_sorted(pa.array(values, pa.large_string())), values)


@pytest.mark.parametrize("nulls", [False, True])
def test_large_parts_of_different_values_have_one_dictionary(nulls: bool) -> None:
    parts = [[f"{i * 7919 % 200_003:06d} of part" for i in range(start, start + 110_000)] for start in (0, 60_000)]
    given = [[None if nulls and i % 1000 == 0 else value for i, value in enumerate(part)] for part in parts]
    encoded = [encode(pl.Series(part, dtype=pl.String)) for part in given]
    assert all(part.is_sorted for part in encoded)
    check(union(encoded), [value for part in given for value in part])
