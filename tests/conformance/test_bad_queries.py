"""Queries that a real Druid refused (400): refused when they are read, values of the context in Druid's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.query import Query

RECORDS = json.loads((Path(__file__).parents[1] / "data" / "reference" / "bad_queries.json").read_text())


@pytest.fixture(scope="module")
def reader() -> Json:
    return Json(load_extensions({}, ["nemeton.query.extension"]).registry)


def read(reader: Json, request: dict[str, Any]) -> None:
    query: Any = reader.structure(request, Query)
    query.validate_context()


@pytest.mark.parametrize("record", RECORDS, ids=[record["name"] for record in RECORDS])
def test_it_is_refused_before_it_runs(reader: Json, record: dict[str, Any]) -> None:
    with pytest.raises(DruidException) as caught:
        read(reader, record["request"])
    expected = record["response"]
    assert caught.value.category == "INVALID_INPUT"
    if expected["error"] == "Query context parse failed":
        told = caught.value.to_json()
        assert {key: told[key] for key in expected} == expected


def test_vectorize_may_be_a_boolean(reader: Json) -> None:
    query = {"queryType": "timeseries", "dataSource": "x", "intervals": "2000/2001", "granularity": "all"}
    read(reader, {**query, "context": {"vectorize": False}})
