"""What a query has decoded is let go with its last row: not when a collector of cycles comes by."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.query.conftest import Runner

from nemeton.query.source import SegmentSource
from nemeton.segment import DecodedColumnCache, LongData, QueryableIndex, StringData, write_segment
from nemeton.time import Interval

ROWS = 1_000
NAMES = [f"name {number:03d}" for number in range(300)]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = Path(tmp_path_factory.mktemp("segment"))
    numbers = np.arange(ROWS)
    data = [LongData("__time", numbers), LongData("n", numbers), StringData("s", NAMES, numbers % len(NAMES))]
    write_segment(folder / "s", interval=Interval(0, ROWS), columns=data, dimensions=["s"], metrics=["n"])
    index = QueryableIndex.open(folder / "s", DecodedColumnCache())
    yield index
    index.close()


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[SegmentSource]]]:
    """The sources that are made from now on; no cycle is collected meanwhile."""
    made: list[weakref.ref[SegmentSource]] = []
    original = SegmentSource.__init__

    def noted(self: SegmentSource, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        made.append(weakref.ref(self))

    monkeypatch.setattr(SegmentSource, "__init__", noted)
    gc.collect()
    gc.disable()
    yield made
    gc.enable()


COUNTED = {"granularity": "all", "aggregations": [{"type": "count", "name": "c"}]}
QUERIES: dict[str, dict[str, Any]] = {
    "timeseries": {"queryType": "timeseries", **COUNTED},
    "topN": {"queryType": "topN", "dimension": "s", "metric": "c", "threshold": 5, **COUNTED},
    "groupBy": {"queryType": "groupBy", "dimensions": ["s"], **COUNTED},
    "scan": {"queryType": "scan", "columns": ["s", "n"]},
    "search": {"queryType": "search", "query": {"type": "contains", "value": "1"}},
}
FILTERS = {
    "selector": {"type": "selector", "dimension": "s", "value": "name 007"},
    "in": {"type": "in", "dimension": "s", "values": ["name 007", "name 008"]},
    "range": {"type": "range", "column": "s", "matchValueType": "STRING", "lower": "name 200"},
    "like": {"type": "like", "dimension": "s", "pattern": "name 1%"},
}


@pytest.mark.parametrize("kind", QUERIES)
@pytest.mark.parametrize("condition", FILTERS)
def test_nothing_holds_a_segments_source(
    runner: Runner, segment: Any, sources: list[weakref.ref[SegmentSource]], kind: str, condition: str
) -> None:
    assert runner.run(segment, **QUERIES[kind], filter=FILTERS[condition])
    assert sources
    assert not [each for each in sources if each() is not None]
