"""What is left over when segments are dealt out to threads is divided, so that none is idle while another reads."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.dataserver.kit import hourly_segment
from tests.unit.querying import make_server_manager

from nemeton.dataserver import shares as module
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.dataserver.shares import Part, evened, shares
from nemeton.model import ColumnType, DataSegment, SegmentDescriptor
from nemeton.query.cache.config import CacheConfig
from nemeton.query.inline import VectorSegment
from nemeton.query.vectors import NumericVector
from nemeton.spi.query import Query
from nemeton.time import Interval

LARGE = 1_000_000


class OfRows:
    """A segment that knows only how many rows it has."""

    def __init__(self, num_rows):
        self.num_rows = num_rows


def parts_of(sizes):
    interval = Interval(0, 1)
    found = [ReferenceCountedSegment(DataSegment("t", interval, "v", i), OfRows(rows)) for i, rows in enumerate(sizes)]
    return [Part(each, SegmentDescriptor(interval, "v", i)) for i, each in enumerate(found)]


@given(st.lists(st.integers(0, 3 * LARGE), max_size=20), st.integers(1, 9))
def test_each_row_is_read_once(sizes, threads):
    read = [part for share in evened(list(shares(parts_of(sizes))), threads) for part in share]
    ranges = {}
    for part in read:
        rows = part.rows or (0, part.found.segment.num_rows)
        ranges.setdefault(part.descriptor.partition_number, []).append(rows)
    assert list(ranges) == list(range(len(sizes)))
    for found, rows in zip(ranges.values(), sizes, strict=True):
        assert [found[0][0], found[-1][1]] == [0, rows]
        assert all(one[1] == other[0] for one, other in itertools.pairwise(found))


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_all_threads_have_as_much_to_read(count, threads):
    found = evened(list(shares(parts_of([24 * LARGE] * count))), threads)
    sizes = [part.rows[1] - part.rows[0] if part.rows else 24 * LARGE for share in found for part in share]
    busy = [0] * threads
    for size in sizes:
        busy[busy.index(min(busy))] += size
    assert max(busy) == min(busy) == count * 24 * LARGE // threads


def test_small_segments_stay_whole():
    given = list(shares(parts_of([60_000, 10, 10])))
    assert evened(given, 2) == given
    (one,) = evened(list(shares(parts_of([399_999]))), 2)
    assert one[0].rows is None


@pytest.mark.parametrize("cached", [False, True], ids=["in parts", "whole, for the cache"])
def test_the_answer_is_that_of_whole_segments(pool, query_json, monkeypatch, cached):
    monkeypatch.setattr(module, "_PART_ROWS", 10)
    rows, start = 101, 0
    values = NumericVector(ColumnType.LONG, np.arange(rows, dtype=np.int64))
    interval = Interval(start, start + 3_600_000)
    segment = VectorSegment({"__time": values, "value": values}, rows, interval)
    manager = SegmentManager()
    assert manager.add(ReferenceCountedSegment(DataSegment("t", interval, "v"), segment))
    assert manager.add(hourly_segment(1, 5))
    handed = []

    class Noting:
        num_threads = 4

        def run_all(self, works, priority, run):
            handed.append(len(works))
            return pool.run_all(works, priority, run)

    config = CacheConfig(use_cache=cached, populate_cache=cached)
    walker = make_server_manager(manager, Noting(), query_json, config=config)
    monkeypatch.setattr(module, "_SHARE_ROWS", 1)
    query = query_json.structure(
        {
            "queryType": "timeseries",
            "dataSource": "t",
            "intervals": ["1970-01-01T00/1970-01-01T01"],
            "granularity": "all",
            "aggregations": [{"type": "longSum", "name": "sum", "fieldName": "value"}],
        },
        Query,
    )
    (row,) = walker.run(query, QueryRun("q"))
    assert row["result"]["sum"] == math.comb(rows, 2)
    assert handed == [1 if cached else 4]
