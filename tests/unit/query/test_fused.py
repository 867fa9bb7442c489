"""The compiled pass over a segment gives what the engine gives that goes block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.query.conftest import Runner

from nemeton.query.engines.grouping import SegmentGrouper
from nemeton.query.fused.finer import Finer
from nemeton.query.fused.grouped import FusedPass
from nemeton.query.kernels import compiled_kernels
from nemeton.segment import DecodedColumnCache, DoubleData, LongData, QueryableIndex, StringData, write_segment
from nemeton.time import Interval

ROWS = 5_003
HOUR = 3_600_000


def columns(rows: int = ROWS) -> list[Any]:
    random = np.random.default_rng(7)
    few = np.round(random.integers(0, 11, rows) * 0.01, 2)
    odd = random.choice(np.array([0.5, -0.0, math.inf, math.nan]), rows)
    return [
        LongData("__time", np.arange(rows) * HOUR),
        LongData("many", random.integers(-(2**62), 2**62, rows)),
        LongData("near", random.integers(100, 400, rows)),
        DoubleData("price", random.random(rows) * 1000),
        DoubleData("few", few),
        DoubleData("odd", odd),
        DoubleData("cents", random.integers(-(10**6), 10**6, rows) / 100),
        LongData("digit", random.integers(0, 10, rows)),
        LongData("nulls", random.integers(0, 5, rows), random.random(rows) < 0.3),
        StringData("letter", ["a", "b", "c"], random.integers(0, 3, rows)),
        StringData("word", [f"w{i:04}" for i in range(900)], random.integers(0, 900, rows)),
    ]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryableIndex]:
    yield from opened(tmp_path_factory.mktemp("fused"))


def opened(folder: Path, rows: int = ROWS) -> Iterator[QueryableIndex]:
    made = columns(rows)
    names = ["letter", "word"]
    whole = Interval(0, 10**12)
    metrics = [column.name for column in made[1:] if column.name not in names]
    write_segment(folder / "s", interval=whole, columns=made, dimensions=names, metrics=metrics)
    index = QueryableIndex.open(folder / "s", DecodedColumnCache())
    yield index
    index.close()


class Both:
    """Runs a query with the compiled pass and without, and tells whether there was one."""

    def __init__(self, runner: Runner, patch: pytest.MonkeyPatch) -> None:
        self.runner = runner
        self.patch = patch
        patch.setattr("nemeton.query.source._PASS_FROM", 0)
        patch.setattr(compiled_kernels, "_started", True)
        patch.setattr(compiled_kernels, "module", None)
        compiled_kernels.load()

    def run(self, segment: Any, **request: Any) -> tuple[list[Any], bool]:
        planned: list[bool] = []
        plan = SegmentGrouper._fused

        def spied(*args: Any) -> FusedPass | None:
            found = plan(*args)
            planned.append(found is not None)
            return found

        request = {"intervals": ["1970-01-01/2000-01-01"], **request}
        with self.patch.context() as patch:
            patch.setattr(SegmentGrouper, "_fused", spied)
            fused = self.runner.run(segment, **request)
            patch.setattr(SegmentGrouper, "_fused", lambda *args: None)
            plain = self.runner.run(segment, **request)
        assert_same(fused, plain)
        return fused, any(planned)


@pytest.fixture
def both(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(runner, monkeypatch)


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-12)
    else:
        assert one == other


def aggregate(kind: str, name: str, **where: str) -> dict[str, Any]:
    return {"type": kind, "name": name, **(where or {"fieldName": name})}


AGGREGATORS = [
    {"type": "count", "name": "rows"},
    aggregate("doubleSum", "price"),
    aggregate("doubleSum", "few"),
    aggregate("doubleMin", "low", fieldName="few"),
    aggregate("doubleMax", "high", fieldName="few"),
    aggregate("doubleSum", "cents"),
    aggregate("doubleMin", "cheapest", fieldName="cents"),
    aggregate("doubleSum", "dear", expression="cents * (1 + few)"),
    aggregate("longSum", "nears", fieldName="near"),
    aggregate("doubleSum", "near_double", fieldName="near"),
    aggregate("longSum", "digits", fieldName="digit"),
    aggregate("longSum", "many"),
    aggregate("longMin", "least", fieldName="many"),
    aggregate("longMax", "most", fieldName="digit"),
    aggregate("doubleSum", "charge", expression="price * (1 - few) * (1 + digit)"),
    aggregate("doubleSum", "share", expression="price / (few + 2)"),
    aggregate("longSum", "wraps", expression="many * 3 - digit"),
    aggregate("doubleMin", "worst", expression="price - many"),
    aggregate("longSum", "cut", expression="few * 100"),
    aggregate("longSum", "seven", expression="7"),
    aggregate("doubleMax", "odd"),
    aggregate("doubleSum", "odds", fieldName="odd"),
]
FILTERS: list[Any] = [
    None,
    {"type": "like", "dimension": "letter", "pattern": "%b%"},
    {"type": "range", "column": "few", "matchValueType": "DOUBLE", "lower": 0.03, "upper": 0.07},
    {"type": "and", "fields": [
        {"type": "equals", "column": "letter", "matchValueType": "STRING", "matchValue": "a"},
        {"type": "range", "column": "digit", "matchValueType": "LONG", "upper": 6},
    ]},
    {"type": "not", "field": {"type": "in", "dimension": "word", "values": ["w0003", "w0100"]}},
    {"type": "range", "column": "price", "matchValueType": "DOUBLE", "lower": 900},
    {"type": "or", "fields": [
        {"type": "null", "column": "nulls"},
        {"type": "equals", "column": "letter", "matchValueType": "STRING", "matchValue": "c"},
    ]},
    {"type": "expression", "expression": "digit + 1 > 4"},
]  # fmt: skip
DIMENSIONS: list[list[Any]] = [
    [],
    ["letter"],
    ["word", "letter"],
    [{"type": "default", "dimension": "near", "outputType": "LONG"}, "letter"],
]


@pytest.mark.parametrize("condition", FILTERS, ids=range(len(FILTERS)))
@pytest.mark.parametrize("dimensions", DIMENSIONS, ids=range(len(DIMENSIONS)))
def test_the_pass_gives_what_blocks_give(both: Both, segment: Any, dimensions: list[Any], condition: Any) -> None:
    _, fused = both.run(
        segment, queryType="groupBy", dimensions=dimensions, aggregations=AGGREGATORS, filter=condition
    )  # fmt: skip
    assert fused


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(AGGREGATORS), min_size=1, max_size=5, unique_by=lambda item: item["name"]),
    st.sampled_from(FILTERS),
    st.sampled_from(DIMENSIONS),
    st.integers(0, ROWS - 1),
    st.integers(1, ROWS),
)
def test_any_part_of_the_rows_may_be_asked_for(
    json: Any, segment: Any, aggregations: Any, condition: Any, dimensions: Any, start: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interval = str(Interval(start * HOUR, min(start + size, ROWS) * HOUR))
        Both(Runner(json), patch).run(
            segment, queryType="groupBy", dimensions=dimensions, aggregations=aggregations, filter=condition,
            intervals=[interval],
        )  # fmt: skip


@pytest.mark.parametrize(
    "aggregation",
    [
        aggregate("longSum", "nulls"),
        aggregate("longSum", "price"),
        aggregate("doubleSum", "x", expression="many / digit"),
        aggregate("doubleSum", "x", expression="price * nvl(nulls, 1)"),
        aggregate("doubleSum", "x", fieldName="letter"),
        aggregate("floatSum", "price"),
    ],
    ids=str,
)
def test_what_the_pass_cannot_do_goes_block_by_block(both: Both, segment: Any, aggregation: Any) -> None:
    condition = {"type": "range", "column": "digit", "matchValueType": "LONG", "lower": 1}
    _, fused = both.run(
        segment, queryType="groupBy", dimensions=["letter"], aggregations=[aggregation], filter=condition
    )  # fmt: skip
    assert not fused


def test_a_division_of_longs_by_zero_matters_only_in_rows_that_count(both: Both, segment: Any) -> None:
    condition = {"type": "range", "column": "digit", "matchValueType": "LONG", "lower": 1}
    asked = [aggregate("longSum", "x", expression="10 / digit")]
    both.run(segment, queryType="timeseries", aggregations=asked, filter=condition)


def test_virtual_columns_are_computed_in_the_pass(both: Both, segment: Any) -> None:
    virtual = [{"type": "expression", "name": "v", "expression": "price * (1 - few)", "outputType": "DOUBLE"}]
    (row,), fused = both.run(
        segment, queryType="timeseries", aggregations=[aggregate("doubleSum", "v")], virtualColumns=virtual
    )  # fmt: skip
    assert fused
    by_name = {column.name: column.values for column in columns()[1:9]}
    assert row["result"]["v"] == pytest.approx((by_name["price"] * (1 - by_name["few"])).sum())


LINEAR = [
    {"type": "count", "name": "rows"},
    aggregate("doubleSum", "dear", expression="cents * (1 + few)"),
    aggregate("doubleSum", "charge", expression="3 - (digit - cents) * (1 - few) / (digit + 1) + cents"),
    aggregate("doubleSum", "v"),
    aggregate("doubleSum", "few"),
    aggregate("doubleMin", "low", fieldName="few"),
    aggregate("longMax", "most", fieldName="digit"),
    aggregate("doubleMax", "odd"),
    aggregate("doubleSum", "computed", expression="pow(few, 2) * digit"),
    aggregate("longSum", "digits", expression="digit * 2 - 1"),
    aggregate("doubleSum", "cents"),
    aggregate("longSum", "nears", fieldName="near"),
]


@pytest.mark.parametrize("condition", FILTERS[:4], ids=range(4))
@pytest.mark.parametrize("dimensions", [[], ["letter"]], ids=["one group", "three groups"])
def test_sums_of_what_is_linear_come_from_finer_groups(
    both: Both, segment: Any, dimensions: list[Any], condition: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Finer | None] = []
    of = Finer.of
    monkeypatch.setattr(Finer, "of", lambda *args: found.append(of(*args)) or found[-1])
    virtual = [{"type": "expression", "name": "v", "expression": "2 * cents / (1 + few)", "outputType": "DOUBLE"}]
    both.run(
        segment, queryType="groupBy", dimensions=dimensions, aggregations=LINEAR, filter=condition,
        virtualColumns=virtual,
    )  # fmt: skip
    assert [made and [column.name for column in made.columns] for made in found] == [["digit", "few"]]


@pytest.mark.parametrize(
    "aggregation",
    [
        aggregate("doubleSum", "x", expression="cents * cents * few"),
        aggregate("doubleSum", "x", expression="few / cents"),
        aggregate("doubleSum", "x", expression="cents * few + near"),
        aggregate("doubleMin", "x", expression="cents * few"),
        aggregate("doubleSum", "x", expression="cents / few"),
        aggregate("doubleSum", "x", expression="cents * odd"),
        aggregate("longSum", "x", expression="many * digit"),
    ],
    ids=str,
)
def test_what_is_not_linear_is_computed_row_by_row(
    both: Both, segment: Any, aggregation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Finer | None] = []
    of = Finer.of
    monkeypatch.setattr(Finer, "of", lambda *args: found.append(of(*args)) or found[-1])
    both.run(segment, queryType="groupBy", dimensions=["letter"], aggregations=[aggregation])
    assert found == [None]


def test_a_few_rows_that_an_index_finds_are_read_alone(both: Both, segment: Any) -> None:
    condition = {"type": "equals", "column": "word", "matchValueType": "STRING", "matchValue": "w0003"}
    _, fused = both.run(segment, queryType="timeseries", aggregations=AGGREGATORS, filter=condition)
    assert not fused


def test_numbers_are_kept_in_fewer_bytes_where_that_is_exact(segment: Any) -> None:
    from nemeton.query.fused.narrow import narrow

    widths = {}
    for column in columns()[1:8]:
        found = segment.column(column.name).coded(narrow)
        if found is None:
            continue
        widths[column.name] = found.codes.itemsize
        shown = found.table[found.codes] if found.table is not None else (found.codes + float(found.low)) / found.scale
        assert shown.astype(column.values.dtype).view(np.int64).tolist() == column.values.view(np.int64).tolist()
    assert widths == {"near": 2, "few": 1, "odd": 1, "digit": 1, "cents": 4}
    assert segment.column("nulls").coded(narrow) is None


@given(st.lists(st.floats() | st.integers(-(10**7), 10**7).map(lambda cents: cents / 100), max_size=50))
def test_any_doubles_in_fewer_bytes_are_the_same_doubles(values: list[float]) -> None:
    from nemeton.query.fused.narrow import narrow

    array = np.array(values, dtype=np.float64)
    found = narrow(array)
    if found is not None:
        steps = found.codes.astype(np.int64) + found.low
        shown = steps / found.scale if found.table is None else found.table[found.codes]
        assert shown.view(np.int64).tolist() == array.view(np.int64).tolist()
        if found.scale:
            assert (steps / found.scale).tolist() == values


@pytest.mark.parametrize("intervals", [["1970-01-01/2000-01-01"], ["1970-01-01/1970-01-02T03"]], ids=["all", "some"])
def test_the_values_that_occur_are_known_or_looked_for(both: Both, segment: Any, intervals: list[str]) -> None:
    rows, _ = both.run(segment, queryType="groupBy", dimensions=["word"], aggregations=[], intervals=intervals)
    shown = columns()[-1].codes[: 27 if len(rows) < 28 else None]
    assert sorted(row["event"]["word"] for row in rows) == sorted({f"w{code:04}" for code in shown})


@pytest.mark.parametrize("condition", FILTERS[1:], ids=range(len(FILTERS) - 1))
def test_rows_that_codes_decide_are_those_that_values_do(
    runner: Runner, segment: Any, condition: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"queryType": "scan", "columns": ["__time", "digit"], "filter": condition}
    asked |= {"intervals": ["1970-01-01/2000-01-01"], "resultFormat": "compactedList"}
    Both(runner, monkeypatch)
    by_code = runner.run(segment, **asked)
    monkeypatch.setattr(compiled_kernels, "module", None)
    assert by_code == runner.run(segment, **asked)


def test_a_value_that_is_not_in_the_rows_asked_for_breaks_nothing(both: Both, segment: Any) -> None:
    digits = columns()[-4].values
    first = int(np.flatnonzero(digits[:-1] != 0)[0])
    interval = str(Interval(first * HOUR, (first + 1) * HOUR))
    condition = {"type": "expression", "expression": "10 / digit > 0"}
    (row,), _ = both.run(
        segment, queryType="timeseries", aggregations=AGGREGATORS[:1], filter=condition, intervals=[interval]
    )  # fmt: skip
    assert row["result"]["rows"] == 1


def test_few_rows_are_not_worth_a_pass(both: Both, segment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nemeton.query.source._PASS_FROM", ROWS + 1)
    _, fused = both.run(segment, queryType="timeseries", aggregations=AGGREGATORS)
    assert not fused
