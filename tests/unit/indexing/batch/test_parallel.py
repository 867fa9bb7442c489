"""``index_parallel`` over sub tasks from the outside: rows, segments, reports, retries, what may be asked meanwhile."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.indexing.batch.parallel_bench import ParallelBench
from tests.unit.ingest.helpers import converter, inline_spec, rows_of

from nemeton.indexing.actions import LockAcquireAction, SegmentAllocateAction
from nemeton.indexing.batch.parallel.messages import PushedSegmentsReport, SegmentAllocationRequest, SubTaskReport
from nemeton.model import NumberedShardSpec, TaskState
from nemeton.segment import QueryableIndex
from nemeton.spi.http import Request

CSV = {"type": "csv", "columns": ["t", "d", "n"]}
REFERENCE = Path(__file__).parents[3] / "data" / "reference" / "batch"


def local_spec(
    folder: Path,
    files: list[str],
    tuning: dict[str, Any] | None = None,
    io: dict[str, Any] | None = None,
    **schema: Any,
) -> dict[str, Any]:
    """A spec over files with these texts, one split each, at most two sub tasks at a time."""
    inputs = folder / "input"
    inputs.mkdir()
    for i, text in enumerate(files):
        (inputs / f"f{i}.csv").write_text(text)
    spec = inline_spec("-", CSV, dimensionsSpec={"dimensions": ["d", {"type": "long", "name": "n"}]}, **schema)
    source = {"type": "local", "baseDir": str(inputs), "filter": "*.csv"}
    spec["ioConfig"] = {**spec["ioConfig"], "inputSource": source, **(io or {})}
    spec["tuningConfig"] = {
        "maxNumConcurrentSubTasks": 2,
        "taskStatusCheckPeriodMs": 20,
        "chatHandlerNumRetries": 1,
        "splitHintSpec": {"type": "maxSize", "maxNumFiles": 1},
        **(tuning or {}),
    }
    return spec


def days(files: int, rows: int) -> list[str]:
    """Files of rows that are spread over three days; each row's n is its own."""
    return [
        "".join(f"2024-01-0{1 + i % 3}T0{i % 10}:00:00Z,d{i % 5},{file * rows + i}\n" for i in range(rows))
        for file in range(files)
    ]


def all_n(bench: ParallelBench) -> list[int]:
    indexes = [QueryableIndex.open((s.load_spec or {})["path"]) for s in bench.segments if not s.is_tombstone]
    return sorted(row["n"] for index in indexes for row in rows_of(index))


def run(bench: ParallelBench) -> None:
    status = bench.run()
    assert status.status is TaskState.SUCCESS, status.error_msg


class TestReplace:
    def test_every_row_once_in_core_partitions_of_one_version(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(5, 30)), tmp_path)
        run(bench)
        assert all_n(bench) == list(range(150))
        assert len(bench.sub_runs) == 5
        assert bench.most_at_once <= 2
        by_day: dict[str, list[NumberedShardSpec]] = {}
        for segment in bench.segments:
            by_day.setdefault(str(segment.interval), []).append(segment.shard_spec)
        assert len(by_day) == 3
        for specs in by_day.values():
            assert [spec.partition_num for spec in specs] == list(range(5))
            assert {spec.num_core_partitions for spec in specs} == {5}
            assert all(isinstance(spec, NumberedShardSpec) for spec in specs)

    def test_it_is_published_once_by_the_supervisor_task(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 4)), tmp_path)
        run(bench)
        assert len(bench.overlord.published) == 1
        assert {run.task.type for run in bench.sub_runs} == {"single_phase_sub_task"}
        assert {run.task.group_id for run in bench.sub_runs} == {bench.task.id}

    def test_given_intervals_bound_the_input_and_are_locked_once(self, tmp_path: Path) -> None:
        granularity = {"segmentGranularity": "DAY", "rollup": False, "intervals": ["2024-01-01/2024-01-03"]}
        bench = ParallelBench(local_spec(tmp_path, days(2, 30), granularitySpec=granularity), tmp_path)
        run(bench)
        assert len(bench.segments) == 4
        assert len(all_n(bench)) == 40
        assert bench.payload["rowStats"]["totals"]["buildSegments"]["thrownAway"] == 20
        assert not any(isinstance(action, LockAcquireAction) for action in bench.overlord.actions)

    def test_drop_existing_leaves_tombstones(self, tmp_path: Path) -> None:
        from nemeton.model import DataSegment
        from nemeton.time import Interval

        granularity = {"segmentGranularity": "DAY", "rollup": False, "intervals": ["2024-01-01/2024-01-06"]}
        spec = local_spec(tmp_path, days(2, 3), io={"dropExisting": True}, granularitySpec=granularity)
        bench = ParallelBench(spec, tmp_path)
        bench.overlord.used = [DataSegment("ds", Interval.parse(f"2024-01-0{day}/P1D"), "v") for day in (1, 5)]
        run(bench)
        assert [str(s.interval)[:10] for s in bench.segments if s.is_tombstone] == ["2024-01-05"]

    def test_one_sub_task_at_most_means_none(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 3), {"maxNumConcurrentSubTasks": 1}), tmp_path)
        run(bench)
        assert bench.sub_runs == []
        assert all_n(bench) == list(range(6))

    def test_an_empty_input_publishes_nothing(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, []), tmp_path)
        run(bench)
        assert bench.overlord.published == []


class TestAppend:
    def test_ids_come_from_the_overlord_in_the_supervisor_tasks_name(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 6), io={"appendToExisting": True}), tmp_path)
        run(bench)
        asked = [action for action in bench.overlord.actions if isinstance(action, SegmentAllocateAction)]
        assert {action.sequence_name for action in asked} == {f"{bench.task.id}_0", f"{bench.task.id}_1"}
        assert len(bench.segments) == 6
        assert all_n(bench) == list(range(12))


class TestRetries:
    def test_a_failed_sub_task_is_tried_again_and_rows_are_there_once(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 10)), tmp_path)
        failures = iter([1])

        def fail_once(task: Any) -> None:
            if task.subtask_spec_id.endswith("_1") and next(failures, None):
                raise RuntimeError("the worker is gone")

        bench.trouble = fail_once
        run(bench)
        assert all_n(bench) == list(range(30))
        attempts = [r.task.num_attempts for r in bench.sub_runs if r.task.subtask_spec_id.endswith("_1")]
        assert attempts == [0, 1]

    def test_one_that_fails_after_its_report_counts_once(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 10)), tmp_path)
        failures = iter([1])

        def fail_late(task: Any) -> None:
            if next(failures, None):
                raise RuntimeError("killed between its report and its end")

        bench.after = fail_late
        run(bench)
        assert len(bench.sub_runs) == 3
        assert all_n(bench) == list(range(20))
        assert bench.payload["rowStats"]["totals"]["buildSegments"]["processed"] == 20

    def test_max_retry_bounds_the_tries_and_the_others_are_cancelled(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 10), {"maxRetry": 2}), tmp_path)
        release = threading.Event()

        def fail_or_wait(task: Any) -> None:
            if task.subtask_spec_id.endswith("_0"):
                raise RuntimeError("always")
            release.wait(20)

        bench.trouble = fail_or_wait
        original = bench.overlord.submit
        assert original
        threading.Timer(1.0, release.set).start()
        status = bench.run()
        assert status.status is TaskState.FAILED
        assert "segment generation" in (status.error_msg or "")
        tries = [r for r in bench.sub_runs if r.task.subtask_spec_id.endswith("_0")]
        assert len(tries) == 2
        assert [r.task.id for r in bench.sub_runs if r.task.subtask_spec_id.endswith("_1")] == bench.cancelled
        assert bench.overlord.published == []

    def test_stopping_the_supervisor_task_cancels_its_sub_tasks(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(2, 10)), tmp_path)
        release = threading.Event()

        def stop(task: Any) -> None:
            bench.task.stop_gracefully()
            release.wait(20)

        bench.trouble = stop
        threading.Timer(0.5, release.set).start()
        assert bench.run().status is TaskState.FAILED
        assert len(bench.cancelled) >= 1
        assert bench.overlord.published == []

    def test_the_report_of_a_sub_task_that_was_given_up_is_refused(self, tmp_path: Path) -> None:
        from nemeton.common.errors import DruidException
        from nemeton.indexing.batch.parallel.monitor import TaskMonitor

        monitor = TaskMonitor(None, 3)  # type: ignore[arg-type]
        with pytest.raises(DruidException, match="not waited for"):
            monitor.collect(PushedSegmentsReport(task_id="zombie", segments=[]))

    def test_attempts_get_the_same_ids(self, tmp_path: Path) -> None:
        from nemeton.indexing.batch.parallel.supervisor import parallel_job

        bench = ParallelBench(local_spec(tmp_path, days(1, 3)), tmp_path)
        toolbox = bench.toolbox(bench.task, None)  # type: ignore[arg-type]
        job = parallel_job(bench.task, bench.task.spec, toolbox, lambda: None)  # type: ignore[attr-defined]
        assert job is not None
        first = job.allocate(SegmentAllocationRequest(timestamp=1_704_067_200_000, sequence_name="a"))
        other = job.allocate(SegmentAllocationRequest(timestamp=1_704_067_200_000, sequence_name="b"))
        second = job.allocate(
            SegmentAllocationRequest(timestamp=1_704_067_200_000, sequence_name="a", prev_segment_id=str(first))
        )
        assert [str(s).rpartition("Z")[2] for s in (first, other, second)] == ["", "_1", "_2"]
        again = SegmentAllocationRequest(timestamp=1_704_067_200_000, sequence_name="a")
        assert job.allocate(again) == first
        assert (
            job.allocate(
                SegmentAllocationRequest(timestamp=1_704_067_200_000, sequence_name="a", prev_segment_id=str(first))
            )
            == second
        )


class TestReports:
    def test_the_final_report_is_druids(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(3, 10)), tmp_path)
        run(bench)
        assert bench.payload["ingestionState"] == "COMPLETED"
        assert bench.payload["unparseableEvents"] == {"buildSegments": []}
        counts = bench.payload["rowStats"]["totals"]["buildSegments"]
        assert counts == {
            "processed": 30,
            "processedBytes": sum(len(text) for text in days(3, 10)),
            "processedWithError": 0,
            "thrownAway": 0,
            "unparseable": 0,
        }
        assert bench.payload["segmentsPublished"] == 9

    def test_samples_of_what_cannot_be_parsed_come_from_the_sub_tasks(self, tmp_path: Path) -> None:
        files = [*days(1, 3), "never,d,1\n"]
        bench = ParallelBench(local_spec(tmp_path, files, {"maxSavedParseExceptions": 3}), tmp_path)
        run(bench)
        assert bench.payload["rowStats"]["totals"]["buildSegments"]["unparseable"] == 1
        assert "never" in bench.payload["unparseableEvents"]["buildSegments"][0]["details"][0]

    def test_what_sub_tasks_send_is_what_druids_send(self, tmp_path: Path) -> None:
        bench = ParallelBench(local_spec(tmp_path, days(1, 3)), tmp_path)
        run(bench)
        paths = [path for path, _ in bench.sent]
        assert paths == ["segment/allocate"] * 3 + ["report"]
        assert list(bench.sent[0][1]) == ["timestamp", "sequenceName", "prevSegmentId"]
        report = bench.sent[-1][1]
        assert list(report) == [
            "type", "taskId", "oldSegments", "segments", "taskReport", "segmentSchemaMapping",
        ]  # fmt: skip
        assert report["segments"][0]["shardSpec"] == {"type": "building_numbered", "partitionId": 0}
        assert list(report["taskReport"]) == ["ingestionStatsAndErrors"]


class TestChat:
    @pytest.fixture
    def asked(self, tmp_path: Path) -> dict[str, Any]:
        """What the end points answer while a sub task runs."""
        bench = ParallelBench(local_spec(tmp_path, days(2, 10)), tmp_path)
        found: dict[str, Any] = {}
        lock = threading.Lock()

        def ask(task: Any) -> None:
            with lock:
                if found or not task.subtask_spec_id.endswith("_1"):
                    return
                routes = bench.chat.handlers[bench.task.id].chat_routes()
                for (method, path), handler in routes.items():
                    if method == "GET":
                        answer = handler(Request(method, path))
                        shown = getattr(answer, "json", answer)
                        found[path] = converter().unstructure(shown if shown is not None else answer.body)
                found["id"], found["task"] = bench.task.id, task.id

        bench.trouble = ask
        run(bench)
        return found

    def test_phase_progress_and_mode(self, asked: dict[str, Any]) -> None:
        assert asked["mode"] == "parallel"
        assert asked["phase"] == "segment generation"
        assert list(asked["progress"]) == [
            "running", "succeeded", "failed", "complete", "total", "estimatedExpectedSucceeded",
        ]  # fmt: skip
        assert asked["progress"]["estimatedExpectedSucceeded"] == 2

    def test_sub_tasks(self, asked: dict[str, Any]) -> None:
        assert asked["task"] in asked["subtasks/running"]
        spec_id = f"{asked['id']}_1"
        spec = asked[f"subtaskspec/{spec_id}"]
        assert list(spec) == ["id", "groupId", "supervisorTaskId", "context", "inputSplit", "ingestionSpec"]
        assert spec["inputSplit"]["split"][0].endswith("f1.csv")
        assert list(asked[f"subtaskspec/{spec_id}/state"]) == ["spec", "currentStatus", "taskHistory"]
        assert spec_id in [s["id"] for s in asked["subtaskspecs"]]

    def test_live_row_stats(self, asked: dict[str, Any]) -> None:
        assert set(asked["rowStats"]["totals"]["buildSegments"]) >= {"processed", "thrownAway"}
        assert asked["liveReports"]["ingestionStatsAndErrors"]["payload"]["ingestionState"] == "BUILD_SEGMENTS"


def test_reports_are_read_as_druid_writes_them() -> None:
    recorded = json.loads(
        (
            Path(__file__).parents[3] / "data" / "reference" / "batch" / "parallel-report-pushed-segments.json"
        ).read_text()
    )
    report = converter().structure(recorded, SubTaskReport)
    assert isinstance(report, PushedSegmentsReport)
    written = converter().unstructure(report)
    assert list(written) == list(recorded)
    assert written["segments"][0].keys() >= {"dataSource", "interval", "version", "loadSpec", "shardSpec", "size"}
