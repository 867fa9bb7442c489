"""Segments of Druid with values of all types, read as rows and written again, and merged: what a compaction does."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from tests.unit.ingest.helpers import GOLDEN, converter, golden_spec, values_of

from nemeton.indexing.compact.analysis import _schema_of
from nemeton.indexing.input.segment_rows import SegmentRowsReader
from nemeton.ingest.index.builder import SegmentBuilder
from nemeton.ingest.index.merge import merge_segments
from nemeton.ingest.meters import ParseExceptionHandler, RowMeters
from nemeton.ingest.reader import InputSourceReader
from nemeton.ingest.schema import DataSchema, DimensionsSpec, TimestampSpec
from nemeton.segment import IndexSpec, QueryableIndex


class SegmentSource:
    """An input source of one segment."""

    needs_format = False

    def __init__(self, folder: Path, index: QueryableIndex) -> None:
        self.folder, self.interval = folder, index.interval

    def frames(self, schema: Any, problems: Any) -> Iterator[tuple[Any, int]]:
        for frame in SegmentRowsReader(schema).frames(self.folder, (self.interval,)):
            yield frame, 0


def druid_segment(name: str, folder: Path) -> Path:
    place = sorted((GOLDEN / "segments" / name).glob("*/*/index.zip"))[0]
    zipfile.ZipFile(place).extractall(folder)
    return folder


def schema_again(name: str, index: QueryableIndex) -> DataSchema:
    """The schema by which a compaction writes the segment again."""
    schema = converter().structure(golden_spec(f"{name}.1")["spec"]["dataSchema"], DataSchema)
    dimensions = [_schema_of(index, dimension) for dimension in index.dimensions]
    return evolve(
        schema,
        timestamp_spec=TimestampSpec(column="__time", format="millis"),
        dimensions_spec=DimensionsSpec(dimensions=dimensions),
        metrics_spec=tuple(factory.combining_factory() for factory in schema.metrics_spec),
    )


def assert_same_rows(ours: QueryableIndex, druids: QueryableIndex) -> None:
    assert ours.num_rows == druids.num_rows
    for name in druids.column_names:
        one, other = ours.column(name), druids.column(name)
        assert (type(one), str(one.type)) == (type(other), str(other.type)), name
        assert [_shown(v) for v in values_of(ours, name)] == [_shown(v) for v in values_of(druids, name)], name


def _shown(value: Any) -> Any:
    """A row without values and one with null alone are one to Druid, too."""
    return [None] if value == [] and isinstance(value, list) else value


@pytest.mark.parametrize("name", ["mixed", "flights_rollup_day"])
@pytest.mark.parametrize("run_rows", [100, 1_000_000])
def test_a_segment_read_as_rows_and_written_again_is_the_same(name: str, run_rows: int, tmp_path: Path) -> None:
    folder = druid_segment(name, tmp_path / "druid")
    druids = QueryableIndex.open(folder)
    schema = schema_again(name, druids)
    meters = RowMeters()
    reader = InputSourceReader(
        schema,
        SegmentSource(folder, druids),  # type: ignore[arg-type]
        None,
        meters,
        ParseExceptionHandler(meters),
    )
    builder = SegmentBuilder(schema, tmp_path / "work", converter(), run_rows=run_rows)
    for batch in reader.batches():
        builder.add(batch)
    (pending,) = builder.segments()
    pending.write(tmp_path / "ours")
    builder.close()
    assert meters.processed_with_error == 0
    assert_same_rows(QueryableIndex.open(tmp_path / "ours"), druids)


@pytest.mark.parametrize("name", ["mixed", "flights_rollup_day"])
def test_segments_merged_keep_values_of_all_types(name: str, tmp_path: Path) -> None:
    folder = druid_segment(name, tmp_path / "druid")
    druids = QueryableIndex.open(folder)
    schema = converter().structure(golden_spec(f"{name}.1")["spec"]["dataSchema"], DataSchema)
    merge_segments(
        [folder], tmp_path / "ours", druids.interval, schema=schema, index_spec=IndexSpec(), json=converter()
    )
    ours = QueryableIndex.open(tmp_path / "ours")
    assert_same_rows(ours, druids)
    assert ours.metadata == druids.metadata
