"""What an ingestion tells of itself (Druid's ``ingest/count`` and ``ingest/segments/count``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.test_batch_tasks import DIMENSIONS, THREE_DAYS, csv_spec

from nemeton.model import DataSegment
from nemeton.time import Interval


class Emitted:
    def __init__(self) -> None:
        self.metrics: list[tuple[str, float]] = []
        self.dims: dict[str, Any] = {}

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        self.metrics.append((name, value))
        self.dims = dims


def run(bench: Bench, **parts: Any) -> Emitted:
    emitted = Emitted()
    assert bench.task.is_ready(bench.overlord)
    bench.task.run(attrs.evolve(bench.toolbox(), emitter=emitted, **parts))
    return emitted


@pytest.mark.parametrize(
    ("io", "mode"),
    [
        ({}, "REPLACE_LEGACY"),
        ({"appendToExisting": True}, "APPEND"),
        ({"dropExisting": True}, "REPLACE"),
    ],
)
def test_it_counts_itself_and_its_segments_with_what_becomes_of_those_there_were(
    tmp_path: Path, io: dict[str, Any], mode: str
) -> None:
    days = {"granularitySpec": {"segmentGranularity": "DAY", "intervals": ["2024-01-01/2024-01-04"]}}
    used = [DataSegment("ds", Interval.parse("2024-01-02/P1D"), "v")]  # a day without rows
    bench = Bench(csv_spec(THREE_DAYS, io=io, dimensionsSpec=DIMENSIONS, **days), tmp_path, used=used)
    emitted = run(bench)
    published = bench.overlord.published[0]
    assert emitted.metrics == [
        ("ingest/count", 1),
        ("ingest/tombstones/count", sum(segment.is_tombstone for segment in published)),
        ("ingest/segments/count", len(published)),
    ]
    assert len(published) == (3 if mode == "REPLACE" else 2)
    assert emitted.dims == {
        "taskId": bench.task.id,
        "groupId": bench.task.group_id,
        "taskType": "index_parallel",
        "dataSource": bench.task.data_source,
        "taskIngestionMode": mode,
    }


def test_one_that_fails_has_no_segments(tmp_path: Path) -> None:
    emitted = run(Bench(csv_spec(THREE_DAYS), tmp_path, refuse_publish="no"))
    assert emitted.metrics == [("ingest/count", 1)]


class Coordinator:
    def is_handoff_complete(self, data_source: str, descriptor: Any) -> bool:
        return True


def test_the_wait_for_historicals_and_the_tags_of_the_task_are_told(tmp_path: Path) -> None:
    spec = csv_spec(THREE_DAYS, tuning={"type": "index_parallel", "awaitSegmentAvailabilityTimeoutMillis": 1000})
    bench = Bench({"spec": spec, "context": {"tags": {"team": "a"}}}, tmp_path)
    emitted = run(bench, coordinator_client=Coordinator())
    assert [name for name, _ in emitted.metrics][1] == "task/segmentAvailability/wait/time"
    assert emitted.dims["tags"] == {"team": "a"}
