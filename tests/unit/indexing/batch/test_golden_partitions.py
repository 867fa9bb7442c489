"""What our tasks make of the golden specs that divide rows by value: Druid's rows in Druid's partitions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.parallel_bench import ParallelBench
from tests.unit.ingest.helpers import GOLDEN, converter, golden_spec
from tests.unit.ingest.test_golden import assert_same, supported

from nemeton.model import TaskState
from nemeton.segment import QueryableIndex


def bucket_of(shard_spec: dict[str, Any]) -> Any:
    """A partition without its number: Druid numbers buckets as it meets them when one task does all of the work."""
    return tuple(
        sorted((key, str(value)) for key, value in shard_spec.items() if key not in ("partitionNum", "identifier"))
    )


def druids(name: str, folder: Path) -> dict[Any, QueryableIndex]:
    out = {}
    for archive in (GOLDEN / "segments" / name).glob("*/*/index.zip"):
        place = folder / archive.parent.parent.name / archive.parent.name
        zipfile.ZipFile(archive).extractall(place)
        descriptor = json.loads((archive.parent / "descriptor.json").read_text())
        out[descriptor["interval"], bucket_of(descriptor["shardSpec"])] = QueryableIndex.open(place)
    return out


@pytest.mark.parametrize("name", ["mixed_hashed", "mixed_single_dim"])
@pytest.mark.parametrize("sub_tasks", [1, 2])
def test_rows_lie_where_druids_do(name: str, sub_tasks: int, tmp_path: Path) -> None:
    spec = supported(golden_spec(f"{name}.1"))["spec"]
    spec["tuningConfig"] |= {"maxNumConcurrentSubTasks": sub_tasks, "taskStatusCheckPeriodMs": 20}
    bench = Bench(spec, tmp_path) if sub_tasks == 1 else ParallelBench(spec, tmp_path)
    assert bench.run().status is TaskState.SUCCESS
    theirs = druids(name, tmp_path / "druids")
    ours = {
        (str(s.interval), bucket_of(converter().unstructure(s.shard_spec))): QueryableIndex.open(s.load_spec["path"])
        for s in bench.segments
    }
    assert ours.keys() == theirs.keys()
    for place, index in ours.items():
        assert_same(index, theirs[place])
