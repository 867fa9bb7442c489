"""What Druid 33 made of the same specs: rows, dictionaries, bitmaps, order of rows, metadata."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.ingest.helpers import GOLDEN, Ingested, converter, golden_spec, values_of

from nemeton.segment import IndexSpec, QueryableIndex
from nemeton.segment.columns import StringColumn

AGGREGATORS = {
    "count", "longSum", "longMin", "longMax", "doubleSum", "doubleMin", "doubleMax", "floatSum", "floatMin", "floatMax",
    "HLLSketchBuild", "thetaSketch", "quantilesDoublesSketch", "hyperUnique",
}  # fmt: skip


def druid_segments(name: str, folder: Path, only_partition: int | None = None) -> list[QueryableIndex]:
    found = []
    for archive in (GOLDEN / "segments" / name).glob("*/*/index.zip"):
        partition = int(archive.parent.name)
        if only_partition in (None, partition):
            place = folder / archive.parent.parent.name / archive.parent.name
            zipfile.ZipFile(archive).extractall(place)
            found.append((partition, QueryableIndex.open(place)))
    return [index for _, index in sorted(found, key=lambda item: (item[1].interval, item[0]))]


def supported(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec without columns that cannot be ingested yet."""
    schema = spec["spec"]["dataSchema"]
    schema["metricsSpec"] = [a for a in schema["metricsSpec"] if a["type"] in AGGREGATORS]
    return spec


def comparable(value: Any) -> Any:
    """Of an HLL sketch in its second form, a table of coupons, the order depends on how it was merged."""
    if isinstance(value, bytes) and value[:3] == b"\x03\x01\x07":
        return value[:12], sorted(value[at : at + 4] for at in range(12, len(value), 4))
    return value


def assert_same(ours: QueryableIndex, druids: QueryableIndex) -> None:
    assert ours.interval == druids.interval
    assert ours.num_rows == druids.num_rows
    for name in ours.column_names:
        one, other = ours.column(name), druids.column(name)
        assert one is not None
        assert other is not None
        assert (type(one), one.type) == (type(other), other.type)
        assert [comparable(value) for value in values_of(ours, name)] == [
            comparable(value) for value in values_of(druids, name)
        ], name
        if isinstance(one, StringColumn):
            assert one.values_list() == other.values_list(), name
            assert one.has_bitmap_index == other.has_bitmap_index, name
            if one.has_bitmap_index:
                codes = range(min(one.cardinality, 200))
                assert [one.bitmap(c) for c in codes] == [other.bitmap(c) for c in codes], name


@pytest.mark.parametrize(
    "name", ["flights", "mixed_csv", "mixed_tsv", "mixed_flatten", "mixed_transform", "mixed_discover"]
)
def test_whole_segments_are_druids(name: str, tmp_path: Path) -> None:
    ingested = Ingested(golden_spec(f"{name}.1")["spec"], tmp_path / "ours")
    druids = druid_segments(name, tmp_path / "druids")
    assert len(ingested.segments) == len(druids)
    for ours, other in zip(ingested.segments, druids, strict=True):
        assert_same(ours, other)
        assert ours.column_names == other.column_names
        assert ours.metadata == other.metadata
    assert ingested.meters.processed == sum(index.num_rows for index in druids)
    assert ingested.meters.processed_with_error == 0


@pytest.mark.parametrize(
    "name",
    ["mixed", "mixed_zstd", "mixed_lzf", "mixed_longauto", "mixed_concise", "mixed_uncompressed", "flights_rollup_day"],
)
def test_segments_with_values_of_all_types_are_druids(name: str, tmp_path: Path) -> None:
    spec = golden_spec(f"{name}.1")["spec"]
    index_spec = converter().structure(spec["tuningConfig"].get("indexSpec") or {}, IndexSpec).check()
    ingested = Ingested(spec, tmp_path / "ours", index_spec=index_spec)
    druids = druid_segments(name, tmp_path / "druids", only_partition=0)
    assert len(ingested.segments) == len(druids)
    for ours, other in zip(ingested.segments, druids, strict=True):
        assert_same(ours, other)
        assert ours.column_names == other.column_names
        assert ours.metadata == other.metadata
        assert internal_files(ours) == internal_files(other)
    assert sum(map(size_of, ingested.segments)) <= 1.05 * sum(map(size_of, druids))


def size_of(index: QueryableIndex) -> int:
    return sum(entry.end - entry.start for entry in index._smoosh.entries.values())


def internal_files(index: QueryableIndex) -> list[str]:
    return sorted(index._smoosh.entries)


@pytest.mark.parametrize("name", ["flights_rollup", "flights_rollup_day"])
def test_supported_columns_are_druids(name: str, tmp_path: Path) -> None:
    whole, spec = golden_spec(f"{name}.1"), supported(golden_spec(f"{name}.1"))
    ingested = Ingested(spec["spec"], tmp_path / "ours")
    druids = druid_segments(name, tmp_path / "druids", only_partition=0)
    assert len(ingested.segments) == len(druids)
    for ours, other in zip(ingested.segments, druids, strict=True):
        assert_same(ours, other)
        if spec == whole:
            assert ours.metadata == other.metadata


@pytest.mark.parametrize("name", ["flights", "flights_rollup", "flights_rollup_day"])
def test_runs_on_disk_give_the_same_segments(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nemeton.ingest.formats.delimited.CHUNK_BYTES", 300_000)
    spec = supported(golden_spec(f"{name}.1"))["spec"]
    ingested = Ingested(spec, tmp_path / "ours", run_bytes=1)
    assert ingested.runs_spilled > 10
    for ours, other in zip(ingested.segments, druid_segments(name, tmp_path / "druids"), strict=True):
        assert_same(ours, other)


def test_partitions_are_in_the_order_of_arrival(tmp_path: Path) -> None:
    spec = golden_spec("mixed_dynamic.1")["spec"]
    ingested = Ingested(spec, tmp_path / "ours", max_rows_per_segment=600)
    druids = druid_segments("mixed_dynamic", tmp_path / "druids")
    assert [index.num_rows for index in ingested.segments] == [600] * 4
    for ours, other in zip(ingested.segments, druids, strict=True):
        assert_same(ours, other)
