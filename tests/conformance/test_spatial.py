"""The spatial filter over a segment with R-trees that a real Druid wrote, and over texts, answered as it answered."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.golden_engine import Cluster, mismatch

from nemeton.segment.index import QueryableIndex
from nemeton.segment.zipped import unpack_zip
from nemeton.time import ETERNITY, Interval

DATA = Path(__file__).parents[1] / "data"
RECORDS = json.loads((DATA / "reference" / "spatial.json").read_text())
TREE = "by the tree nulls are outside; in Druid not for aggregators' filters, but also under another name"
DIFFERENCES = {
    **dict.fromkeys(["sp_filtered_agg_coord", "sp_filtered_agg_at", "sp_virtual_not_cc"], TREE),
    "sp_at_radius_neg": "below 0 Druid's answer depends on the form of its tree",
}


class Places(Cluster):
    @functools.cache  # noqa: B019
    def segments(self, data_source: str) -> list[tuple[str, Interval, QueryableIndex]]:
        where = self.folder / data_source
        where.mkdir()
        unpack_zip(DATA / "segments" / data_source / "index.zip", where)
        return [(f"{data_source}_{ETERNITY}", ETERNITY, QueryableIndex.open(where))]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Places(tmp_path_factory.mktemp("segments"))
    yield made
    for _, _, segment in made.segments("places"):
        segment.close()


def all_records() -> Iterator[Any]:
    for record in RECORDS:
        reason = DIFFERENCES.get(record["name"])
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        yield pytest.param(record, id=record["name"], marks=marks)


@pytest.mark.parametrize("record", all_records())
def test_record(cluster: Cluster, record: dict[str, Any]) -> None:
    why = mismatch(cluster, record, wire=True)
    assert why is None, why


def test_a_spatial_dimension_tells_of_its_tree(cluster: Cluster) -> None:
    ((_, _, segment),) = cluster.segments("places")
    assert [segment.column(name).spatial_dimensions for name in ("coord", "at", "plain")] == [2, 2, 0]
