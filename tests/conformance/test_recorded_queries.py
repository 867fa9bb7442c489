"""Queries beyond the golden ones, whose answers a real Druid gave (`record_queries` asks for them)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.golden_engine import Cluster, golden_cluster, mismatch

RECORDS = Path(__file__).parents[1] / "data" / "reference" / "queries"

#: What is not answered as Druid does, and why that stays.
DIFFERENCES = {
    "window_partition_sort": "Druid sorts within partitions only where there is one, and at a second fails by a fault",
    "ine_lkm_l_0": "for a virtual column of `if`, though nothing reads it, Druid looks at rows one by one",
    "u_types": "longs and doubles make a column of doubles; in Druid one of longs with fractions",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with golden_cluster(tmp_path_factory.mktemp("segments")) as made:
        yield made


def all_records() -> Iterator[Any]:
    for path in sorted(RECORDS.glob("*.json")):
        for record in json.loads(path.read_text()):
            reason = DIFFERENCES.get(record["name"])
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            yield pytest.param(record, id=f"{path.stem}/{record['name']}", marks=marks)


@pytest.mark.parametrize("wire", [False, True], ids=["local", "wire"])
@pytest.mark.parametrize("record", all_records())
def test_record(cluster: Cluster, record: dict[str, Any], wire: bool) -> None:
    why = mismatch(cluster, record, wire)
    assert why is None, why
