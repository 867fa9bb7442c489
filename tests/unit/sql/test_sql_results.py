"""From native results to the rows that a client sees."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.model.results import ResultColumns
from nemeton.sql.execution import ordered
from nemeton.sql.logical import SortKey
from nemeton.sql.results import ValueFormat
from nemeton.sql.types import BIGINT, BOOLEAN, DOUBLE, TIMESTAMP, VARCHAR, array_of
from nemeton.time import zone

GROUPS = [
    {"version": "v1", "timestamp": None, "event": {"d0": "a", "a0": 3, "p0": 1.5}},
    {"version": "v1", "timestamp": None, "event": {"d0": None, "a0": 1, "p0": None}},
]


def test_outputs_follow_the_select_list(sql: Any) -> None:
    sql.cluster.answers.append(GROUPS)
    assert sql.rows("SELECT COUNT(*) AS c, page, 'x' AS k, COUNT(*) AS again FROM wiki GROUP BY page") == [
        [3, "a", "x", 3],
        [1, None, "x", 1],
    ]


def test_time_buckets_are_timestamps(sql: Any) -> None:
    sql.cluster.answers.append([{"timestamp": "2024-01-01T00:00:00.000Z", "result": {"d0": 1704067200000, "a0": 5}}])
    statement = "SELECT FLOOR(__time TO DAY) AS d, COUNT(*) AS c FROM wiki GROUP BY 1"
    assert sql.rows(statement) == [["2024-01-01T00:00:00.000Z", 5]]


def test_time_buckets_without_a_result_field(sql: Any) -> None:
    sql.cluster.answers.append([{"timestamp": "2024-01-01T00:00:00.000Z", "result": {"a0": 5}}])
    assert sql.rows("SELECT FLOOR(__time TO DAY), COUNT(*) FROM wiki GROUP BY 1") == [["2024-01-01T00:00:00.000Z", 5]]


def test_top_n_rows(sql: Any) -> None:
    result = [{"d0": "a", "a0": 9}, {"d0": "b", "a0": 8}]
    sql.cluster.answers.append([{"timestamp": "2024-01-01T00:00:00.000Z", "result": result}])
    statement = "SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC LIMIT 2"
    assert sql.rows(statement) == [["a", 9], ["b", 8]]


def test_scan_rows_are_taken_by_column_name(sql: Any) -> None:
    batch = {"segmentId": "s", "columns": ["added", "page"], "events": [[1, "a"], [None, ["b", "c"]]]}
    sql.cluster.answers.append([batch])
    assert sql.rows("SELECT page, added, page, TRUE FROM wiki") == [
        ["a", 1, "a", True],
        ['["b","c"]', None, '["b","c"]', True],
    ]


def test_answers_by_column(sql: Any) -> None:
    """Some rows at a time; a column that a piece lacks is null there."""
    sql.cluster.answers.append(
        [
            ResultColumns(["added", "page"], [[1, None], ["a", ["b", "c"]]], 2),
            ResultColumns(["page"], [["d"]], 1),
        ]
    )
    assert sql.rows("SELECT page, added, page, TRUE FROM wiki") == [
        ["a", 1, "a", True],
        ['["b","c"]', None, '["b","c"]', True],
        ["d", None, "d", True],
    ]


def test_rows_are_lazy(sql: Any) -> None:
    def batches() -> Any:
        yield {"segmentId": "s", "columns": ["page"], "events": [["a"]]}
        raise AssertionError("read too far")

    sql.cluster.answers.append(batches())
    assert next(sql.execute("SELECT page FROM wiki").json_rows()) == ["a"]


def test_constants_ask_no_native_query(sql: Any) -> None:
    assert sql.rows("SELECT 1, 'x' AS b, NULL, TRUE, 1.5, 2 + 3, DATE '2024-02-29'") == [
        [1, "x", None, True, 1.5, 5, "2024-02-29T00:00:00.000Z"]
    ]
    assert sql.rows("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, s)") == [[1, "a"], [2, None]]
    assert sql.rows("SELECT page FROM wiki LIMIT 0") == []
    assert sql.cluster.queries == []


def test_unnamed_columns(sql: Any) -> None:
    assert [field.name for field in sql.execute("SELECT 1, 2 AS b, 3").fields] == ["EXPR$0", "b", "EXPR$2"]


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (None, BIGINT, None),
        (0, BOOLEAN, False),
        (1, BOOLEAN, True),
        (3, DOUBLE, 3.0),
        (["a", None], VARCHAR, '["a",null]'),
        ([1, 2], array_of("LONG"), "[1,2]"),
        (1709210096789, TIMESTAMP, "2024-02-29T12:34:56.789Z"),
        (-1, TIMESTAMP, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_values_in_utc(value: Any, kind: Any, shown: Any) -> None:
    assert ValueFormat(zone("UTC")).value(value, kind) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("America/New_York", "2024-02-29T07:34:56.789-05:00"),
        ("Asia/Kolkata", "2024-02-29T18:04:56.789+05:30"),
        ("+05:30", "2024-02-29T18:04:56.789+05:30"),
        ("Etc/UTC", "2024-02-29T12:34:56.789Z"),
    ],
)
def test_timestamps_in_the_time_zone_of_the_query(name: str, shown: str) -> None:
    assert ValueFormat(zone(name)).value(1709210096789, TIMESTAMP) == shown


def test_arrays_stay_arrays_when_asked() -> None:
    assert ValueFormat(zone("UTC"), stringify_arrays=False).value([1, None], array_of("LONG")) == [1, None]


CELL = st.one_of(st.none(), st.integers(-3, 3))


@given(st.lists(st.tuples(CELL, CELL)), st.booleans(), st.sampled_from([None, True, False]))
def test_rows_are_sorted_as_druid_sorts(rows: list[Any], descending: bool, nulls_first: bool | None) -> None:
    keys = (SortKey(0, descending, nulls_first), SortKey(1))
    result = ordered(list(rows), keys)
    assert sorted(map(repr, result)) == sorted(map(repr, rows))
    first = nulls_first if nulls_first is not None else not descending
    edge = -math.inf if first != descending else math.inf
    values = [edge if row[0] is None else row[0] for row in result]
    assert values == sorted(values, reverse=descending)
    for one, other in itertools.pairwise(result):
        if one[0] == other[0]:
            assert (-math.inf if one[1] is None else one[1]) <= (-math.inf if other[1] is None else other[1])


def test_strings_are_sorted_by_utf16_units() -> None:
    rows = [("\uffee",), ("\U0001f600",), ("a",)]
    assert ordered(rows, (SortKey(0),)) == [("a",), ("\U0001f600",), ("\uffee",)]
