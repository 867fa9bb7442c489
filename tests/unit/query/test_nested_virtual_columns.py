"""The virtual columns nested-field, fallback and mv-filtered, as the real Druid answers them."""

from __future__ import annotations

from typing import Any

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.spi.query import Query

JSON = Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)
ROWS = [
    [{"a": {"b": 41, "c": "z"}, "d e": True}, ["x", "y"], "delta", [3, 4]],
    [{"a": {"b": -17, "c": ""}}, "x", "beta", [9]],
    [{"a": "text"}, [], None, None],
]


def answer(virtual: dict[str, Any], **query: Any) -> list[Any]:
    body = {
        "queryType": "scan",
        "dataSource": {
            "type": "inline",
            "columnNames": ["nest", "mv", "s", "al"],
            "columnTypes": ["COMPLEX<json>", "STRING", "STRING", "ARRAY<LONG>"],
            "rows": ROWS,
        },
        "intervals": ["0000/3000"],
        "columns": ["v"],
        "resultFormat": "compactedList",
        "virtualColumns": [virtual],
        **query,
    }
    parsed: Any = JSON.structure(body, Query)
    return JSON.unstructure(list(QueryEngine().execute(parsed, lambda _: None)))


def values(virtual: dict[str, Any]) -> list[Any]:
    return [row[0] for batch in answer(virtual) for row in batch["events"]]


def nested(**fields: Any) -> dict[str, Any]:
    return {"type": "nested-field", "columnName": "nest", "outputName": "v", **fields}


@pytest.mark.parametrize(
    ("virtual", "expected"),
    [
        (nested(path="$.a.b", expectedType="LONG"), [41, -17, None]),
        (nested(path="$.a.b", expectedType="DOUBLE"), [41.0, -17.0, None]),
        (nested(path=".a.b", useJqSyntax=True), [41, -17, None]),
        (nested(path='."d e"', useJqSyntax=True, expectedType="LONG"), [1, None, None]),
        (nested(pathParts=[{"type": "field", "field": "a"}, {"type": "field", "field": "c"}]), ["z", "", None]),
        (nested(path="$.a"), [None, None, "text"]),
        (nested(path="$.a", processFromRaw=True), [{"b": 41, "c": "z"}, {"b": -17, "c": ""}, "text"]),
        (nested(columnName="al", path="$[-1]"), [4, 9, None]),
        (nested(columnName="s", path="$"), ["delta", "beta", None]),
        (nested(columnName="s", path="$.x"), [None] * 3),
        (nested(columnName="nosuch", path="$.x"), [None] * 3),
        ({"type": "fallback", "name": "v", "columns": ["nosuch", "s"]}, ["delta", "beta", None]),
        ({"type": "mv-filtered", "name": "v", "delegate": "mv", "values": ["x"]}, ["x", "x", None]),
        (
            {"type": "mv-filtered", "name": "v", "delegate": "mv", "values": ["x"], "isAllowList": False},
            ["y", None, None],
        ),
    ],
)  # fmt: skip
def test_values(virtual: dict[str, Any], expected: list[Any]) -> None:
    assert values(virtual) == expected


@pytest.mark.parametrize(
    "fields", [{}, {"path": "$.a", "pathParts": []}, {"path": "a"}, {"pathParts": [{"type": "x"}]}]
)
def test_a_path_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(DruidException):
        values(nested(**fields))


@pytest.mark.parametrize("kind", ["groupBy", "timeseries", "topN"])
def test_a_field_is_grouped_and_filtered_by(kind: str) -> None:
    query = {
        "queryType": kind,
        "granularity": "all",
        "aggregations": [{"type": "longSum", "name": "n", "fieldName": "v"}],
        "filter": {"type": "range", "column": "v", "matchValueType": "LONG", "lower": 0},
    }
    query |= {"groupBy": {"dimensions": ["v"]}, "topN": {"dimension": "v", "metric": "n", "threshold": 3}}.get(kind, {})
    (row,) = answer(nested(path="$.a.b", expectedType="LONG"), **query)
    found = row.get("event") or row["result"]
    assert (found[0] if isinstance(found, list) else found)["n"] == 41
