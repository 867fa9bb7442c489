"""Queries that a real Druid refused (400): refused when they are read, values of the context in Druid's words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nemeton.common.errors import DruidException
from nemeton.dataserver.jackson import explain
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


#: Told in other words: Java's own of what is null, and names of Java objects.
OTHER_WORDS = {
    *["iv_badtype", "iv_obj_empty", "iv_segments_bad", "vc_badexpr", "vc_badexpr_unused", "vc_mvf_nodel"],
    *["agg_null", "d_null", "d_nodim", "d_lookup_both", "x_lookup_none", "x_lookup_badtype"],
    *["x_lookup_nomap", "l_col_nodim", "l_col_number", "tn_metric_unknown", "tn_metric_bad"],
    *["tn_metric_null", "tn_inv_null", "tn_inv_unknown", "sm_join", "sm_inline", "wo_none"],
}
MALFORMED = [record for record in RECORDS if record["response"]["error"] == "Unknown exception"]


@pytest.mark.parametrize("record", MALFORMED, ids=[record["name"] for record in MALFORMED])
def test_it_is_told_in_the_words_of_jackson(reader: Json, record: dict[str, Any]) -> None:
    body = json.dumps(record["request"]).encode()
    with pytest.raises(DruidException) as caught:
        reader.loads(body, Query)
    said = explain(body, caught.value.message)
    expected = (record["response"]["errorMessage"], record["response"]["errorClass"])
    same = said is not None and (said.message, said.error_class) == expected
    assert same != (record["name"] in OTHER_WORDS), said


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_wrong_is_told(reader: Json, seed: int) -> None:
    """Parts of the recorded queries put in other places: each is read, or refused and explained without a fault."""
    rnd = random.Random(seed)
    parts: list[Any] = [None, 5, "low", [], {}, [[]], True, 1.5]
    for record in RECORDS:
        parts.extend(record["request"].values())
    for _ in range(25):
        request = dict(rnd.choice(RECORDS)["request"])
        for name in rnd.sample(sorted(request), min(2, len(request))):
            request[name] = rnd.choice(parts)
        body = json.dumps(request).encode()
        told = ""
        try:
            reader.loads(body, Query)
        except DruidException as failure:
            told = failure.message
        said = explain(body, told)
        assert said is None or said.error_class.startswith("com.fasterxml.jackson.")
        assert "object has no attribute" not in told


def test_vectorize_may_be_a_boolean(reader: Json) -> None:
    query = {"queryType": "timeseries", "dataSource": "x", "intervals": "2000/2001", "granularity": "all"}
    read(reader, {**query, "context": {"vectorize": False}})
