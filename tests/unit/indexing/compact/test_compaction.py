"""The task ``compact``: the rows stay, in fewer segments; what the spec does not say is as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.parallel_bench import ParallelBench
from tests.unit.indexing.batch.test_batch_tasks import csv_spec, rows
from tests.unit.ingest.helpers import converter

from nemeton.common.errors import DruidException
from nemeton.indexing.actions import LockTryAcquireAction
from nemeton.indexing.compact.inputs import hash_of_ids
from nemeton.indexing.compact.schemas import granularity_of
from nemeton.model import DataSegment, NumberedShardSpec, SingleDimensionShardSpec, TaskLockType, TaskState
from nemeton.segment import QueryableIndex
from nemeton.spi.indexing import Task
from nemeton.time import Interval, Period

REFERENCE = Path(__file__).parents[3] / "data" / "reference" / "batch"
TWO_DAYS = "2024-01-01/2024-01-03"
DATA = "".join(f"2024-01-0{1 + i % 2}T0{i % 10}:00:00Z,d{i % 3}|d{(i * 2) % 3},{i}\n" for i in range(40))
SMALL = {"partitionsSpec": {"type": "dynamic", "maxRowsPerSegment": 4}}
ROLLUP = {
    "dimensionsSpec": {"dimensions": ["d"]},
    "metricsSpec": [{"type": "count", "name": "count"}, {"type": "longSum", "name": "sum", "fieldName": "n"}],
    "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "HOUR", "rollup": True},
}


def stored(folder: Path, data: str = DATA, columns: str = "t d n", **schema: Any) -> list[DataSegment]:
    """Segments of at most four rows."""
    spec = csv_spec(data, SMALL, **schema)
    spec["ioConfig"]["inputFormat"] = {"type": "csv", "columns": columns.split(), "listDelimiter": "|"}
    folder.mkdir(exist_ok=True)
    bench = Bench(spec, folder)
    assert bench.run().status is TaskState.SUCCESS
    return [s.with_(version="2020-01-01T00:00:00.000Z") for s in bench.segments]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> list[DataSegment]:
    """Twenty rows each, in segments of four."""
    return stored(tmp_path_factory.mktemp("stored"))


def compact(interval: str = TWO_DAYS, io: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    io_config = {"type": "compact", "inputSpec": {"type": "interval", "interval": interval}, **(io or {})}
    return {"dataSource": "ds", "ioConfig": io_config, **more}


def compacted(folder: Path, used: list[DataSegment], task: dict[str, Any]) -> Bench:
    folder.mkdir(exist_ok=True)
    bench = Bench(task, folder, "compact", used=used)
    status = bench.run()
    assert status.status is TaskState.SUCCESS, (status.error_msg, bench.reports.written)
    assert not list(bench.work_dir.rglob("*.smoosh"))
    return bench


def published(bench: Bench) -> list[DataSegment]:
    return [s for segments in bench.overlord.published for s in segments]


def recorded(name: str) -> Any:
    return json.loads((REFERENCE / f"{name}.json").read_text())


class TestJson:
    def test_druids_task_is_read_and_written_alike(self) -> None:
        payload = recorded("compact-payload")["payload"]
        assert converter().unstructure(converter().structure(payload, Task)) == payload

    def test_what_a_coordinator_submits_is_read(self) -> None:
        """With nulls, and the tuning of an ``index_parallel``."""
        task = converter().structure(
            {
                "type": "compact",
                "id": "coordinator-issued_compact_ds_x",
                "dataSource": "ds",
                "ioConfig": {
                    "type": "compact",
                    "inputSpec": {"type": "interval", "interval": TWO_DAYS, "sha256OfSortedSegmentIds": "x"},
                    "dropExisting": False,
                },
                "tuningConfig": {"type": "index_parallel", "partitionsSpec": None, "maxNumConcurrentSubTasks": 2},
                "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": None, "rollup": None},
                "dimensionsSpec": None,
                "metricsSpec": None,
                "transformSpec": None,
                "context": {"priority": 25},
                "compactionRunner": {"type": "native"},
            },
            Task,
        )
        assert task.tuning_config.type == "compaction"
        assert converter().unstructure(task)["segmentGranularity"] == "DAY"

    @pytest.mark.parametrize(
        "older", [{"interval": TWO_DAYS}, {"segments": True}, {"interval": TWO_DAYS, "segmentGranularity": "MONTH"}]
    )
    def test_older_names(self, older: dict[str, Any], two_days: list[DataSegment]) -> None:
        if "segments" in older:
            older = {"segments": converter().unstructure(two_days)}
        task = converter().structure({"type": "compact", "dataSource": "ds", **older}, Task)
        interval = Interval.parse(TWO_DAYS)
        assert task.io_config.input_spec.find_interval("ds") == interval
        assert (task.granularity_spec is None) == ("segmentGranularity" not in older)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"ioConfig": None}, "At least one of properties"),
            ({"interval": TWO_DAYS}, "At most one of properties"),
            ({"ioConfig": {"inputSpec": {"type": "interval", "interval": "2024/2024"}}}, "is empty"),
            ({"ioConfig": {"inputSpec": {"type": "segments", "segments": []}}}, "Empty segment list"),
            ({"tuningConfig": {"type": "compaction", "awaitSegmentAvailabilityTimeoutMillis": 1}}, "not supported"),
            ({"segmentGranularity": "DAY", "granularitySpec": {"segmentGranularity": "HOUR"}}, "Conflicting segment"),
            ({"compactionRunner": {"type": "msq"}}, "compaction runner"),
            ({"projections": [{}]}, "not supported yet"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(DruidException, match=message):
            converter().structure({"type": "compact", **compact(), **change}, Task)

    def test_lookups_are_loaded_only_where_a_filter_may_want_them(self) -> None:
        plain = converter().structure({"type": "compact", **compact()}, Task)
        filtered = converter().structure({"type": "compact", **compact(transformSpec={"filter": None})}, Task)
        assert (plain.context, filtered.context) == ({"lookupLoadingMode": "NONE"}, {})
        assert plain.priority == 25


class TestWhatIsRead:
    def test_each_interval_becomes_one_segment(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        assert len(two_days) == 10
        bench = compacted(tmp_path, two_days, compact(id="compact_1"))
        assert len(bench.overlord.published) == 2  # each interval by itself
        segments = published(bench)
        assert [(str(s.interval)[:10], s.shard_spec.num_core_partitions) for s in segments] == [
            ("2024-01-01", 1),
            ("2024-01-02", 1),
        ]
        before = sorted(rows(two_days), key=lambda row: row["n"])
        assert sorted(rows(segments), key=lambda row: row["n"]) == before
        self._reports_are_like_druids(bench)

    def _reports_are_like_druids(self, bench: Bench) -> None:
        theirs, ours = recorded("compact-reports"), bench.reports.written
        assert ours.keys() == theirs.keys()
        for name in ("ingestionStatsAndErrors_0", "ingestionStatsAndErrors_1"):
            payload = ours[name]["payload"]
            assert payload.keys() == theirs[name]["payload"].keys()
            assert (payload["segmentsRead"], payload["segmentsPublished"]) == (5, 1)
            assert payload["rowStats"]["buildSegments"]["processed"] == 20
        overlords_own = {"forceTimeChunkLock": True, "useLineageBasedSegmentAllocation": True}
        context = {**ours["taskContext_1"]["payload"], **overlords_own}
        assert context == {**theirs["taskContext_1"]["payload"], "appenderatorTrackingTaskId": "compact_1"}

    def test_a_part_of_an_interval_stands_for_all_of_it(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        bench = compacted(tmp_path, two_days, compact("2024-01-01T05/2024-01-01T06"))
        assert sorted(row["n"] for row in rows(published(bench))) == list(range(0, 40, 2))

    def test_segments_by_name(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        first = [str(s.id) for s in two_days if s.interval == two_days[0].interval]
        io = {"inputSpec": {"type": "segments", "segments": first}}
        assert len(published(compacted(tmp_path, two_days, compact(io=io)))) == 1
        io = {"inputSpec": {"type": "segments", "segments": first[1:]}}
        task = converter().structure({"type": "compact", **compact(io=io)}, Task)
        with pytest.raises(DruidException, match="Specified segments in the spec are different"):
            task.is_ready(FakeUsed(two_days))

    def test_segments_by_the_hash_of_their_names(self, two_days: list[DataSegment]) -> None:
        for wanted, fits in ((hash_of_ids(reversed(two_days)), True), ("other", False)):
            spec = {"type": "interval", "interval": TWO_DAYS, "sha256OfSortedSegmentIds": wanted}
            task = converter().structure({"type": "compact", **compact(io={"inputSpec": spec})}, Task)
            assert task.io_config.input_spec.is_met_by(two_days) is fits

    def test_the_hash_is_spelled_as_java_does(self) -> None:
        """The bytes taken for UTF-8; in some there is half a surrogate pair, which is one wrong character to Java."""
        day = Interval.parse("2024-01-01/P1D")
        for number, hashed in recorded("java-hash-of-ids")["hashes"].items():
            segment = DataSegment("ds", day, "v", shard_spec=NumberedShardSpec(int(number), 0))
            assert hash_of_ids([segment]) == hashed

    def test_nothing_to_compact_is_an_error(self) -> None:
        task = converter().structure({"type": "compact", **compact()}, Task)
        with pytest.raises(DruidException, match="No segments found for compaction"):
            task.is_ready(FakeUsed([]))

    def test_rows_that_the_filter_drops_are_gone(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        wanted = {"type": "bound", "dimension": "n", "lower": "30", "ordering": "numeric"}
        bench = compacted(tmp_path, two_days, compact(transformSpec={"filter": wanted}))
        assert sorted(row["n"] for row in rows(published(bench))) == list(range(30, 40))
        state = published(bench)[0].last_compaction_state or {}
        assert state["transformSpec"]["filter"]["dimension"] == "n"


class FakeUsed:
    """An Overlord that knows the used segments."""

    def __init__(self, used: list[DataSegment]) -> None:
        self.used = used

    def submit(self, action: Any) -> Any:
        assert not isinstance(action, LockTryAcquireAction)
        return self.used


class TestWhatIsKept:
    def test_rollup_is_rolled_up_further(self, tmp_path: Path) -> None:
        """Counts are added, not counted; values of a row stay in their order."""
        before = stored(tmp_path / "stored", **ROLLUP)
        bench = compacted(tmp_path / "c", before, compact())
        segments = published(bench)
        assert len(segments) == 2
        assert sum(row["count"] for row in rows(segments)) == 40
        assert sum(row["sum"] for row in rows(segments)) == sum(range(40))
        metadata = QueryableIndex.open((segments[0].load_spec or {})["path"]).metadata
        assert metadata is not None
        assert (metadata.rollup, metadata.query_granularity) == (True, "HOUR")
        again = compacted(tmp_path / "again", segments, compact())
        assert rows(published(again)) == rows(segments)

    def test_without_rollup_in_one_segment_there_is_none(self, tmp_path: Path) -> None:
        some = stored(tmp_path / "a", "2024-01-01T05:00:01Z,x,1\n2024-01-01T05:00:02Z,x,2\n", **ROLLUP)
        fine = {**ROLLUP, "granularitySpec": {**ROLLUP["granularitySpec"], "rollup": False, "queryGranularity": "none"}}
        more = stored(tmp_path / "b", "2024-01-01T05:00:03Z,x,3\n", **fine)
        more = [s.with_(shard_spec=converter().structure(NUMBERED, type(s.shard_spec))) for s in more]
        segments = published(compacted(tmp_path / "c", [*some, *more], compact("2024-01-01/P1D")))
        metadata = QueryableIndex.open((segments[0].load_spec or {})["path"]).metadata
        assert metadata is not None
        assert (metadata.rollup, metadata.query_granularity) == (False, {"type": "none"})
        assert [row["count"] for row in rows(segments)] == [2, 1]

    def test_dimensions_are_those_of_all_segments_the_latest_first(self, tmp_path: Path) -> None:
        early = stored(tmp_path / "a", "2024-01-01,x,1\n", dimensionsSpec={"dimensions": ["n", "d"]})
        late = stored(
            tmp_path / "b", "2024-01-02,y,2\n", dimensionsSpec={"dimensions": [{"type": "long", "name": "n"}]}
        )
        task = compact(granularitySpec={"segmentGranularity": "MONTH"}, io={"allowNonAlignedInterval": True})
        segments = published(compacted(tmp_path / "c", [*early, *late], task))
        assert segments[0].dimensions == ("n", "d")
        assert [row["n"] for row in rows(segments)] == [1, 2]  # a number, as in the later segment

    def test_the_spec_comes_first(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        task = compact(
            dimensionsSpec={"dimensions": ["d"]},
            metricsSpec=[{"type": "longSum", "name": "sum", "fieldName": "n"}],
            granularitySpec={"segmentGranularity": "DAY", "queryGranularity": "DAY", "rollup": True},
        )
        segments = published(compacted(tmp_path, two_days, task))
        assert sum(row["sum"] for row in rows(segments)) == sum(range(40))
        assert {row["__time"] % 86_400_000 for row in rows(segments)} == {0}

    def test_how_it_was_done_is_noted_as_druid_does(self, tmp_path: Path) -> None:
        dimensions = ["page", "user", {"type": "long", "name": "n"}]
        data = "2024-01-01,x,a,1\n2024-01-02,y,b,2\n"
        before = stored(tmp_path / "a", data, "t page user n", dimensionsSpec={"dimensions": dimensions})
        bench = compacted(tmp_path / "c", before, compact())
        theirs = recorded("last-compaction-state")
        assert published(bench)[0].last_compaction_state == theirs
        plain = compacted(tmp_path / "d", before, compact(context={"storeCompactionState": False}))
        assert {str(s.last_compaction_state) for s in published(plain)} == {"None"}


NUMBERED = {"type": "numbered", "partitionNum": 1, "partitions": 1}


class TestIntervals:
    def test_a_coarser_granularity(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        task = compact("2024-01-01/P1M", granularitySpec={"segmentGranularity": "MONTH"})
        bench = compacted(tmp_path, two_days, task)
        assert [str(s.interval) for s in published(bench)] == ["2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z"]
        assert {str(lock.interval) for lock in bench.overlord.locks} == {
            "2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z"
        }
        assert len(rows(published(bench))) == 40

    def test_an_interval_that_cuts_a_segment_is_refused(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        """Rows of the month that are not read would be hidden."""
        task = compact(granularitySpec={"segmentGranularity": "MONTH"})
        bench = Bench(task, tmp_path, "compact", used=two_days)
        with pytest.raises(DruidException, match=r"to compact is not aligned with segmentGranularity\[MONTH\]"):
            bench.run()

    def test_drop_existing_leaves_tombstones_where_no_row_is_left(
        self, two_days: list[DataSegment], tmp_path: Path
    ) -> None:
        wanted = {"type": "interval", "dimension": "__time", "intervals": ["2024-01-01/P1D"]}
        task = compact(io={"dropExisting": True}, transformSpec={"filter": wanted})
        segments = published(compacted(tmp_path, two_days, task))
        assert [(str(s.interval)[:10], s.is_tombstone) for s in segments] == [
            ("2024-01-01", False),
            ("2024-01-02", True),
        ]
        assert all(s.last_compaction_state for s in segments)

    def test_when_one_interval_fails_the_others_are_done(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        second = two_days[-1].interval
        broken = [
            s.with_(load_spec={"type": "local", "path": "/nowhere"}) if s.interval == second else s for s in two_days
        ]
        task = compact(
            dimensionsSpec={"dimensions": ["n"]},
            metricsSpec=[],
            granularitySpec={"queryGranularity": "NONE", "rollup": False},
        )
        bench = Bench(task, tmp_path, "compact", used=broken)
        status = bench.run()
        assert (status.status, status.error_msg) == (TaskState.FAILED, "Ran [2] specs, [1] succeeded, [1] failed")
        assert len(published(bench)) == 1
        assert "/nowhere" in bench.reports.written["ingestionStatsAndErrors_1"]["payload"]["errorMsg"]

    def test_concurrent_locks_are_replace_locks(self, two_days: list[DataSegment]) -> None:
        task = converter().structure({"type": "compact", **compact(context={"useConcurrentLocks": True})}, Task)
        seen: list[Any] = []

        class Overlord(FakeUsed):
            def submit(self, action: Any) -> Any:
                if isinstance(action, LockTryAcquireAction):
                    seen.append(action)
                    return None
                return self.used

        assert not task.is_ready(Overlord(two_days))
        assert [(a.lock_type, str(a.interval)[:10]) for a in seen] == [(TaskLockType.REPLACE, "2024-01-01")]

    @given(
        st.integers(-5000 * 86_400, 20_000 * 86_400),
        st.lists(st.integers(0, 70), min_size=8, max_size=8),
    )
    def test_periods_are_what_lies_between(self, start: int, drawn: list[int]) -> None:
        end = Period(*drawn).add_to(start)
        period = Period.between(start, end)
        at = start
        for units in (period.units[:1], (0, *period.units[1:2])):
            at = Period(*units).add_to(at)
        rest = Period(0, 0, *period.units[2:])
        assert rest.add_to(at) == end
        bounds = (None, 11, 4, 6, 23, 59, 59, 999)
        assert all(
            count >= 0 and (bound is None or count <= bound) for count, bound in zip(period.units, bounds, strict=True)
        )

    @pytest.mark.parametrize(
        ("interval", "name"),
        [
            ("2024-01-01/P1D", "DAY"), ("2024-01-01/P3D", "DAY"), ("2024-01-01/P1W", "WEEK"),
            ("2024-02-01/P1M", "MONTH"),
            ("2024-04-01/P3M", "QUARTER"), ("2024-01-01/P1Y", "YEAR"), ("2024-01-01/PT6H", "SIX_HOUR"),
            ("2024-01-01/PT15M", "FIFTEEN_MINUTE"), ("2024-01-01/PT1S", "SECOND"),
        ],
    )  # fmt: skip
    def test_the_granularity_of_an_interval(self, interval: str, name: str) -> None:
        assert granularity_of(Interval.parse(interval)).to_json() == name

    @pytest.mark.parametrize("interval", ["2024-01-01/PT7H", "2024-01-01/P2M", "2024-01-01/P1DT1H"])
    def test_an_interval_of_no_granularity(self, interval: str) -> None:
        with pytest.raises(DruidException, match="Granularity is not supported"):
            granularity_of(Interval.parse(interval))


class TestWork:
    def test_partitions_by_value(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        ranges = {"type": "single_dim", "maxRowsPerSegment": 8, "partitionDimension": "n"}
        task = compact(tuningConfig={"type": "compaction", "forceGuaranteedRollup": True, "partitionsSpec": ranges})
        segments = published(compacted(tmp_path, two_days, task))
        assert all(isinstance(s.shard_spec, SingleDimensionShardSpec) for s in segments)
        assert len(rows(segments)) == 40
        assert (segments[0].last_compaction_state or {})["partitionsSpec"]["type"] == "single_dim"

    @pytest.mark.parametrize("partitions", [{"type": "dynamic"}, {"type": "hashed", "numShards": 2}])
    def test_over_sub_tasks(self, partitions: dict[str, Any], two_days: list[DataSegment], tmp_path: Path) -> None:
        tuning = {
            "type": "compaction", "maxNumConcurrentSubTasks": 2, "taskStatusCheckPeriodMs": 20,
            "forceGuaranteedRollup": partitions["type"] != "dynamic", "partitionsSpec": partitions,
            "splitHintSpec": {"type": "segments", "maxNumSegments": 3},
        }  # fmt: skip
        bench = ParallelBench(compact(tuningConfig=tuning), tmp_path, type="compact")
        bench.overlord.used = two_days
        assert bench.run().status is TaskState.SUCCESS
        segments = [s for group in bench.overlord.published for s in group]
        assert sorted(row["n"] for row in rows(segments)) == list(range(40))
        assert all(s.shard_spec.num_core_partitions == 2 for s in segments)
        reports = bench.runs[bench.task.id].reports.written
        assert reports["ingestionStatsAndErrors_1"]["payload"]["segmentsRead"] == 5
        assert all(run.task.priority == 25 for run in bench.sub_runs)

    def test_it_can_be_stopped(self, two_days: list[DataSegment], tmp_path: Path) -> None:
        bench = Bench(compact(), tmp_path, "compact", used=two_days)
        bench.task.stop_gracefully()
        with pytest.raises(DruidException, match="was stopped"):
            bench.run()
        assert not bench.overlord.published
