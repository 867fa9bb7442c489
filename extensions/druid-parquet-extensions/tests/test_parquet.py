"""Parquet files as input: values of every type, groups, paths, bad files."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemeton.common.errors import DruidException
from nemeton.json import JsonError
from nemeton.spi.ingest import InputFormat, InputRowSchema
from nemeton.testkit.suites.input_format import InputFormatSuite, Problems
from nemeton_parquet.input_format import ParquetInputFormat


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def values(data: bytes, targets: dict[str, str], **options: Any) -> list[dict[str, Any]]:
    """The rows as the reader shows them."""
    schema = InputRowSchema(columns=targets, discover_values=True)
    form = ParquetInputFormat(**options)
    records = [r for part in form.sampled(io.BytesIO(data), schema) for r in part.records]
    return [dict(record.values or {}) for record in records]


class TestSuite(InputFormatSuite):
    @pytest.fixture
    def input_format(self) -> InputFormat:
        return ParquetInputFormat()

    @pytest.fixture
    def sample(self) -> bytes:
        return parquet({"a": ["1", "2", None], "b": ["x", "y", "ü"]})

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        return [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"b": "ü"}]


INSTANT = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
MILLIS = 1709209815123


@pytest.mark.parametrize(
    ("array", "target", "expected"),
    [
        (pa.array([7], pa.int8()), "VALUE", 7),
        (pa.array([7], pa.uint32()), "VALUE", 7),
        (pa.array([2**64 - 1], pa.uint64()), "VALUE", -1),
        (pa.array([True]), "VALUE", True),
        (pa.array([0.5], pa.float32()), "VALUE", 0.5),
        (pa.array([2.5]), "DOUBLE", 2.5),
        (pa.array(["x"]), "VALUE", "x"),
        (pa.array(["x"]).dictionary_encode(), "VALUE", "x"),
        (pa.array([b"\x00\xff"]), "VALUE", "AP8="),
        (pa.array([datetime.date(2024, 2, 29)]), "ANY", 1709164800000),
        (pa.array([INSTANT], pa.timestamp("us")), "ANY", MILLIS),
        (pa.array([INSTANT], pa.timestamp("ms")), "ANY", MILLIS),
        (pa.array([INSTANT], pa.timestamp("ns")), "ANY", MILLIS * 1_000_000 + 456_000),
        (pa.array([datetime.time(1, 0)], pa.time32("ms")), "ANY", 3_600_000),
        (pa.array([decimal.Decimal("12.50")], pa.decimal128(20, 2)), "STRING", "12.50"),
        (pa.array([decimal.Decimal("12.50")], pa.decimal128(9, 2)), "DOUBLE", 12.5),
        (pa.array([[1, 2], [], None]), "VALUE", [1, 2]),
        (pa.array([{"b": [1, None], "c": None}], pa.struct({"b": pa.list_(pa.int64()), "c": pa.string()})), "VALUE",
         {"b": [1, None], "c": None}),
        (pa.array([[("k", INSTANT)]], pa.map_(pa.string(), pa.timestamp("ms"))), "VALUE", {"k": MILLIS}),
        (pa.array([[{"x": 1}]]), "VALUE", [{"x": 1}]),
        (pa.array([[[1], [2, 3]]]), "VALUE", [[1], [2, 3]]),
        (pa.array([{"b": 1}]), "STRING", "{b=1}"),
    ],
)  # fmt: skip
def test_values_become_what_druid_makes_of_them(array: pa.Array, target: str, expected: Any) -> None:
    assert values(parquet({"a": array}), {"a": target})[0]["a"] == expected


def test_old_timestamps_are_milliseconds() -> None:
    data = parquet({"a": pa.array([INSTANT], pa.timestamp("ns"))}, use_deprecated_int96_timestamps=True)
    assert values(data, {"a": "ANY"}) == [{"a": MILLIS}]


def test_bytes_may_be_texts() -> None:
    assert values(parquet({"a": [b"t\xc3\xbc"]}), {"a": "STRING"}, binary_as_string=True) == [{"a": "tü"}]


def test_decimals_in_few_bytes_keep_their_digits() -> None:
    array = pa.array([decimal.Decimal("12.50")], pa.decimal128(9, 2))
    assert values(parquet({"a": array}, store_decimal_as_integer=True), {"a": "STRING"}) == [{"a": "12.50"}]


NESTED = {"t": [1, 2], "g": [{"u": {"n": "x"}, "l": [1, 2]}, None], "l": [["a"], ["b", "c"]], "s": ["p", "q"]}


def spec(**flatten: Any) -> dict[str, Any]:
    return {"type": "parquet", "flattenSpec": flatten}


@pytest.fixture
def made(nemeton_extensions: Callable[..., Any]) -> Callable[[dict[str, Any]], InputFormat]:
    json = nemeton_extensions("druid-parquet-extensions").json
    return lambda value: json.structure(value, InputFormat)


def read(form: InputFormat, schema: InputRowSchema) -> dict[str, list[Any]]:
    (frame,) = form.batches(io.BytesIO(parquet(NESTED)), schema, Problems())
    return {name: frame[name].to_list() for name in frame.columns}


def test_paths_pick_fields_of_groups(made: Any) -> None:
    fields = [
        {"type": "path", "name": "n", "expr": "$.g.u.n"},
        {"type": "path", "name": "last", "expr": "$.g.l[-1]"},
        {"type": "path", "name": "all", "expr": "$..n"},
        "s",
    ]
    rows = read(made(spec(useFieldDiscovery=False, fields=fields)), InputRowSchema(discover=True))
    assert rows == {"n": ["x", None], "last": ["2", None], "all": [["x"], []], "s": ["p", "q"]}


def test_string_discovery_passes_groups_and_lists(made: Any) -> None:
    assert list(read(made({"type": "parquet"}), InputRowSchema(discover=True))) == ["t", "s"]


def test_schema_discovery_finds_all(made: Any) -> None:
    found = read(made({"type": "parquet"}), InputRowSchema(discover=True, discover_values=True))
    assert list(found) == ["t", "g", "l", "s"]
    assert found["g"] == [b'{"u":{"n":"x"},"l":[1,2]}', None]


@pytest.mark.parametrize("kind", ["jq", "tree"])
def test_other_fields_are_refused(made: Any, kind: str) -> None:
    fields = [{"type": kind, "name": "f", "expr": ".a", "nodes": ["a"]}]
    with pytest.raises(JsonError, match=r"Parquet does not support fields of type.*field\[f\]"):
        made(spec(fields=fields))


@pytest.mark.parametrize("cut", [0, 3, 40, -4])
def test_what_is_no_parquet_is_refused(cut: int) -> None:
    data = parquet(NESTED)[:cut]
    with pytest.raises(DruidException, match="cannot be read as Parquet"):
        list(ParquetInputFormat().batches(io.BytesIO(data), InputRowSchema(discover=True), Problems()))
