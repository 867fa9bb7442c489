"""The order of rows, against Python's own sort."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from nemeton.ingest.index.columns import NumberColumn, StringColumn, join_strings
from nemeton.ingest.index.dictionaries import encode, only_used
from nemeton.ingest.index.sorting import sort_rows

LONGS = st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1) | st.integers(0, 3)
TEXTS = st.none() | st.text(max_size=3) | st.sampled_from(["\U0001f600", "\uffee", ""])
ROWS = st.lists(st.tuples(st.integers(0, 3), LONGS, TEXTS), max_size=40)


def java_key(text: str | None) -> tuple[bool, bytes]:
    return (text is not None, b"" if text is None else text.encode("utf-16-be", "surrogatepass"))


def number_column(values: list[int | None]) -> NumberColumn:
    nulls = np.array([v is None for v in values], dtype=bool)
    return NumberColumn("LONG", np.array([v or 0 for v in values], dtype=np.int64), nulls if nulls.any() else None)


def text_column(values: list[str | None]) -> StringColumn:
    column = join_strings([StringColumn(only_used(encode(pl.Series(values, dtype=pl.String))))])
    assert isinstance(column, StringColumn)
    return column


@given(ROWS)
def test_rows_are_sorted_by_time_then_dimensions(rows: list[tuple[int, int | None, str | None]]) -> None:
    columns = [number_column([r[1] for r in rows]), text_column([r[2] for r in rows])]
    times = np.array([r[0] for r in rows], dtype=np.int64)
    order = sort_rows(times, (key for column in columns for key in column.sort_keys()))
    expected = sorted(
        range(len(rows)), key=lambda i: (rows[i][0], rows[i][1] is not None, rows[i][1] or 0, java_key(rows[i][2]))
    )
    assert order.rows.tolist() == expected
    ordered = [rows[i] for i in expected]
    assert order.starts.tolist() == [i == 0 or ordered[i] != ordered[i - 1] for i in range(len(rows))]


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=30), min_size=1, max_size=4))
def test_parts_are_joined_under_one_sorted_dictionary(parts: list[list[str | None]]) -> None:
    columns = [StringColumn(only_used(encode(pl.Series(part, dtype=pl.String)))) for part in parts]
    joined = join_strings(list(columns)).strings
    values = joined.dictionary.to_pylist()
    assert values == sorted({text for part in parts for text in part}, key=java_key)
    assert [values[code] for code in joined.codes] == [text for part in parts for text in part]


def test_large_dictionaries_are_merged_by_ranges() -> None:
    parts = [[f"{(i * 7919 + p) % 300_007:06d}" for i in range(120_000)] for p in range(3)]
    columns = [StringColumn(only_used(encode(pl.Series(part)))) for part in parts]
    assert all(column.strings.is_sorted for column in columns)
    joined = join_strings(list(columns)).strings
    values = joined.dictionary.to_pylist()
    assert values == sorted({text for part in parts for text in part})
    assert [values[code] for code in joined.codes] == [text for part in parts for text in part]
