"""What an ingestion tells of itself (Druid's ``ingest/count`` and ``ingest/segments/count``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.test_batch_tasks import DIMENSIONS, THREE_DAYS, csv_spec


class Emitted:
    def __init__(self) -> None:
        self.metrics: list[tuple[str, float]] = []
        self.dims: dict[str, Any] = {}

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        self.metrics.append((name, value))
        self.dims = dims


def run(bench: Bench) -> Emitted:
    emitted = Emitted()
    assert bench.task.is_ready(bench.overlord)
    bench.task.run(attrs.evolve(bench.toolbox(), emitter=emitted))  # type: ignore[arg-type]
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
    bench = Bench(csv_spec(THREE_DAYS, io=io, dimensionsSpec=DIMENSIONS, **days), tmp_path)
    emitted = run(bench)
    assert emitted.metrics == [("ingest/count", 1), ("ingest/segments/count", len(bench.overlord.published[0]))]
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
