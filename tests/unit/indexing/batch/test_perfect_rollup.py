"""Partitioning by value, in one task and over sub tasks: every row in its bucket, rows that are alike made one."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.parallel_bench import ParallelBench
from tests.unit.indexing.batch.test_parallel import days, local_spec
from tests.unit.ingest.helpers import converter, rows_of

from nemeton.indexing.batch.parallel.messages import GeneratedPartitionsReport, SubTaskReport
from nemeton.indexing.worker.shuffle.deep import DeepStorageIntermediaryDataManager
from nemeton.indexing.worker.shuffle.metrics import ShuffleMonitor
from nemeton.model import DataSegment, HashBasedNumberedShardSpec, SingleDimensionShardSpec, TaskState
from nemeton.segment import QueryableIndex

REFERENCE = Path(__file__).parents[3] / "data" / "reference" / "batch"
HASHED = {"type": "hashed", "numShards": 3, "partitionDimensions": ["d"]}
BY_ROWS = {"type": "hashed", "maxRowsPerSegment": 20}
RANGE = {"type": "range", "targetRowsPerSegment": 20, "partitionDimensions": ["d", "n"]}
SINGLE = {"type": "single_dim", "maxRowsPerSegment": 20, "partitionDimension": "d"}
KINDS = {"hashed": HASHED, "by_rows": BY_ROWS, "range": RANGE, "single_dim": SINGLE}
GIVEN = {"segmentGranularity": "DAY", "rollup": False, "intervals": ["2024-01-01/2024-01-04"]}
ROLLUP = {"segmentGranularity": "DAY", "queryGranularity": "DAY", "rollup": True}


def perfect(kind: dict[str, Any], **tuning: Any) -> dict[str, Any]:
    return {"partitionsSpec": kind, "forceGuaranteedRollup": True, **tuning}


def rows(segment: DataSegment) -> list[dict[str, Any]]:
    return rows_of(QueryableIndex.open((segment.load_spec or {})["path"]))


def check(segments: list[DataSegment], expected: int) -> None:
    """Each row once; in each interval the partitions are core ones, numbered without a gap."""
    assert sorted(row["n"] for segment in segments for row in rows(segment)) == list(range(expected))
    by_interval: dict[Any, list[Any]] = defaultdict(list)
    for segment in segments:
        by_interval[segment.interval].append(segment.shard_spec)
    for specs in by_interval.values():
        assert [spec.partition_num for spec in specs] == list(range(len(specs)))
        assert {spec.num_core_partitions for spec in specs} == {len(specs)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("granularity", [{}, {"granularitySpec": GIVEN}])
class TestEveryRowOnce:
    def test_in_one_task(self, kind: str, granularity: dict[str, Any], tmp_path: Path) -> None:
        tuning = perfect(KINDS[kind], maxNumConcurrentSubTasks=1)
        bench = Bench(local_spec(tmp_path, days(3, 60), tuning, **granularity), tmp_path)
        status = bench.run()
        assert status.status is TaskState.SUCCESS, status.error_msg
        check(bench.segments, 180)

    def test_over_sub_tasks(self, kind: str, granularity: dict[str, Any], tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 60), perfect(KINDS[kind]), **granularity), tmp_path)
        status = bench.run()
        assert status.status is TaskState.SUCCESS, status.error_msg
        check(bench.segments, 180)
        assert bench.payload["rowStats"]["totals"]["buildSegments"]["processed"] == 180
        assert not list((tmp_path / "tasks").rglob("index_parallel*"))  # partial segments are gone


class Sink:
    """Keeps measurements."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, Any], float] = {}

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        self.seen[name, dims["supervisorTaskId"]] = value


def test_what_is_fetched_from_a_worker_is_measured(tmp_path: Path) -> None:
    bench = ParallelBench(local_spec(tmp_path, days(2, 30), perfect(HASHED)), tmp_path)
    bench.run()
    monitor, sink = ShuffleMonitor(bench.shuffled), Sink()
    monitor.monitor(sink)
    assert sink.seen["ingest/shuffle/requests", bench.task.id] == 2 * len(bench.segments)
    assert sink.seen["ingest/shuffle/bytes", bench.task.id] > 1000
    sink.seen.clear()
    monitor.monitor(sink)
    assert not sink.seen


class TestBuckets:
    def test_rows_of_one_hash_meet_whatever_file_they_are_in(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(4, 30), perfect(HASHED)), tmp_path)
        bench.run()
        where: dict[str, set[int]] = defaultdict(set)
        for segment in bench.segments:
            spec = segment.shard_spec
            assert isinstance(spec, HashBasedNumberedShardSpec)
            assert (spec.num_buckets, spec.partition_dimensions) == (3, ["d"])
            for row in rows(segment):
                where[row["d"]].add(spec.bucket_id or 0)
        assert {len(buckets) for buckets in where.values()} == {1}
        assert len(where) == 5

    def test_ranges_are_disjoint_and_cover_all(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(4, 30), perfect(SINGLE)), tmp_path)
        bench.run()
        by_interval: dict[Any, list[DataSegment]] = defaultdict(list)
        for segment in bench.segments:
            by_interval[segment.interval].append(segment)
        for group in by_interval.values():
            bounds = []
            for segment in group:
                spec = segment.shard_spec
                assert isinstance(spec, SingleDimensionShardSpec)
                bounds.append((spec.start, spec.end))
                for row in rows(segment):
                    assert spec.start is None or row["d"] >= spec.start
                    assert spec.end is None or row["d"] < spec.end
            assert bounds[0][0] is None
            assert bounds[-1][1] is None
            assert all(one[1] == other[0] for one, other in itertools.pairwise(bounds))
            assert len(group) > 1

    def test_one_task_and_many_make_the_same_segments(self, tmp_path: Path) -> None:
        def contents(segments: list[DataSegment]) -> list[Any]:
            shown = [(str(s.interval), converter().unstructure(s.shard_spec), rows(s)) for s in segments]
            return sorted(shown, key=str)

        for kind in (HASHED, SINGLE, RANGE):
            one, many = tmp_path / f"one-{kind['type']}", tmp_path / f"many-{kind['type']}"
            for folder in (one, many):
                folder.mkdir()
            single = Bench(local_spec(one, days(3, 40), perfect(kind, maxNumConcurrentSubTasks=1)), one)
            parallel = ParallelBench(local_spec(many, days(3, 40), perfect(kind)), many)
            single.run()
            parallel.run()
            assert contents(single.segments) == contents(parallel.segments)


@pytest.mark.parametrize("kind", KINDS)
def test_rollup_is_perfect_across_files(kind: str, tmp_path: Path) -> None:
    """Rows of a day and a value stand in every file; one row of each is left, with the sums of all."""
    files = ["".join(f"2024-01-0{1 + i % 2}T0{i % 9}:00:00Z,v{i % 7},{i}\n" for i in range(56)) for _ in range(4)]
    metrics = [{"type": "count", "name": "count"}, {"type": "longSum", "name": "sum", "fieldName": "n"}]
    spec = local_spec(tmp_path, files, perfect(KINDS[kind]), granularitySpec=ROLLUP, metricsSpec=metrics)
    spec["dataSchema"]["dimensionsSpec"] = {"dimensions": ["d"]}
    if kind == "range":
        spec["tuningConfig"]["partitionsSpec"] = {**RANGE, "partitionDimensions": ["d"], "targetRowsPerSegment": 3}
    bench = ParallelBench(spec, tmp_path)
    status = bench.run()
    assert status.status is TaskState.SUCCESS, status.error_msg
    found = [(str(segment.interval)[:10], row) for segment in bench.segments for row in rows(segment)]
    assert Counter((day, row["d"]) for day, row in found) == {(d, f"v{i}"): 1 for d in DAYS for i in range(7)}
    assert sum(row["count"] for _, row in found) == 4 * 56
    assert sum(row["sum"] for _, row in found) == 4 * sum(range(56))


DAYS = ("2024-01-01", "2024-01-02")


class TestPhases:
    def test_the_sub_tasks_of_each_kind(self, tmp_path: Path) -> None:
        types = {}
        for name, kind in KINDS.items():
            folder = tmp_path / name
            folder.mkdir()
            bench = ParallelBench(local_spec(folder, days(2, 30), perfect(kind)), folder)
            bench.run()
            types[name] = list(dict.fromkeys(run.task.type for run in bench.sub_runs))
        analysed = ["partial_dimension_cardinality", "partial_index_generate", "partial_index_generic_merge"]
        ranged = ["partial_dimension_distribution", "partial_range_index_generate", "partial_index_generic_merge"]
        assert types == {"hashed": analysed, "by_rows": analysed, "range": ranged, "single_dim": ranged}

    def test_known_buckets_and_intervals_need_no_analysis(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 30), perfect(HASHED), granularitySpec=GIVEN), tmp_path)
        bench.run()
        assert {run.task.type for run in bench.sub_runs} == {"partial_index_generate", "partial_index_generic_merge"}

    def test_total_num_merge_tasks_bounds_the_last_phase(self, tmp_path: Path) -> None:
        tuning = perfect({"type": "hashed", "numShards": 8, "partitionDimensions": ["n"]}, totalNumMergeTasks=2)
        bench = ParallelBench(local_spec(tmp_path, days(2, 60), tuning), tmp_path)
        bench.run()
        assert sum(run.task.type == "partial_index_generic_merge" for run in bench.sub_runs) == 2
        check(bench.segments, 120)

    @pytest.mark.parametrize("phase", ["distribution", "generate", "merge"])
    def test_a_failure_in_any_phase_is_made_good(self, phase: str, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 40), perfect(RANGE)), tmp_path)
        failures = iter([1])

        def fail_once(task: Any) -> None:
            if phase in task.type and next(failures, None):
                raise RuntimeError("the worker is gone")

        bench.after = fail_once
        status = bench.run()
        assert status.status is TaskState.SUCCESS, status.error_msg
        assert next(failures, None) is None
        check(bench.segments, 120)

    def test_multi_values_have_no_place_among_ranges(self, tmp_path: Path) -> None:
        spec = local_spec(tmp_path, [], perfect(SINGLE, maxRetry=1))
        (tmp_path / "input" / "f.csv").write_text('{"t":"2024-01-01","d":["a","b"],"n":1}\n')
        spec["ioConfig"]["inputFormat"] = {"type": "json"}
        bench = ParallelBench(spec, tmp_path)
        assert bench.run().status is TaskState.FAILED
        assert "multi-value dimension [d]" in (bench.sub_runs[0].status.error_msg or "")

    def test_no_valid_rows_publish_nothing(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, ["never,a,1\n"], perfect(RANGE)), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert bench.overlord.published == []


class TestShuffle:
    def test_deep_storage_instead_of_workers(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 40), perfect(RANGE)), tmp_path)
        bench.shuffle = DeepStorageIntermediaryDataManager(bench.pusher)
        status = bench.run()
        assert status.status is TaskState.SUCCESS, status.error_msg
        check(bench.segments, 120)
        stats = [body for path, body in bench.sent if body["type"] == "generated_partitions_metadata"]
        assert {stat["type"] for body in stats for stat in body["partitionStats"]} == {"deepstore"}
        assert not [path for path in (tmp_path / "deep" / "shuffle-data").rglob("*") if path.is_file()]

    def test_a_partition_that_is_gone_fails_the_merge(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 20), perfect(HASHED, maxRetry=1)), tmp_path)

        def lose(task: Any) -> None:
            if task.type == "partial_index_generic_merge":
                bench.shuffle.delete_partitions(bench.task.id)

        bench.trouble = lose
        assert bench.run().status is TaskState.FAILED
        assert bench.overlord.published == []


class TestReports:
    def test_druids_report_of_partial_segments(self) -> None:
        recorded = json.loads((REFERENCE / "parallel-report-generated-partitions.json").read_text())
        report = converter().structure(recorded, SubTaskReport)
        assert isinstance(report, GeneratedPartitionsReport)
        assert converter().unstructure(report) == recorded
        location = report.partition_stats[0].location("sub", report.partition_stats[0].shard_spec.convert(0))
        assert converter().unstructure(location) == {
            "type": "local",
            "host": "localhost",
            "port": 28091,
            "useHttps": False,
            "subTaskId": "sub",
            "interval": "2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z",
            "shardSpec": {
                "type": "building_single_dim", "bucketId": 0, "dimension": "page", "start": None, "end": "p23",
                "partitionNum": 0,
            },
        }  # fmt: skip

    def test_both_reads_of_one_task_are_counted(self, tmp_path: Path) -> None:
        tuning = perfect(RANGE, maxNumConcurrentSubTasks=1)
        bench = Bench(local_spec(tmp_path, days(2, 30), tuning), tmp_path)
        bench.run()
        counts = bench.payload["rowStats"]
        assert counts["determinePartitions"]["processed"] == counts["buildSegments"]["processed"] == 60
