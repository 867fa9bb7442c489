"""The input source ``druid``: the rows that count in an interval, by segment, each once."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.parallel_bench import ParallelBench
from tests.unit.indexing.batch.test_batch_tasks import csv_spec, rows
from tests.unit.ingest.helpers import GOLDEN, converter, rows_of

from nemeton.common.errors import DruidException
from nemeton.indexing.input.druid import DruidInputSource
from nemeton.indexing.input.windows import WindowedSegmentId, visible_windows
from nemeton.model import DataSegment, NumberedShardSpec, TaskState
from nemeton.segment import QueryableIndex
from nemeton.segment.object_columns import ObjectColumn
from nemeton.spi.ingest import InputSource
from nemeton.time import Interval

DAYS = "".join(f"2024-01-0{1 + i % 3}T0{i % 10}:00:00Z,d{i % 5},{i}\n" for i in range(30))
TIME = {"timestampSpec": {"column": "__time", "format": "millis"}}
WHOLE = "2024-01-01/2024-01-04"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[DataSegment]:
    """Three days of ten rows, in segments of four rows."""
    tuning = {"partitionsSpec": {"type": "dynamic", "maxRowsPerSegment": 4}}
    bench = Bench(csv_spec(DAYS, tuning), tmp_path_factory.mktemp("stored"))
    assert bench.run().status is TaskState.SUCCESS
    return bench.segments


def spec_of(source: dict[str, Any], **schema: Any) -> dict[str, Any]:
    spec = csv_spec("-", **{**TIME, **schema})
    spec["ioConfig"] = {"inputSource": {"type": "druid", "dataSource": "ds", **source}}
    return spec


def reindexed(
    folder: Path, used: list[DataSegment], source: dict[str, Any], **schema: Any
) -> tuple[Bench, list[dict[str, Any]]]:
    bench = Bench(spec_of(source, **schema), folder, used=used)
    status = bench.run()
    assert status.status is TaskState.SUCCESS, status.error_msg
    assert not list(bench.work_dir.rglob("*.smoosh"))
    return bench, rows(bench.segments)


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return sorted(row["n"] for row in found)


class TestRows:
    def test_all_come_again(self, stored: list[DataSegment], tmp_path: Path) -> None:
        bench, found = reindexed(tmp_path, stored, {"interval": WHOLE})
        assert sorted(found, key=lambda row: row["n"]) == sorted(rows(stored), key=lambda row: row["n"])
        assert bench.payload["segmentsRead"] == len(stored) == 9
        sizes = [path.stat().st_size for s in stored for path in Path((s.load_spec or {})["path"]).iterdir()]
        assert bench.totals == {
            "processed": 30, "processedBytes": sum(sizes), "processedWithError": 0, "thrownAway": 0, "unparseable": 0,
        }  # fmt: skip

    def test_only_those_in_the_interval(self, stored: list[DataSegment], tmp_path: Path) -> None:
        interval = "2024-01-01T04/2024-01-02T04"
        _, found = reindexed(tmp_path, stored, {"interval": interval})
        inside = Interval.parse(interval)
        assert numbers(found) == numbers([row for row in rows(stored) if inside.start <= row["__time"] < inside.end])

    def test_a_filter(self, stored: list[DataSegment], tmp_path: Path) -> None:
        wanted = {"type": "selector", "dimension": "d", "value": "d3"}
        _, found = reindexed(
            tmp_path, stored, {"interval": WHOLE, "filter": wanted}, dimensionsSpec={"dimensions": ["n"]}
        )
        assert [int(row["n"]) % 5 for row in found] == [3] * 6

    def test_dimensions_are_found_where_none_are_given(self, stored: list[DataSegment], tmp_path: Path) -> None:
        _, found = reindexed(tmp_path, stored, {"interval": WHOLE}, dimensionsSpec={"dimensions": []})
        assert {tuple(row) for row in found} == {("__time", "d", "n")}
        assert sorted(int(row["n"]) for row in found) == list(range(30))

    def test_rollup_transforms_and_metrics(self, stored: list[DataSegment], tmp_path: Path) -> None:
        _, found = reindexed(
            tmp_path,
            stored,
            {"interval": WHOLE},
            dimensionsSpec={"dimensions": ["e"]},
            metricsSpec=[{"type": "longSum", "name": "sum", "fieldName": "n"}, {"type": "count", "name": "count"}],
            granularitySpec={"segmentGranularity": "MONTH", "queryGranularity": "MONTH", "rollup": True},
            transformSpec={"transforms": [{"type": "expression", "name": "e", "expression": "concat(d, '!')"}]},
        )
        assert [(row["e"], row["sum"], row["count"]) for row in found] == [
            (f"d{i}!", sum(range(i, 30, 5)), 6) for i in range(5)
        ]

    @pytest.mark.parametrize("ignores", [False, True])
    def test_the_timestamp_spec_counts_unless_it_is_to_be_ignored(
        self, stored: list[DataSegment], tmp_path: Path, ignores: bool
    ) -> None:
        spec = spec_of({"interval": WHOLE}, timestampSpec={"column": "n", "format": "posix"})
        bench = Bench(spec, tmp_path, used=stored)
        toolbox = bench.toolbox()
        config = evolve(toolbox.config, ignore_timestamp_spec_for_druid_input_source=ignores)
        assert bench.task.run(evolve(toolbox, config=config)).status is TaskState.SUCCESS
        assert {s.interval.start == 0 for s in bench.segments} == {not ignores}

    @pytest.mark.parametrize("name", ["mixed", "mixed_concise", "mixed_rollup"])
    def test_druids_segments_are_read(self, name: str, tmp_path: Path) -> None:
        """Values of all types and multiple values stay what they are; a row without values is null, as to Druid."""
        used, expected = [], []
        for archive in sorted((GOLDEN / "segments" / name).glob("*/*/index.zip")):
            descriptor = json.loads((archive.parent / "descriptor.json").read_text())
            load_spec = {"type": "local", "path": str(archive)}
            used.append(converter().structure({**descriptor, "loadSpec": load_spec}, DataSegment))
            place = tmp_path / "druids" / archive.parent.parent.name / archive.parent.name
            zipfile.ZipFile(archive).extractall(place)
            expected.append(QueryableIndex.open(place))
        columns = {c: expected[0].column(c) for c in expected[0].column_names}
        types = {c: str(column.type) for c, column in columns.items() if not isinstance(column, ObjectColumn)}
        kinds = {c: types[c].lower() for c in expected[0].dimensions if c in types}
        dimensions = [{"type": kind, "name": c, "multiValueHandling": "ARRAY"} for c, kind in kinds.items()]
        metrics = [
            {"type": f"{types[c].lower()}Sum", "name": c, "fieldName": c} for c in expected[0].metrics if c in types
        ]
        _, found = reindexed(
            tmp_path,
            used,
            {"dataSource": used[0].data_source, "interval": "2000-01-01/2030-01-01"},
            dimensionsSpec={"dimensions": dimensions},
            metricsSpec=metrics,
        )
        names = ["__time", *kinds, *(m["name"] for m in metrics)]
        theirs = [row for index in expected for row in rows_of(index, names)]
        ours = [{c: row.get(c) for c in names} for row in found]
        assert sorted(map(str, ours)) == sorted(str(row).replace("[]", "[None]") for row in theirs)


class TestWhatCounts:
    def test_newer_segments_hide_older_ones_where_they_are(self, stored: list[DataSegment], tmp_path: Path) -> None:
        """A newer half day: the older day's rows count in the other half only."""
        old = [s for s in stored if str(s.interval).startswith("2024-01-01")]
        half = Interval.parse("2024-01-01/2024-01-01T05")
        newer = old[0].with_(interval=half, version="9", shard_spec=NumberedShardSpec(0, 1))
        _, found = reindexed(tmp_path, [*old, newer], {"interval": "2024-01-01/P1D"})
        expected = [row for row in rows([old[0]]) if row["__time"] < half.end]
        expected += [row for row in rows(old) if row["__time"] >= half.end]
        assert numbers(found) == numbers(expected)

    def test_tombstones_are_empty(self, stored: list[DataSegment], tmp_path: Path) -> None:
        shard = {"type": "tombstone", "partitionNum": 0, "partitions": 1}
        gone = converter().structure(
            {
                "dataSource": "ds", "interval": "2024-01-01/2024-01-02", "version": "9", "shardSpec": shard,
                "loadSpec": {"type": "tombstone"}, "size": 1, "dimensions": "", "metrics": "", "binaryVersion": 0,
            },
            DataSegment,
        )  # fmt: skip
        bench, found = reindexed(tmp_path, [*stored, gone], {"interval": WHOLE})
        assert len(found) == 20
        assert bench.payload["segmentsRead"] == 7

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 10), st.integers(0, 3)), min_size=1, max_size=8))
    def test_each_instant_is_read_from_its_newest_segment(self, drawn: list[tuple[int, int, int]]) -> None:
        segments = list(
            {
                DataSegment("ds", Interval(start, start + length), str(version), shard_spec=NumberedShardSpec(0, 1))
                for start, length, version in drawn
            }
        )
        windows = visible_windows(segments, Interval(3, 12))
        for instant in range(22):
            holding = [w.segment for w in windows for i in w.intervals if i.start <= instant < i.end]
            there = [s for s in segments if s.interval.start <= instant < s.interval.end]
            newest = max((s.version for s in there), default=None)
            assert len(holding) == (1 if there and 3 <= instant < 12 else 0)
            assert {s.version for s in holding} <= {newest}


class TestSplits:
    def test_segments_are_grouped_by_size_and_number(self, stored: list[DataSegment], tmp_path: Path) -> None:
        source = converter().structure({"type": "druid", "dataSource": "ds", "interval": WHOLE}, InputSource)
        bound = source.for_task(Bench(spec_of({"interval": WHOLE}), tmp_path, used=stored).toolbox())
        splits = list(bound.splits(1 << 30, 2))
        assert [len(split.segments) for split in splits] == [2, 2, 2, 2, 1]
        assert [id_.segment_id for split in splits for id_ in split.segments] == sorted(str(s.id) for s in stored)
        assert len(list(bound.splits(1, 1000))) == 9
        assert converter().unstructure(splits[4]) == {
            "type": "druid",
            "dataSource": "ds",
            "segments": [
                {
                    "segmentId": str(stored[-1].id),
                    "intervals": ["2024-01-03T00:00:00.000Z/2024-01-04T00:00:00.000Z"],
                }
            ],
        }

    def test_sub_tasks_read_every_row_once(self, stored: list[DataSegment], tmp_path: Path) -> None:
        spec = spec_of({"interval": WHOLE})
        hint = {"type": "segments", "maxNumSegments": 2}
        spec["tuningConfig"] = {
            "maxNumConcurrentSubTasks": 2, "taskStatusCheckPeriodMs": 20, "splitHintSpec": hint,
        }  # fmt: skip
        bench = ParallelBench(spec, tmp_path)
        bench.overlord.used = stored
        assert bench.run().status is TaskState.SUCCESS
        assert len(bench.sub_runs) == 5
        assert numbers(rows(bench.segments)) == list(range(30))
        assert bench.payload["segmentsRead"] == 9


class TestRefused:
    @pytest.mark.parametrize("wrong", [{}, {"interval": WHOLE, "segments": []}])
    def test_interval_or_segments(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(DruidException, match="Specify exactly one of 'interval' and 'segments'"):
            converter().structure({"type": "druid", "dataSource": "ds", **wrong}, InputSource)

    def test_segments_that_are_not_there(self, tmp_path: Path) -> None:
        wanted = [WindowedSegmentId("ds_2024", (Interval(0, 1),))]
        bench = Bench(spec_of({"segments": converter().unstructure(wanted)}), tmp_path)
        status = bench.run()
        assert "Segment [ds_2024] to read does not exist" in (status.error_msg or "")

    def test_windows_that_overlap(self, stored: list[DataSegment], tmp_path: Path) -> None:
        day = Interval.parse("2024-01-01/P1D")
        wanted = [
            WindowedSegmentId(str(stored[0].id), (day,)),
            WindowedSegmentId(str(stored[1].id), (Interval(day.start, day.end + 1),)),
        ]
        bench = Bench(spec_of({"segments": converter().unstructure(wanted)}), tmp_path, used=stored)
        assert "may not overlap" in (bench.run().error_msg or "")

    def test_what_cannot_be_pulled(self, stored: list[DataSegment], tmp_path: Path) -> None:
        lost = [s.with_(load_spec={"type": "local", "path": "/nowhere"}) for s in stored]
        bench = Bench(spec_of({"interval": WHOLE}), tmp_path, used=lost)
        assert "/nowhere" in (bench.run().error_msg or "")

    def test_a_timestamp_spec_is_required(self) -> None:
        with pytest.raises(DruidException, match="timestampSpec is required"):
            Bench(spec_of({"interval": WHOLE}, timestampSpec=None), Path("/"))

    def test_it_is_read_by_a_task_only(self) -> None:
        source = DruidInputSource(data_source="ds", interval=Interval(0, 1))
        with pytest.raises(DruidException, match="by a task only"):
            list(source.splits(1, 1))
