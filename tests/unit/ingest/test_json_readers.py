"""The two ways to read JSON lines give the same rows, whatever the lines hold and whatever they are wanted for."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.ingest.coerce import to_numbers, to_strings
from nemeton.ingest.documents import concat_columns, decode_documents, encode_documents
from nemeton.ingest.flatten.spec import EVERYTHING, FlattenSpec
from nemeton.ingest.formats import json_arrow
from nemeton.ingest.formats.json_arrow import ArrowReader
from nemeton.ingest.formats.json_rows import RowReader
from nemeton.spi.ingest import InputRowSchema
from nemeton.testkit.suites.input_format import Problems

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, -2.25, 3.0, 1e20]), st.text("aü1 .", max_size=3)
)
VALUES = st.one_of(SCALARS, st.sampled_from(["2024-01-01T00:00:00Z", "7", "1.5"]), st.lists(SCALARS, max_size=3))
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=5)
PICKED = FlattenSpec.from_json(
    {"fields": [{"type": "path", "name": "x", "expr": "$.o.k"}, {"type": "path", "name": "y", "expr": "$.l[1]"}]}
)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def typed(value: Any) -> Any:
    return [typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


def seen(frame: pl.DataFrame, name: str, target: str) -> list[Any]:
    """A column as it is used; one that is not there is null."""
    if name not in frame.columns:
        return []
    column = frame[name]
    if target == "STRING":
        texts = to_strings(column).to_list()
        return [v[0] if isinstance(v, list) and len(v) == 1 else v for v in texts]
    if target == "VALUE":
        return [typed(value) for value in decode_documents(column)]
    numbers = to_numbers(column, target)
    nulls = [False] * len(column) if numbers.nulls is None else numbers.nulls.tolist()
    return [None if null else value for value, null in zip(numbers.values.tolist(), nulls, strict=True)]


def all_null(values: list[Any]) -> bool:
    return all(value in (None, ("NoneType", None)) for value in values)


@pytest.mark.parametrize("target", ["STRING", "LONG", "DOUBLE", "VALUE"])
@given(rows=ROWS)
def test_arrow_reads_as_rows_are_read(rows: list[dict[str, Any]], target: str) -> None:
    schema = InputRowSchema(columns=dict.fromkeys("abc", target))
    chunk = lines(rows)
    fast = ArrowReader(schema, EVERYTHING, keep_nulls=False).read(chunk)
    if fast is None:
        return
    slow = RowReader(schema, EVERYTHING, False, {}).read(chunk, Problems())
    for name in "abc":
        one, other = seen(fast, name, target), seen(slow, name, target)
        assert one == other or (all_null(one) and all_null(other)), name


def test_texts_that_look_like_times_are_read_twice_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[bytes] = []
    read = json_arrow._read_json

    def read_and_note(chunk: bytes, known: Any) -> Any:
        reads.append(chunk)
        return read(chunk, known)

    monkeypatch.setattr(json_arrow, "_read_json", read_and_note)
    reader = ArrowReader(InputRowSchema(columns={"a": "ANY"}), EVERYTHING, keep_nulls=False)
    for time in ("2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"):
        frame = reader.read(lines([{"a": time, "not wanted": time}]))
        assert frame is not None
        assert frame["a"].to_list() == [time]
    assert len(reads) == 3


def test_arrow_forgets_types_that_do_not_fit() -> None:
    reader = ArrowReader(InputRowSchema(columns={"a": "VALUE"}), EVERYTHING, keep_nulls=False)
    chunks = [lines([{"a": value}]) for value in ("x", 1, 2)]
    frames = [reader.read(chunk) for chunk in chunks]
    assert [None if frame is None else frame["a"].to_list() for frame in frames] == [["x"], None, [2]]


@given(rows=ROWS, keep=st.booleans(), typed_discovery=st.booleans())
def test_the_same_columns_are_found(rows: list[dict[str, Any]], keep: bool, typed_discovery: bool) -> None:
    schema = InputRowSchema(discover=True, discover_values=typed_discovery)
    fast = ArrowReader(schema, EVERYTHING, keep).read(lines(rows))
    if fast is not None:
        slow = RowReader(schema, EVERYTHING, keep, {}).read(lines(rows), Problems())
        assert set(fast.columns) == set(slow.columns) - {""}


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {}, optional={"o": st.dictionaries(st.just("k"), SCALARS), "l": st.lists(st.integers(0, 9), max_size=3)}
        ),
        min_size=1,
        max_size=5,
    )
)
def test_paths_lead_to_the_same(rows: list[dict[str, Any]]) -> None:
    schema = InputRowSchema(columns={"x": "VALUE", "y": "VALUE"})
    fast = ArrowReader(schema, PICKED, keep_nulls=True).read(lines(rows))
    if fast is not None:
        slow = RowReader(schema, PICKED, True, {}).read(lines(rows), Problems())
        for name in "xy":
            assert seen(fast, name, "VALUE") == seen(slow, name, "VALUE"), name


@given(st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_columns_of_any_types_can_be_joined(parts: list[list[Any]]) -> None:
    columns = [encode_documents("c", part) for part in parts]
    assert list(decode_documents(concat_columns(columns))) == [value for part in parts for value in part]


@pytest.mark.parametrize(
    "parts",
    [[pl.Series([1, 2]), pl.Series([True])], [pl.Series(["a"]), pl.Series([1.5])], [pl.Series([[1]]), pl.Series([2])]],
)
def test_unlike_columns_are_joined_as_documents(parts: list[pl.Series]) -> None:
    assert list(decode_documents(concat_columns(parts))) == [value for part in parts for value in part.to_list()]


@pytest.mark.parametrize(("expr", "expected"), [("$", {"o": {"k": 1}}), ("$[0]", None), ("$.o[0]", None)])
def test_paths_that_name_no_field(expr: str, expected: Any) -> None:
    flatten = FlattenSpec.from_json({"fields": [{"type": "path", "name": "x", "expr": expr}]})
    schema = InputRowSchema(columns={"x": "VALUE"})
    chunk = lines([{"o": {"k": 1}}])
    frame = ArrowReader(schema, flatten, keep_nulls=True).read(chunk)
    if frame is None:
        frame = RowReader(schema, flatten, True, {}).read(chunk, Problems())
    assert list(decode_documents(frame["x"])) == [expected]
