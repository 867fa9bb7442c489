"""Queries over arrays, documents, collectors and pairs, and over a lookup."""

from __future__ import annotations

import numpy as np
import pytest

from nemeton.common.errors import DruidException
from nemeton.query.aggregators import hll
from nemeton.query.inline import rows_segment
from nemeton.query.lookups import FixedLookups, lookups_in_use
from nemeton.time import ETERNITY


@pytest.fixture
def arrays():
    columns = {
        "__time": ("LONG", [0, 1, 2, 3]),
        "al": ("ARRAY<LONG>", [[1, 2], None, [1, 2], []]),
        "doc": ("COMPLEX<json>", [{"a": 1}, None, {"a": 2}, {}]),
    }
    return rows_segment(columns, 4)


def test_arrays_are_grouped_where_their_type_is_named(runner, arrays):
    dimension = {"type": "default", "dimension": "al", "outputName": "o", "outputType": "ARRAY<LONG>"}
    counting = [{"type": "count", "name": "n"}]
    for wire in (False, True):
        rows = runner.events(arrays, wire=wire, queryType="groupBy", dimensions=[dimension], aggregations=counting)
        assert rows == [{"o": None, "n": 1}, {"o": [], "n": 1}, {"o": [1, 2], "n": 2}]
    with pytest.raises(DruidException, match="groupBys on ARRAY columns.*outputType"):
        runner.events(arrays, queryType="groupBy", dimensions=["al"], aggregations=counting)


def test_documents_are_one_null_to_a_grouping_as_in_druid(runner, arrays):
    rows = runner.events(arrays, queryType="groupBy", dimensions=["doc"], aggregations=[{"type": "count", "name": "n"}])
    assert rows == [{"doc": None, "n": 4}]


def test_collectors_of_ingestion_are_merged(runner):
    columns = {"k": ("STRING", list("aab")), "hu": ("COMPLEX<hyperUnique>", [collector(range(n)) for n in (5, 8, 3)])}
    segment = rows_segment({**columns, "plain": ("STRING", list("xyz"))}, 3)
    aggregations = [
        {"type": "hyperUnique", "name": "n", "fieldName": "hu", "round": True},
        {"type": "hyperUnique", "name": "none", "fieldName": "plain", "round": True},
    ]
    for wire in (False, True):
        rows = runner.events(segment, wire=wire, queryType="groupBy", dimensions=["k"], aggregations=aggregations)
        assert rows == [{"k": "a", "n": 8, "none": 0}, {"k": "b", "n": 3, "none": 0}]


@pytest.mark.parametrize("count", [0, 1, 40, 150, 3000, 200_000])
def test_collectors_of_every_form_are_read_as_they_were_written(count):
    """Sparse, dense, with an offset, with an overflow."""
    first, second = registers(range(count)), registers(range(count // 2, count + 50))
    state = np.zeros((2, hll.BUCKETS), np.uint8)
    blobs = np.array([hll.to_bytes(first), None, hll.to_bytes(second), b"", hll.to_bytes(first)], object)
    hll.merge_bytes(state, np.array([0, 0, 0, 1, 1]), blobs)
    one, two = (hll.from_bytes(hll.to_bytes(each)) for each in (first, second))
    assert (state[0] == np.maximum(one, two)).all()
    assert (state[1] == one).all()


def registers(values):
    found = np.zeros(hll.BUCKETS, np.uint8)
    buckets, positions = hll.hash_longs(np.array(list(values), np.int64))
    np.maximum.at(found, buckets, positions)
    return found


def collector(values):
    return hll.to_bytes(registers(values))


def test_pairs_of_ingestion_bring_their_own_time(runner):
    pairs = [(5, "late"), (3, "early"), None, (4, None)]
    segment = rows_segment({"p": ("COMPLEX<serializablePairLongString>", pairs)}, 4)
    aggregations = [
        {"type": "stringFirst", "name": "first", "fieldName": "p"},
        {"type": "stringLast", "name": "last", "fieldName": "p"},
    ]
    for wire in (False, True):
        rows = runner.events(segment, wire=wire, queryType="groupBy", dimensions=[], aggregations=aggregations)
        assert rows == [{"first": "early", "last": "late"}]


def test_subtotals_say_what_they_are_grouped_by(runner):
    segment = rows_segment({"a": ("STRING", ["x", "y"]), "b": ("STRING", ["1", "1"])}, 2)
    rows = runner.events(
        segment,
        queryType="groupBy",
        dimensions=["a", "b"],
        aggregations=[{"type": "grouping", "name": "g", "groupings": ["a", "b"]}],
        subtotalsSpec=[["a", "b"], ["b"], []],
    )
    assert [row["g"] for row in rows] == [0, 0, 2, 3]


def test_a_lookup_is_a_data_source(runner):
    with lookups_in_use(FixedLookups({"letters": {"a": "A", "b": None}})):
        found = runner.run(
            [], queryType="scan", dataSource={"type": "lookup", "lookup": "letters"}, intervals=[str(ETERNITY)]
        )
        assert found[0]["events"] == [{"k": "a", "v": "A"}, {"k": "b", "v": None}]
        assert runner.run([], queryType="scan", dataSource={"type": "lookup", "lookup": "nope"}) == []
