"""The batch tasks from the outside: a spec goes in; segments, a status and a report come out."""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.indexing.batch.fakes import PUBLISHING, VERSION, Bench
from tests.unit.ingest.helpers import converter, golden_spec, inline_spec, rows_of

from nemeton.common.errors import DruidException
from nemeton.indexing.actions import (
    LockTryAcquireAction,
    SegmentAllocateAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalReplaceAction,
)
from nemeton.model import DataSegment, TaskState
from nemeton.segment import QueryableIndex
from nemeton.spi.indexing import Task
from nemeton.time import Interval

CSV = {"type": "csv", "columns": ["t", "d", "n"]}
DIMENSIONS = {"dimensions": ["d", {"type": "long", "name": "n"}]}
REFERENCE = Path(__file__).parents[3] / "data" / "reference" / "batch"


def csv_spec(data: str, tuning: dict[str, Any] | None = None, io: dict[str, Any] | None = None, **schema: Any) -> Any:
    spec = inline_spec(data, CSV, **{"dimensionsSpec": DIMENSIONS, **schema})
    spec["ioConfig"].update(io or {})
    spec["tuningConfig"] = tuning or {}
    return spec


def rows(segments: list[DataSegment]) -> list[dict[str, Any]]:
    return [row for s in segments for row in rows_of(QueryableIndex.open((s.load_spec or {})["path"]))]


def granularity(**changes: Any) -> dict[str, Any]:
    return {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False, **changes}


THREE_DAYS = "2024-01-01T05:00:00Z,a,1\n2024-01-03,b,2\n2024-01-01,c,3\n"


class TestReplace:
    def test_each_interval_gets_segments_of_the_locks_version(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert [str(s.interval)[:10] for s in bench.segments] == ["2024-01-01", "2024-01-03"]
        assert {s.version for s in bench.segments} == {VERSION}
        assert [(s.shard_spec.partition_num, s.shard_spec.num_core_partitions) for s in bench.segments] == [(0, 1)] * 2
        assert [row["d"] for row in rows(bench.segments)] == ["c", "a", "b"]
        first = bench.segments[0]
        assert (first.dimensions, first.metrics, first.binary_version) == (("d", "n"), (), 9)
        assert first.size > 0
        # Neighbouring days would be one lock; these two are not neighbours.
        assert [str(lock.interval)[:10] for lock in bench.overlord.locks] == ["2024-01-01", "2024-01-03"]

    def test_intervals_of_the_spec_are_locked_before_and_bound_the_input(self, tmp_path: Path) -> None:
        spec = csv_spec(THREE_DAYS, granularitySpec=granularity(intervals=["2024-01-01T00/2024-01-02T12"]))
        bench = Bench(spec, tmp_path)
        assert bench.task.is_ready(bench.overlord)
        assert [str(lock.interval) for lock in bench.overlord.locks] == [
            "2024-01-01T00:00:00.000Z/2024-01-03T00:00:00.000Z"
        ]
        assert bench.task.run(bench.toolbox()).status is TaskState.SUCCESS
        assert bench.totals["thrownAway"] == 1
        assert bench.totals["processed"] == 2

    def test_a_taken_interval_is_not_ready(self, tmp_path: Path) -> None:
        spec = csv_spec(THREE_DAYS, granularitySpec=granularity(intervals=["2024-01-01/P1D"]))
        bench = Bench(spec, tmp_path, refuse_locks=True)
        assert not bench.task.is_ready(bench.overlord)

    def test_rows_beyond_the_bound_make_partitions_that_are_complete_together(self, tmp_path: Path) -> None:
        data = "".join(f"2024-01-01,r{i},{i}\n" for i in range(25))
        bench = Bench(csv_spec(data, {"partitionsSpec": {"type": "dynamic", "maxRowsPerSegment": 10}}), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert [s.partition_num for s in bench.segments] == [0, 1, 2]
        assert {s.shard_spec.num_core_partitions for s in bench.segments} == {3}
        assert sorted(row["n"] for row in rows(bench.segments)) == list(range(25))

    def test_max_total_rows_pushes_early_and_loses_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("nemeton.ingest.formats.delimited.CHUNK_BYTES", 64)
        data = "".join(f"2024-01-01,r{i},{i}\n" for i in range(40))
        bench = Bench(csv_spec(data, {"partitionsSpec": {"type": "dynamic", "maxTotalRows": 10}}), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert len(bench.segments) > 2
        assert {s.shard_spec.num_core_partitions for s in bench.segments} == {len(bench.segments)}
        assert sorted(row["n"] for row in rows(bench.segments)) == list(range(40))

    def test_drop_existing_leaves_tombstones(self, tmp_path: Path) -> None:
        spec = csv_spec(
            THREE_DAYS, io={"dropExisting": True}, granularitySpec=granularity(intervals=["2024-01-01/2024-01-05"])
        )
        old = [DataSegment("ds", Interval.parse(f"2024-01-0{day}/P1D"), "v") for day in (1, 2)]
        bench = Bench(spec, tmp_path, used=old)
        assert bench.run().status is TaskState.SUCCESS
        assert [(str(s.interval)[:10], s.is_tombstone) for s in bench.segments] == [
            ("2024-01-01", False),
            ("2024-01-02", True),
            ("2024-01-03", False),
        ]

    def test_arbitrary_intervals(self, tmp_path: Path) -> None:
        spec = csv_spec(
            THREE_DAYS,
            granularitySpec={
                "type": "arbitrary",
                "rollup": False,
                "intervals": ["2024-01-01/2024-01-03T00", "2024-01-03/P1Y"],
            },
        )
        bench = Bench(spec, tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert [str(s.interval)[:10] for s in bench.segments] == ["2024-01-01", "2024-01-03"]


class TestAppend:
    def test_ids_come_from_the_overlord(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS, io={"appendToExisting": True}), tmp_path, kind="index")
        assert bench.task.group_id == "index_append_ds"
        assert bench.run().status is TaskState.SUCCESS
        asked = [action for action in bench.overlord.actions if isinstance(action, SegmentAllocateAction)]
        assert [action.sequence_name for action in asked] == [bench.task.id] * 2
        assert asked[1].previous_segment_id == "ds_2024-01-01T00:00:00.000Z_2024-01-02T00:00:00.000Z_v0_1"
        assert [(s.version, s.partition_num) for s in bench.segments] == [("v0", 1), ("v0", 2)]


class TestConcurrentLocks:
    """With ``useConcurrentLocks`` appends and replacements go side by side, each by an action of its own."""

    @pytest.mark.parametrize(
        ("io", "kind", "action"),
        [
            ({"appendToExisting": True}, "APPEND", SegmentTransactionalAppendAction),
            ({}, "REPLACE", SegmentTransactionalReplaceAction),
        ],
    )
    def test_locks_and_publish_are_of_one_kind(
        self, io: dict[str, Any], kind: str, action: type, tmp_path: Path
    ) -> None:
        spec = csv_spec(THREE_DAYS, io=io, granularitySpec=granularity(intervals=["2024-01-01/2024-01-05"]))
        bench = Bench({"spec": spec, "context": {"useConcurrentLocks": True}}, tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        asked = bench.overlord.actions
        assert {str(a.lock_type) for a in asked if isinstance(a, LockTryAcquireAction)} == {kind}
        assert {str(a.task_lock_type) for a in asked if isinstance(a, SegmentAllocateAction)} <= {kind}
        assert [type(a) for a in asked if isinstance(a, PUBLISHING)] == [action]


class TestReport:
    def test_it_looks_as_druids(self, tmp_path: Path) -> None:
        recorded = json.loads((REFERENCE / "single-append-reports.json").read_text())
        bench = Bench(csv_spec(THREE_DAYS), tmp_path)
        bench.run()
        ours = bench.reports.written
        assert list(ours) == list(recorded)
        theirs = recorded["ingestionStatsAndErrors"]["payload"]
        assert list(bench.payload) == list(theirs)
        assert bench.payload["rowStats"].keys() == theirs["rowStats"].keys()
        assert bench.totals.keys() == theirs["rowStats"]["buildSegments"].keys()
        assert bench.payload["unparseableEvents"] == theirs["unparseableEvents"] == {}
        assert bench.payload["segmentsPublished"] == 2
        assert bench.totals["processedBytes"] == len(THREE_DAYS)

    def test_bad_rows_are_counted_and_shown(self, tmp_path: Path) -> None:
        data = "2024-01-01,a,1\nnever,b,2\n2024-01-01,c,many\n"
        bench = Bench(csv_spec(data, {"maxSavedParseExceptions": 5}), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert bench.totals == {
            "processed": 1,
            "processedBytes": len(data),
            "processedWithError": 1,
            "thrownAway": 0,
            "unparseable": 1,
        }
        bad, unreadable = bench.payload["unparseableEvents"]["buildSegments"]
        assert bad["errorType"] == "processedWithError"
        assert bad["details"] == ["Could not convert value [many] to long for dimension [n]."]
        assert unreadable["errorType"] == "unparseable"
        assert unreadable["details"] == ["Timestamp[never] is unparseable! Event: {t=never, d=b, n=2}"]
        assert rows(bench.segments)[1] == {"__time": 1704067200000, "d": "c", "n": None}

    def test_too_many_bad_rows_fail(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec("x,a,1\ny,b,2\n2024-01-01,c,3\n", {"maxParseExceptions": 1}), tmp_path)
        status = bench.run()
        assert status.status is TaskState.FAILED
        assert "Max parse exceptions[1] exceeded" in str(status.error_msg)
        assert bench.payload["errorMsg"] == "Max parse exceptions[1] exceeded"
        assert bench.payload["ingestionState"] == "BUILD_SEGMENTS"
        assert not bench.overlord.published

    def test_a_running_task_answers(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS), tmp_path)
        bench.run()
        assert bench.chat.handlers == {}
        routes = bench.chat.seen[0].chat_routes()
        live = routes["GET", "liveReports"](None)["ingestionStatsAndErrors"]["payload"]
        assert live["rowStats"]["totals"]["buildSegments"]["processed"] == 3
        assert routes["GET", "rowStats"](None)["totals"]["buildSegments"]["processed"] == 3
        assert routes["GET", "unparseableEvents"](None) == {}


class TestFailures:
    def test_a_file_that_is_missing(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        source = {"type": "local", "files": [str(tmp_path / "none.csv")]}
        status = Bench(csv_spec("x", io={"inputSource": source}), tmp_path).run()
        assert status.status is TaskState.FAILED
        assert str(status.error_msg).startswith("Input file [")  # a status holds a hundred characters, as in Druid
        assert "none.csv] does not exist" in caplog.text

    @pytest.mark.parametrize("content", [b"", b"t,d,n\n"])
    def test_no_rows_is_success_without_segments(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.csv").write_bytes(content)
        io = {
            "inputSource": {"type": "local", "baseDir": str(tmp_path / "in"), "filter": "*.csv"},
            "inputFormat": {"type": "csv", "findColumnsFromHeader": True},
        }
        bench = Bench(csv_spec("x", io=io), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert bench.overlord.published == []
        assert bench.payload["segmentsPublished"] == 0

    def test_a_truncated_gzip(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        whole = gzip.compress(("2024-01-01,a,1\n" * 5000).encode(), mtime=0)
        (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
        source = {"type": "local", "baseDir": str(tmp_path), "filter": "*.gz"}
        status = Bench(csv_spec("x", io={"inputSource": source}), tmp_path).run()
        assert status.status is TaskState.FAILED
        assert str(status.error_msg).startswith("Input [file:")
        assert "a.csv.gz] is truncated" in caplog.text  # a status keeps 100 characters, as Druid's does

    def test_an_input_that_is_not_what_it_says(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 50)
        source = {"type": "local", "baseDir": str(tmp_path), "filter": "*.csv"}
        bench = Bench(csv_spec("x", io={"inputSource": source}), tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert bench.totals["processed"] == 0
        assert bench.totals["unparseable"] > 0

    def test_a_full_disk(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS), tmp_path)
        bench.pusher.failure = OSError(errno.ENOSPC, "No space left on device", "/deep/x")
        status = bench.run()
        assert status.status is TaskState.FAILED
        assert str(status.error_msg).startswith("No space left on device while writing [/deep/x]")
        assert list(bench.work_dir.iterdir()) == []

    def test_a_publish_that_is_refused(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS), tmp_path, refuse_publish="locks are gone")
        status = bench.run()
        assert status.status is TaskState.FAILED
        assert status.error_msg == "Failed to publish segments. locks are gone"

    def test_stopping_publishes_nothing(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec(THREE_DAYS), tmp_path)
        bench.task.stop_gracefully()
        assert bench.run().status is TaskState.FAILED
        assert bench.overlord.published == []


class TestSpecs:
    @pytest.mark.parametrize("name", ["append-dynamic", "single-append", "fail-input"])
    def test_druids_recorded_tasks_come_back_as_they_were(self, name: str) -> None:
        recorded = json.loads((REFERENCE / f"{name}-payload.json").read_text())["payload"]
        assert converter().unstructure(converter().structure(recorded, Task)) == recorded

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"dataSchema": {"dataSource": ""}}, "dataSource"),
            ({"dataSchema": {"timestampSpec": None}}, "timestampSpec is required"),
            ({"ioConfig": {"inputFormat": None}}, "inputFormat is required"),
            ({"ioConfig": {"inputFormat": {"type": "avro"}}}, "Unknown input format type [avro]; known types are"),
            ({"ioConfig": {"inputSource": {"type": "tape"}}}, "Unknown input source type [tape]"),
            ({"ioConfig": {"appendToExisting": True, "dropExisting": True}}, "Cannot both drop existing segments"),
            ({"ioConfig": {"dropExisting": True}}, "intervals cannot be empty for replace"),
            ({"tuningConfig": {"partitionsSpec": {"type": "hashed"}}}, "must be used for best-effort rollup"),
            (
                {"tuningConfig": {"forceGuaranteedRollup": True, "partitionsSpec": {"type": "dynamic"}}},
                "forceGuaranteedRollup is incompatible with partitionsSpec: dynamic partitions unsupported",
            ),
            (
                {"tuningConfig": {"forceGuaranteedRollup": True}, "ioConfig": {"appendToExisting": True}},
                "Perfect rollup cannot be guaranteed when appending",
            ),
            ({"dataSchema": {"dimensionsSpec": {"dimensions": ["a", "a"]}}}, "more than once"),
        ],
    )
    def test_a_bad_spec_is_refused(self, change: dict[str, Any], message: str) -> None:
        spec = csv_spec(THREE_DAYS)
        for part, values in change.items():
            spec[part].update(values)
        with pytest.raises(DruidException) as caught:
            converter().structure({"type": "index_parallel", "spec": spec}, Task)
        assert message in caught.value.message
        assert caught.value.category in ("INVALID_INPUT", "UNSUPPORTED")

    def test_http_protocols_are_bound(self) -> None:
        spec = csv_spec("x", io={"inputSource": {"type": "http", "uris": ["file:///etc/passwd"]}})
        with pytest.raises(DruidException, match=r"Only \[http, https\] protocols are allowed"):
            converter().structure({"type": "index_parallel", "spec": spec}, Task)


def test_the_sample_task(tmp_path: Path) -> None:
    bench = Bench(golden_spec("flights.1")["spec"], tmp_path)
    assert bench.run().status is TaskState.SUCCESS
    assert [len(rows([s])) for s in bench.segments] == [26865, 24936, 8199]
