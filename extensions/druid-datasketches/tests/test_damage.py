"""Damaged sketches are refused as bad input, or read as another sketch; never a crash, a hang or another error.

In a segment they are damage of the segment.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import pathlib
import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.vectors import object_array
from nemeton.segment import ComplexData, LongData, QueryableIndex, write_segment
from nemeton.segment.errors import CorruptSegment
from nemeton.spi.query import Query
from nemeton.time import Interval
from nemeton_datasketches.hll import HllState
from nemeton_datasketches.hll_posts import estimate_of
from nemeton_datasketches.quantiles import DOUBLES, KLL_DOUBLES, KLL_FLOATS, QuantilesState
from nemeton_datasketches.theta import ThetaState
from nemeton_datasketches.tuples import TupleState

JAVA = [
    json.loads(line)
    for line in gzip.decompress((pathlib.Path(__file__).parent / "data" / "java.jsonl.gz").read_bytes()).splitlines()
]
MAKERS = {
    "hll": lambda: HllState(1, 12),
    "theta": lambda: ThetaState(1, 512),
    "tuple": lambda: TupleState(1, 512, 2),
    **{kind.name: lambda kind=kind: QuantilesState(1, kind, 128) for kind in (DOUBLES, KLL_DOUBLES, KLL_FLOATS)},
}
SAMPLES = {
    name: [
        base64.b64decode(record["bytes"]) for record in JAVA if record["sketch"] == name and len(record["bytes"]) < 4000
    ]
    for name in MAKERS
}


#: the complex type of a column, and the aggregator that reads it
STORED = {
    "hll": ("HLLSketch", {"type": "HLLSketchMerge"}),
    "theta": ("thetaSketch", {"type": "thetaSketch"}),
    "tuple": ("arrayOfDoublesSketch", {"type": "arrayOfDoublesSketch", "numberOfValues": 2}),
    **{kind.name: (kind.name, {"type": kind.name}) for kind in (DOUBLES, KLL_DOUBLES, KLL_FLOATS)},
}


def damage(data, name):
    blob = bytearray(data.draw(st.sampled_from(SAMPLES[name])))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    return bytes(blob[: data.draw(st.integers(0, len(blob)))] if data.draw(st.booleans()) else blob)


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
@settings(deadline=None, max_examples=300, derandomize=True)  # the same ones each time; 8,000 were tried by hand
def test_damage_is_told_or_does_no_harm(name, data):
    damaged = damage(data, name)
    state = MAKERS[name]()
    with contextlib.suppress(DruidException):
        state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([damaged]))
        state.to_bytes()
        if name == "hll":
            estimate_of(damaged)


@pytest.fixture(scope="module")
def tools():
    registry = load_extensions(
        {"druid.extensions.loadList": '["druid-datasketches"]'}, ["nemeton.query.extension"]
    ).registry
    return Json(registry), QueryEngine(registry)


def run(tools, name, blobs, **options):
    """A timeseries that merges a column of these sketches in a segment of its own."""
    json_, engine = tools
    type_name, aggregator = STORED[name]
    with tempfile.TemporaryDirectory() as folder:
        times = LongData("__time", np.arange(len(blobs), dtype=np.int64))
        column = ComplexData("sketches", type_name, pa.array(blobs, pa.large_binary()))
        path = pathlib.Path(folder) / "segment"
        write_segment(path, interval=Interval(0, 100), columns=[times, column], dimensions=[], metrics=["sketches"])
        query = {
            "queryType": "timeseries",
            "dataSource": "s",
            "intervals": ["1970/1971"],
            "granularity": "all",
            "aggregations": [{"name": "a", "fieldName": "sketches", **aggregator, **options}],
        }
        index = QueryableIndex.open(path)
        try:
            return engine.run_segment(json_.structure(query, Query), index, segment_id="s_1")
        finally:
            index.close()


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
@settings(deadline=None, max_examples=60, derandomize=True)
def test_a_damaged_sketch_in_a_segment_is_damage_of_that_segment(tools, name, data):
    told = None
    try:
        run(tools, name, [two_valued(name), damage(data, name), None])
    except DruidException as failure:
        told = failure
    if told is not None and not (name == "tuple" and "number of values mismatch" in told.message):
        assert isinstance(told, CorruptSegment), told.message
        assert (told.part, told.segment_id) == ("sketches: sketches", "s_1")


@pytest.mark.parametrize("name", MAKERS)
def test_bytes_that_are_no_sketch_name_column_and_segment(tools, name):
    with pytest.raises(CorruptSegment, match=r"^Segment \[s_1\] is corrupt in \[sketches: sketches\]: .*no sketch"):
        run(tools, name, [two_valued(name), b"\x07" * 40])


def test_a_wrong_number_of_values_is_the_fault_of_the_query(tools):
    with pytest.raises(DruidException, match="number of values mismatch 3 and 2") as failure:
        run(tools, "tuple", [two_valued("tuple")], numberOfValues=3)
    assert failure.value.category == "INVALID_INPUT"


def two_valued(name):
    """A whole sketch; one of tuples with as many values as the tests ask for."""
    return next(blob for blob in SAMPLES[name] if name != "tuple" or blob[5] == 2)
