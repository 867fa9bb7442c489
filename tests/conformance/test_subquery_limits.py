"""Queries whose inner queries give more than they may, and limits that are none: answered as a real Druid did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.golden_engine import Cluster, check, golden_cluster

RECORDS = json.loads((Path(__file__).parents[1] / "data" / "reference" / "subquery_limits.json").read_text())
#: Druid 33 has no rows where it keeps those of the inner query as frames: such an answer is not held against ours.
LOST = ("bytes_auto", "bytes_AUTO", "bytes_1000000", "bytes_2000", "bytes_5000", "bytes_rows_", "bytes_scan_")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with golden_cluster(tmp_path_factory.mktemp("segments")) as made:
        yield made


@pytest.mark.parametrize("record", [pytest.param(r, id=r["name"]) for r in RECORDS])
def test_it_is_answered_or_refused_in_the_same_words(cluster: Cluster, record: dict[str, Any]) -> None:
    status, text = cluster.answer(record["request"])
    assert status == record["status"], text
    expected = record["response"]
    if status == 200:
        if not record["name"].startswith(LOST):
            assert check.compare(record, status, "application/json", {}, text) is None
        return
    told = json.loads(text)
    for key in ("error", "errorCode", "category", "persona", "errorMessage"):
        assert told[key] == expected[key]


RESTRICTED = json.loads((Path(__file__).parents[1] / "data" / "reference" / "restricted.json").read_text())


@pytest.mark.parametrize("record", [pytest.param(r, id=r["name"]) for r in RESTRICTED])
def test_restricted_tables_are_refused(cluster: Cluster, record: dict[str, Any]) -> None:
    status, text = cluster.answer(record["request"])
    expected = record["response"]["errorMessage"]
    assert status in (400, 500), text
    if expected.startswith("No restriction found on table"):
        assert status == 500
        told = json.loads(text)
        assert told["errorMessage"].split(", but had")[0] == expected.split(", but had")[0]
        assert told["errorClass"] == "org.apache.druid.java.util.common.ISE"
        assert ("NO_RESTRICTION" in told["errorMessage"]) == ("NO_RESTRICTION" in expected)
