"""A damaged segment fails the queries that touch the damage, and no others; what cannot be opened is not served."""

from __future__ import annotations

import logging

import pytest
from tests.fuzz.segments import damage_values
from tests.unit.querying import make_server_manager

from nemeton.common.errors import DruidException
from nemeton.dataserver.cache import storage_dir
from nemeton.dataserver.change_requests import ChangeState, DataSegmentChangeRequest
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.spi.query import Query
from nemeton.spi.storage import DataSegmentPuller
from nemeton.storage.local import LocalDataSegmentPuller

SUM = {
    "queryType": "timeseries",
    "dataSource": "mixed_tsv",
    "intervals": ["2024-01-01/2025-01-01"],
    "granularity": "all",
    "aggregations": [{"type": "doubleSum", "name": "s", "fieldName": "d"}],
}
SCAN = {"queryType": "scan", "dataSource": "mixed_tsv", "intervals": SUM["intervals"], "columns": ["d"], "limit": 5}
COUNT = {**SUM, "aggregations": [{"type": "count", "name": "n"}]}


class DamagingPuller(DataSegmentPuller):
    def __init__(self, times):
        self.times = times

    def pull(self, load_spec, directory):
        size = LocalDataSegmentPuller().pull(load_spec, directory)
        if self.times:
            self.times -= 1
            chunk = directory / "00000.smoosh"
            chunk.write_bytes(b"\xff" * chunk.stat().st_size)
        return size


@pytest.fixture
def ask(make_cache, golden, pool, query_json):
    """Run a query over two segments, the first with damaged values in a column."""
    cache, manager, segments = make_cache(), SegmentManager(), golden("mixed_tsv")
    for segment in segments:
        opened = cache.open(segment)
        if segment == segments[0]:
            damage_values(cache.locations[0].path / storage_dir(segment), "d")
        manager.add(ReferenceCountedSegment(segment, opened))
    walker = make_server_manager(manager, pool, query_json)

    def run(request):
        query = query_json.structure(request, Query)
        return list(walker.run(query, QueryRun.of(query)))

    yield run
    for segment in segments:
        manager.drop(segment)


@pytest.mark.parametrize("request_", [SUM, SCAN], ids=["timeseries", "scan"])
def test_a_query_of_the_damaged_column_fails_and_names_segment_and_part(ask, golden, request_, caplog):
    with pytest.raises(DruidException) as failed, caplog.at_level(logging.ERROR):
        ask(request_)
    answer = failed.value.to_json()
    segment = str(golden("mixed_tsv")[0].id)
    assert answer["errorMessage"].startswith(f"Segment [{segment}] is corrupt in [d: values]: ")
    assert (answer["error"], answer["category"]) == ("druidException", "RUNTIME_FAILURE")
    assert answer["context"] == {"part": "d: values", "segmentId": segment}
    assert failed.value.http_status == 500
    assert segment in caplog.text


def test_queries_of_other_columns_are_answered(ask):
    with pytest.raises(DruidException):
        ask(SUM)
    (row,) = ask(COUNT)
    assert row["result"] == {"n": 500}


def test_what_cannot_be_opened_is_not_announced_and_the_next_load_may_succeed(make_cache, make_handler, golden, caplog):
    handler, segment = make_handler(make_cache(puller=DamagingPuller(2))), golden("mixed_tsv")[0]
    load = DataSegmentChangeRequest.load(segment)
    with caplog.at_level(logging.WARNING):
        status = handler.submit(load).result(10)
    assert status.state is ChangeState.FAILED
    assert "damaged in deep storage" in status.failure_cause
    assert "is corrupt in [" in status.failure_cause
    assert "is corrupt in [" in caplog.text
    assert handler._announcer.announced == []
    assert handler.submit(load).result(10).state is ChangeState.SUCCESS
    assert handler._announcer.announced == [segment]
