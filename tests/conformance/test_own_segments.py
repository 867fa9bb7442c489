"""What our ingestion makes of the golden specs: the segments that Druid made, and its answers to the golden queries.

The whole takes minutes and is slow; some data sources stand for all in ``make test``. Records that may differ are
listed, with reasons, in ``own_segments_exceptions.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.own_segments_cluster import (
    EXCEPTIONS,
    GROUPS,
    SPECS,
    OwnSegments,
    data_source,
    golden_segments,
    records,
)
from tests.unit.ingest.helpers import values_of
from tests.unit.ingest.test_golden import comparable

pytestmark = pytest.mark.xdist_group("own_segments")

SOME = ["mixed_flatten.1", "mixed_hashed.1", "mixed_transform.1"]
#: Sketches whose bytes depend on chance, or on the order in which parts were merged.
BY_CHANCE = ("quantilesDoublesSketch", "thetaSketch", "HLLSketch")


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSegments]:
    with OwnSegments(tmp_path_factory.mktemp("some")) as cluster:
        cluster.ingest(SOME)
        yield cluster


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSegments]:
    with OwnSegments(tmp_path_factory.mktemp("all")) as cluster:
        cluster.ingest(SPECS)
        cluster.take_lookups()
        yield cluster


def check_answers(cluster: OwnSegments, asked: list[dict[str, Any]]) -> None:
    found = {record["name"]: cluster.mistake(record) for record in asked if record["name"] not in EXCEPTIONS}
    assert {name: why for name, why in found.items() if why is not None} == {}


def placed(segments: Iterator[Any]) -> dict[Any, Any]:
    """By interval and bucket, or partition: which bucket has which partition is nobody's promise."""
    out = {}
    for segment, index in segments:
        shard = dict(segment["shardSpec"])
        number = shard.get("partitionNum", 0)
        if "bucketId" in shard:
            number = shard["bucketId"]
            del shard["partitionNum"]
        out[segment["interval"], number] = ({**segment, "shardSpec": shard}, index)
    return out


def check_segments(cluster: OwnSegments, name: str, scratch: Path) -> None:
    """The same intervals, shards, rows in the same order, and columns."""
    ours, druids = placed(cluster.segments(name)), placed(golden_segments(name, scratch))
    assert ours.keys() == druids.keys()
    for place, (segment, index) in ours.items():
        other, druid = druids[place]
        assert segment["shardSpec"] == other["shardSpec"], place
        assert (segment["dimensions"], segment["metrics"]) == (other["dimensions"], other["metrics"]), place
        assert index.num_rows == druid.num_rows, place
        assert index.column_names == druid.column_names, place
        for column in index.column_names:
            kind = str(druid.column(column).type)
            assert str(index.column(column).type) == kind, column
            if any(word in kind for word in BY_CHANCE):
                continue
            mine, theirs = values_of(index, column), values_of(druid, column)
            assert list(map(comparable, mine)) == list(map(comparable, theirs)), (place, column)


@pytest.mark.parametrize("spec", SOME)
def test_some_segments_are_druids(some: OwnSegments, spec: str, tmp_path: Path) -> None:
    check_segments(some, data_source(spec), tmp_path)


def test_some_answers_are_druids(some: OwnSegments) -> None:
    names = [data_source(spec) for spec in SOME]
    asked = [record for group in GROUPS for record in records(group, names)]
    assert asked
    check_answers(some, asked)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(set(map(data_source, SPECS))))
def test_segments_are_druids(everything: OwnSegments, name: str, tmp_path: Path) -> None:
    check_segments(everything, name, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_druids(everything: OwnSegments, group: str) -> None:
    check_answers(everything, records(group))
