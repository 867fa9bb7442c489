"""Native queries over the golden segments, straight through the engine, against the answers that Druid recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conformance.golden_engine import GOLDEN, Cluster, golden_cluster, mismatch

GROUPS = (
    "timeseries",
    "topn",
    "groupby",
    "scan",
    "filters",
    "aggregators",
    "dimensions",
    "expressions",
    "metadata",
    "search",
)

#: Records that are not answered as Druid does yet, by reason. An entry that has come right fails the test: remove it.
NOT_YET: dict[str, tuple[str, ...]] = {
    "Druid breaks off in the midst of its answer where a document is null": ("expressions/vc_json_merge_nest_q_1_",),
}
REASONS = {f"native_{name}": reason for reason, names in NOT_YET.items() for name in names}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with golden_cluster(tmp_path_factory.mktemp("segments")) as made:
        yield made


def records(group: str) -> list[dict[str, Any]]:
    return json.loads((GOLDEN / "queries" / f"native_{group}.json").read_text())


def all_records() -> Iterator[Any]:
    for group in GROUPS:
        for record in records(group):
            name = record["name"]
            marks = [pytest.mark.xfail(reason=REASONS[name], strict=True)] if name in REASONS else []
            yield pytest.param(record, id=name, marks=marks)


@pytest.mark.parametrize("wire", [False, True], ids=["local", "wire"])
@pytest.mark.parametrize("record", all_records())
def test_record(cluster: Cluster, record: dict[str, Any], wire: bool) -> None:
    why = mismatch(cluster, record, wire)
    assert why is None, why
