"""Sketches as the Java library 4.2.0 (Druid 33's) makes them of the same input, recorded by `java/Record.java`."""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

from nemeton.query.vectors import object_array
from nemeton_datasketches.hashing import hash_bytes, hash_doubles, hash_longs, utf8, utf16
from nemeton_datasketches.hll import HllState, coupons_of
from nemeton_datasketches.hll_array import TYPES
from nemeton_datasketches.hll_posts import estimate_with_bounds
from nemeton_datasketches.quantiles import DOUBLES, KLL_DOUBLES, KLL_FLOATS, QuantilesState
from nemeton_datasketches.texts import hll_text, quantiles_text, theta_text, tuple_text
from nemeton_datasketches.theta import ThetaSketch, ThetaState
from nemeton_datasketches.theta_aggregators import with_error_bounds
from nemeton_datasketches.tuples import TupleSketch, TupleState, intersected, united, without

RECORDS = [
    json.loads(line)
    for line in gzip.decompress((pathlib.Path(__file__).parent / "data" / "java.jsonl.gz").read_bytes()).splitlines()
]
KINDS = {kind.name: kind for kind in (DOUBLES, KLL_DOUBLES, KLL_FLOATS)}
FRACTIONS = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1]
POINTS = [-5, 0, 10.5, 40, 77, 300]


def records(*sketches: str) -> list[Any]:
    found = [record for record in RECORDS if record["sketch"] in sketches]
    assert found
    names = ("sketch", "lgK", "type", "input", "k", "values", "n")
    return [
        pytest.param(record, id="-".join(str(record[name]) for name in names if name in record)) for record in found
    ]


def blob(record: dict[str, Any], name: str = "bytes") -> bytes:
    return base64.b64decode(record[name])


def text(i: int) -> str:
    return f"ключ{i}" if i % 7 == 0 else f"key{i}"


def hashes(kind: str, count: int) -> Any:
    numbers = np.arange(count)
    if kind == "long":
        return hash_longs(numbers)
    if kind == "double":
        return hash_doubles(numbers / 4 - 10)
    return hash_bytes([(utf8 if kind == "utf8" else utf16)(text(i)) for i in range(count)])


def value(i: Any) -> Any:
    return (i * 37 % 1009) / 4 - 20


def zeros(count: int) -> Any:
    return np.zeros(count, dtype=np.int64)


def built_hll(record: dict[str, Any]) -> HllState:
    state = HllState(1, record["lgK"])
    state.add(zeros(record["n"]), coupons_of(*hashes(record["input"], record["n"])))
    return state


@pytest.mark.parametrize("record", records("hll"))
def test_hll_sketches_are_javas_byte_for_byte(record):
    assert built_hll(record).to_bytes(TYPES[record["type"]]) == [blob(record)]


@pytest.mark.parametrize("record", records("hll"))
def test_hll_estimates_bounds_and_summaries_are_javas(record):
    estimate, low, high, low2, high3 = record["bounds"]
    java = blob(record)
    assert built_hll(record).estimates().tolist() == pytest.approx([estimate], rel=1e-12)
    assert estimate_with_bounds(java, 1) == pytest.approx([estimate, low, high], rel=1e-12)
    assert estimate_with_bounds(java, 2)[1] == pytest.approx(low2, rel=1e-12)
    assert estimate_with_bounds(java, 3)[2] == pytest.approx(high3, rel=1e-12)
    assert hll_text(java) == record["text"]


@pytest.mark.parametrize("record", records("hll"))
def test_hll_sketches_of_java_are_read(record):
    state = HllState(1, record["lgK"])
    state.merge_blobs(zeros(1), object_array([blob(record)]))
    (again,) = state.to_bytes(TYPES[record["type"]])
    assert in_any_order(again) == in_any_order(blob(record))


def in_any_order(sketch: bytes) -> Any:
    """A table of coupons depends on the order in which it was filled; everything else does not."""
    if sketch[7] & 3 != 1:
        return sketch
    return sketch[:12], sorted(sketch[at : at + 4] for at in range(12, len(sketch), 4))


@pytest.mark.parametrize("record", records("hllUnion"))
def test_hll_unions_are_javas(record):
    state = HllState(1, record["lgK"])
    for name in ("a", "b"):
        state.merge_blobs(zeros(1), object_array([blob(record, name)]))
    assert state.estimates().tolist() == pytest.approx([record["estimate"]], rel=1e-12)
    assert in_any_order(state.to_bytes(0)[0]) == in_any_order(blob(record))


def built_theta(record: dict[str, Any]) -> ThetaState:
    state = ThetaState(1, record["k"])
    first, _ = hashes(record["input"], record["n"])
    state.add(zeros(record["n"]), (first >> np.uint64(1)).astype(np.int64))
    return state


@pytest.mark.parametrize("record", records("theta"))
def test_theta_sketches_are_javas_byte_for_byte(record):
    assert built_theta(record).to_bytes() == [blob(record)]
    again = ThetaState(1, record["k"])
    again.merge_blobs(zeros(1), object_array([blob(record)]))
    assert again.to_bytes() == [blob(record)]


@pytest.mark.parametrize("record", records("theta"))
def test_theta_estimates_bounds_and_summaries_are_javas(record):
    estimate, low, high, low2, high3 = record["bounds"]
    java = blob(record)
    assert built_theta(record).estimates().tolist() == [estimate]
    bounds = [with_error_bounds(java, n) for n in (1, 2, 3)]
    assert (bounds[0]["lowBound"], bounds[0]["highBound"]) == pytest.approx((low, high), rel=1e-12)
    assert (bounds[1]["lowBound"], bounds[2]["highBound"]) == pytest.approx((low2, high3), rel=1e-12)
    assert theta_text(java) == record["text"]


@pytest.mark.parametrize("record", records("thetaSetOp"))
@pytest.mark.parametrize("func", ["UNION", "INTERSECT", "NOT"])
def test_theta_set_operations_are_javas(record, func):
    from nemeton_datasketches.theta_posts import _OPERATIONS

    sketches = [ThetaSketch.read(blob(record, name)) for name in ("a", "b")]
    assert _OPERATIONS[func](sketches, record["k"]).to_bytes() == blob(record, func)


def as_in_a_buffer(summary: str, size: int, count: int) -> str:
    """The summary of a classic sketch as Druid has it: compact, and not on the heap."""
    if not count or "HeapUpdateDoubles" not in summary:
        return summary
    (retained,) = re.findall(r"Retained Items +: (\S+)", summary)
    summary = summary.replace("HeapUpdateDoubles", "DirectCompactDoubles").replace(": false, \n", f": true, {size}\n")
    return re.sub(r"(Combined Buffer Capacity +: )\S+", rf"\g<1>{retained}", summary)


@pytest.mark.parametrize("record", records(*KINDS))
def test_quantiles_of_javas_sketches_are_javas(record):
    kind = KINDS[record["sketch"]]
    sketch = kind.read(blob(record))
    assert sketch.n == record["n"]
    assert quantiles_text(kind, sketch) == as_in_a_buffer(record["text"], len(blob(record)), record["n"])
    if record["n"]:
        assert list(sketch.get_quantiles(FRACTIONS, inclusive=True)) == record["quantiles"]
        assert list(sketch.get_cdf(POINTS, inclusive=True)) == pytest.approx(record["cdf"])
        assert list(sketch.get_pmf(POINTS, inclusive=True)) == pytest.approx(record["pmf"])
        assert sketch.get_rank(40, inclusive=True) == pytest.approx(record["rank"])


@pytest.mark.parametrize("record", records(*KINDS))
def test_small_quantiles_sketches_are_javas_byte_for_byte(record):
    kind, count = KINDS[record["sketch"]], record["n"]
    state = QuantilesState(1, kind, record["k"])
    state.add(zeros(count), value(np.arange(count)))
    if count < record["k"]:  # larger ones are thinned out at random
        assert state.to_bytes() == [blob(record)]
    assert state.counts().tolist() == [count]
    again = QuantilesState(1, kind, record["k"])
    again.merge_blobs(zeros(1), object_array([blob(record)]))
    assert again.counts().tolist() == [count]


def same_tuple(one: TupleSketch, java: bytes) -> None:
    other = TupleSketch.read(java)
    assert (one.theta, one.is_empty) == (other.theta, other.is_empty)
    assert one.hashes.tolist() == other.hashes.tolist()
    assert one.values.tolist() == other.values.tolist()
    assert len(one.to_bytes()) == len(java)
    assert one.to_bytes()[:16] == java[:16]


@pytest.mark.parametrize("record", records("tuple"))
def test_tuple_sketches_are_javas(record):
    count, num_values = record["n"], record["values"]
    state = TupleState(1, record["k"], num_values)
    first, _ = hashes("utf8", count)
    for _ in range(2):
        values = np.stack([value(np.arange(count)) + j for j in range(num_values)], axis=1)
        state.add(zeros(count), (first >> np.uint64(1)).astype(np.int64), values)
    (sketch,) = state.sketches()
    same_tuple(sketch, blob(record))
    assert state.estimates().tolist() == [record["bounds"][0]]
    assert sketch.estimate == record["bounds"][0]
    assert sketch.bounds(1) == pytest.approx(record["bounds"][1:3], rel=1e-12)
    assert tuple_text(sketch) == record["text"]


@pytest.mark.parametrize("record", records("tupleSetOp"))
def test_tuple_set_operations_are_javas(record):
    sketches = [TupleSketch.read(blob(record, name)) for name in ("a", "b")]
    same_tuple(united(sketches, record["k"], 2), blob(record, "UNION"))
    same_tuple(intersected(sketches, 2), blob(record, "INTERSECT"))
    same_tuple(without(sketches), blob(record, "NOT"))
