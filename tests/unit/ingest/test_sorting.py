"""The order of rows, against Python's own sort."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ingest.helpers import Ingested, inline_spec, rows_of

from nemeton.ingest.formats import delimited
from nemeton.ingest.index import dictionaries
from nemeton.ingest.index.columns import (
    MultiStringColumn,
    NumberColumn,
    RunColumn,
    StringColumn,
    join_columns,
    join_strings,
)
from nemeton.ingest.index.dictionaries import arrow_strings, encode, only_used
from nemeton.ingest.index.plain_strings import PlainStringColumn
from nemeton.ingest.index.sorting import sort_rows
from nemeton.ingest.index.stored import StoredColumn

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


def plain_column(values: list[str | None]) -> PlainStringColumn:
    return PlainStringColumn(arrow_strings(pl.Series(values, dtype=pl.String)))


@given(st.lists(st.tuples(st.booleans(), st.lists(TEXTS, min_size=1, max_size=30)), min_size=1, max_size=4))
def test_strings_that_are_not_encoded_yet_are_joined_with_those_that_are(
    parts: list[tuple[bool, list[str | None]]],
) -> None:
    columns: list[RunColumn] = [
        plain_column(texts) if is_plain else StringColumn(only_used(encode(pl.Series(texts, dtype=pl.String))))
        for is_plain, texts in parts
    ]
    joined = join_columns(columns)
    assert isinstance(joined, StringColumn)
    values = joined.strings.dictionary.to_pylist()
    assert values == sorted({text for _, texts in parts for text in texts}, key=java_key)
    assert [values[code] for code in joined.strings.codes] == [text for _, texts in parts for text in texts]


def test_strings_that_are_not_encoded_yet_stand_beside_rows_of_several_values() -> None:
    several = MultiStringColumn(only_used(encode(pl.Series(["b", "c", "a"]))), np.array([0, 2, 3]))
    joined = join_columns([plain_column(["d", None, "b"]), several])
    assert isinstance(joined, MultiStringColumn)
    values = joined.strings.dictionary.to_pylist()
    assert values == [None, "a", "b", "c", "d"]
    assert joined.offsets.tolist() == [0, 1, 2, 3, 5, 6]
    assert [values[code] for code in joined.strings.codes] == ["d", None, "b", "b", "c", "a"]


@given(st.lists(TEXTS, min_size=1, max_size=30), st.data())
def test_strings_that_are_not_encoded_yet_are_cut_taken_and_compared(
    texts: list[str | None], data: st.DataObject
) -> None:
    column, count = plain_column(texts), len(texts)
    rows = np.array(data.draw(st.lists(st.integers(0, count - 1), max_size=10)), dtype=np.int64)
    start = data.draw(st.integers(0, count))
    assert column.take(rows).values.to_pylist() == [texts[i] for i in rows]
    assert column.cut(start, count).compact().values.to_pylist() == texts[start:]
    order = sort_rows(np.zeros(count, dtype=np.int64), column.sort_keys())
    assert order.rows.tolist() == sorted(range(count), key=lambda i: java_key(texts[i]))


@pytest.mark.parametrize("texts", [["x", None, "\U0001f600", ""], [None, None], []])
def test_strings_that_are_not_encoded_yet_are_stored(texts: list[str | None], tmp_path: Path) -> None:
    stored = StoredColumn.write(plain_column(texts), tmp_path / "c").load()
    assert isinstance(stored, PlainStringColumn)
    assert stored.values.to_pylist() == texts


@given(st.lists(st.tuples(LONGS, TEXTS), max_size=40), st.integers(0, 40))
def test_columns_come_back_from_disk_whatever_width_they_have_there(
    rows: list[tuple[int | None, str | None]], start: int
) -> None:
    longs, texts = [row[0] for row in rows], [row[1] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        numbers = StoredColumn.write(number_column(longs), Path(folder) / "n").load()
        strings = StoredColumn.write(text_column(texts), Path(folder) / "t").load()
        assert isinstance(numbers, NumberColumn)
        assert isinstance(strings, StringColumn)
        cut, words = numbers.cut(start, len(rows)).compact(), strings.cut(start, len(rows)).compact().strings
    assert cut.values.dtype == np.int64
    assert words.codes.dtype == np.int32
    nulls = [False] * len(cut.values) if cut.nulls is None else cut.nulls.tolist()
    assert [None if null else v for v, null in zip(cut.values.tolist(), nulls, strict=True)] == longs[start:]
    assert words.values().to_pylist() == texts[start:]


def test_a_column_on_disk_holds_on_to_nothing_in_memory(tmp_path: Path) -> None:
    column = NumberColumn("DOUBLE", np.arange(1000, dtype=np.float64))
    stored = StoredColumn.write(column, tmp_path / "c")
    gone = weakref.ref(column.values)
    del column
    assert gone() is None
    loaded = stored.load()
    assert isinstance(loaded, NumberColumn)
    assert loaded.values.tolist() == list(range(1000))


@pytest.mark.parametrize("rollup", [False, True])
def test_many_different_strings_become_columns_of_segments(
    rollup: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several runs, which hold rows of two days each; equal times are told apart by the strings alone."""
    monkeypatch.setattr(dictionaries, "_LARGE", 20)
    monkeypatch.setattr(dictionaries, "_SAMPLE", 10)
    monkeypatch.setattr(delimited, "CHUNK_BYTES", 400)
    texts = ["", *(f"{i * 7 % 199}\u00e9" for i in range(199)), "\U0001f600", "\uffee"]
    days = ["2024-01-01", "2024-01-02"]
    data = "\n".join(f"{days[i % 2]},{text}" for i, text in enumerate(texts))
    granularity = {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": rollup}
    spec = inline_spec(
        data,
        {"type": "csv", "columns": ["t", "c"]},
        dimensionsSpec={"dimensions": ["c"]},
        granularitySpec=granularity,
    )
    done = Ingested(spec, tmp_path, run_rows=30)
    assert done.runs_spilled > 2
    found = [[row["c"] for row in rows_of(segment)] for segment in done.segments]
    assert found == [sorted((text or None for text in texts[day::2]), key=java_key) for day in (0, 1)]
