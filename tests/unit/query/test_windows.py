"""Aggregates over frames against the plain meaning of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.vectors import numeric_from_list
from nemeton.query.windows.operators import WindowOperator
from nemeton.query.windows.processors import Processor
from nemeton.query.windows.rows import PartitionedRows
from nemeton.spi.query import Query

JSON = Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)
offsets = st.one_of(st.none(), st.integers(-4, 4))
data = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.one_of(st.none(), st.integers(-9, 9))), max_size=30
)


def run(rows, operators, names):
    query = JSON.structure(
        {
            "queryType": "windowOperator",
            "dataSource": {
                "type": "inline",
                "columnNames": ["p", "o", "v"],
                "columnTypes": ["STRING", "LONG", "LONG"],
                "rows": [list(row) for row in rows],
            },
            "outputSignature": [{"name": name} for name in names],
            "operatorDefinition": operators,
        },
        Query,
    )
    return list(QueryEngine().execute(query, lambda _: pytest.fail("no table is read")))


def window(processor):
    return {"type": "window", "processor": processor}


PARTITION = {"type": "naivePartition", "partitionColumns": ["p"]}
SORT = {"type": "naiveSort", "columns": [{"column": "p", "direction": "ASC"}, {"column": "o", "direction": "ASC"}]}
SUMS = [
    {"type": "longSum", "name": "s", "fieldName": "v"},
    {"type": "count", "name": "c"},
    {"type": "longMax", "name": "m", "fieldName": "v"},
]


def aggregated(values):
    real = [value for value in values if value is not None]
    return [sum(real) if real else None, len(values), max(real) if real else None]


@given(rows=data, lower=offsets, upper=offsets, by_groups=st.booleans())
def test_a_frame_holds_the_rows_or_groups_between_its_offsets(rows, lower, upper, by_groups):
    frame = {"type": "groups" if by_groups else "rows", "lowerOffset": lower, "upperOffset": upper}
    if by_groups:
        frame["orderByColumns"] = ["o"]
    processor = {"type": "framedAgg", "frame": frame, "aggregations": SUMS}
    got = run(rows, [SORT, PARTITION, window(processor)], ["p", "o", "v", "s", "c", "m"])
    expected = []
    ordered = sorted(rows, key=lambda row: row[:2])
    for partition in ("a", "b"):
        own = [row for row in ordered if row[0] == partition]
        units = [row[1] for row in own] if by_groups else list(range(len(own)))
        place = {unit: i for i, unit in enumerate(sorted(set(units)))}
        for row, unit in zip(own, units, strict=True):
            low = -np.inf if lower is None else place[unit] + lower
            high = np.inf if upper is None else place[unit] + upper
            inside = [other[2] for other, u in zip(own, units, strict=True) if low <= place[u] <= high]
            expected.append([*row, *aggregated(inside)])
    assert got == expected


@given(rows=data)
def test_ranks_count_from_the_start_of_the_partition(rows):
    processors = [
        {"type": "rowNumber", "outputColumn": "n"},
        {"type": "rank", "group": ["o"], "outputColumn": "r"},
        {"type": "denseRank", "group": ["o"], "outputColumn": "d"},
        {"type": "cumeDist", "group": ["o"], "outputColumn": "c"},
    ]
    got = run(rows, [SORT, PARTITION, *map(window, processors)], ["p", "o", "n", "r", "d", "c"])
    for partition in ("a", "b"):
        own = [row for row in got if row[0] == partition]
        orders = [row[1] for row in own]
        for i, (_, order, number, rank, dense, part) in enumerate(own):
            assert number == i + 1
            assert rank == orders.index(order) + 1
            assert dense == len(set(orders[: i + 1]))
            assert part == pytest.approx(sum(other <= order for other in orders) / len(orders))


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ({"type": "nope"}, r"\[nope\].*naivePartition"),
        ({"type": "window", "processor": {"type": "nope"}}, r"\[nope\].*framedAgg"),
        ({"type": "window", "processor": {"type": "percentile", "outputColumn": "x", "numBuckets": 0}}, "numBuckets"),
        ({"type": "scan", "offsetLimit": {"offset": -1, "limit": 1}}, "offset must be >= 0"),
    ],
)
def test_what_is_wrong_with_an_operator_is_said(operator, message):
    with pytest.raises(DruidException, match=message):
        JSON.structure(operator, WindowOperator)


def test_it_runs_over_rows_only():
    query = {"queryType": "windowOperator", "dataSource": "t", "outputSignature": [], "operatorDefinition": []}
    with pytest.raises(DruidException, match="must run on top of a query or inline data source"):
        JSON.structure(query, Query)


def test_in_a_composition_aggregates_do_not_see_what_others_added_and_all_else_does():
    """Recorded of Druid (`window_composing`)."""
    processors = [
        {"type": "rowNumber", "outputColumn": "x"},
        {"type": "offset", "inputColumn": "x", "outputColumn": "before", "offset": -1},
        {"type": "framedAgg", "aggregations": [{"type": "longSum", "name": "sum", "fieldName": "x"}]},
    ]
    composed = JSON.structure({"type": "composing", "processors": processors}, Processor)
    rows = PartitionedRows.whole({"p": numeric_from_list("LONG", [7, 7, 8])}, 3)
    found = {name: vector.to_list() for name, vector in composed.columns(rows).items()}
    assert found == {"x": [1, 2, 3], "before": [None, 1, 2], "sum": [None, None, None]}
