"""The recorded SQL queries: the same request through the SQL resource, the same answer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.golden_engine import check
from tests.conformance.sql_golden_cluster import GOLDEN, GoldenCluster

EXCEPTIONS = json.loads((Path(__file__).with_name("sql_golden_exceptions.json")).read_text())
GROUPS = (
    "sql_agg", "sql_array", "sql_cast", "sql_explain", "sql_filter", "sql_format", "sql_group", "sql_join", "sql_json",
    "sql_metadata", "sql_numeric", "sql_params", "sql_rollup", "sql_scan", "sql_string", "sql_time", "sql_unnest",
    "sql_window", "errors_sql",
)  # fmt: skip


def _records(group: str) -> list[dict[str, Any]]:
    return json.loads((GOLDEN / "queries" / f"{group}.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> GoldenCluster:
    return GoldenCluster(tmp_path_factory.mktemp("golden"))


ALL = [pytest.param(record, id=record["name"]) for group in GROUPS for record in _records(group)]


@pytest.mark.parametrize("record", ALL)
def test_answers_as_druid_did(record: dict[str, Any], cluster: GoldenCluster) -> None:
    """Exceptions: ``code`` (an error in other words), ``unsupported`` (refused), ``differs`` (answered otherwise)."""
    exception = EXCEPTIONS.get(record["name"], {"how": "full", "why": ""})
    answer = cluster.send(record)
    why = check.compare(record, *answer, errors="code" if exception["how"] == "code" else "full")
    if exception["how"] in ("unsupported", "differs"):
        assert why is not None, "answered as Druid does now: take it off the list of exceptions"
        if exception["how"] == "unsupported":
            assert answer[0] in (400, 501), "what is not supported must not be answered"
        return
    assert why is None, f"{record.get('request')}: {why}"


def test_the_exceptions_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """How many records of each group are not answered as recorded, and that none of them is unknown."""
    names = {record["name"] for group in GROUPS for record in _records(group)}
    assert set(EXCEPTIONS) <= names
    counts = Counter((name.split("/")[0], entry["how"]) for name, entry in EXCEPTIONS.items())
    with capsys.disabled():
        print("\nSQL records not answered in full:", dict(sorted((f"{g} {how}", n) for (g, how), n in counts.items())))
