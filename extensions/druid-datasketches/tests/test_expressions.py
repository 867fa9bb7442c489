from __future__ import annotations

import base64

import numpy as np
import pytest

from nemeton.common.errors import DruidException, QueryException
from nemeton_datasketches.expressions import (
    HllSketchEstimateFunction,
    HllSketchEstimateWithErrorBoundsFunction,
    ThetaSketchEstimateFunction,
    ThetaSketchEstimateWithErrorBoundsFunction,
)
from nemeton_datasketches.hashing import hash_longs
from nemeton_datasketches.hll import HllState, coupons_of
from nemeton_datasketches.theta import EMPTY, ThetaState


class Argument:
    """Implements `FunctionArgument` as far as the functions go."""

    type = None

    def __init__(self, values, is_constant=False):
        self.values = values
        self.is_constant = is_constant

    def objects(self):
        return self.values


def sketch(make, count, low=0):
    state = make(1)
    first, second = hash_longs(np.arange(low, low + count))
    if isinstance(state, HllState):
        state.add(np.zeros(count, dtype=np.int64), coupons_of(first, second))
    else:
        state.add(np.zeros(count, dtype=np.int64), (first >> np.uint64(1)).astype(np.int64))
    return state.to_bytes()[0]


HLL = sketch(lambda n: HllState(n, 12), 300)
THETA = sketch(lambda n: ThetaState(n, 64), 1000)


def test_hll_estimates():
    column = Argument([HLL, None, base64.b64encode(HLL).decode()])
    kind, values = HllSketchEstimateFunction().apply([column], 3)
    assert (kind, values[1]) == ("DOUBLE", 0)
    assert values[0] == values[2] == pytest.approx(300, rel=0.001)
    assert values[0] != 300
    assert HllSketchEstimateFunction().apply([column, Argument([1], True)], 3)[1] == [300, 0, 300]
    assert HllSketchEstimateFunction().apply([Argument([HLL], True)], 2)[1] == values[:1] * 2


def test_hll_bounds():
    kind, ((estimate, low, high), nothing) = HllSketchEstimateWithErrorBoundsFunction().apply(
        [Argument([HLL, None]), Argument([3], True)], 2
    )
    assert kind == "ARRAY<DOUBLE>"
    assert 290 < low <= estimate <= high < 310
    assert nothing == [0, 0, 0]


def test_theta_estimates():
    kind, values = ThetaSketchEstimateFunction().apply([Argument([THETA, None, EMPTY, b""])], 4)
    assert (kind, values[1:]) == ("DOUBLE", [None, 0, 0])
    assert values[0] == pytest.approx(1000, rel=0.4)


def test_theta_bounds():
    _, (bounds, nothing) = ThetaSketchEstimateWithErrorBoundsFunction().apply(
        [Argument([THETA, None]), Argument([2], True)], 2
    )
    assert list(bounds) == ["estimate", "highBound", "lowBound", "numStdDev"]
    assert bounds["lowBound"] < 1000 < bounds["highBound"]
    assert nothing == {"estimate": 0, "highBound": 0, "lowBound": 0, "numStdDev": 2}


SKETCHES = "org.apache.datasketches.common.SketchesArgumentException"


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (b"x", SKETCHES),
        (b"abcdefgh", SKETCHES),
        (b"\x02\x01\x07\x30\x03\x08\x01\x00abcd", SKETCHES),
        ("AA==", SKETCHES),
        ("###", "java.lang.IllegalArgumentException"),
    ],
)
def test_what_is_no_sketch_fails_the_query_as_in_druid(value, error_class):
    """A real Druid answered 500 with these classes to a column of such texts."""
    for function in (HllSketchEstimateFunction(), ThetaSketchEstimateFunction()):
        with pytest.raises(QueryException, match=r"(?i)sketch") as caught:
            function.apply([Argument([value])], 1)
        assert (caught.value.http_status, caught.value.error_class) == (500, error_class)
    for function in (HllSketchEstimateWithErrorBoundsFunction(), ThetaSketchEstimateWithErrorBoundsFunction()):
        with pytest.raises(QueryException, match=r"(?i)sketch"):
            function.apply([Argument([value]), Argument([2], True)], 1)


def test_options_are_constants():
    with pytest.raises(DruidException, match="constants"):
        HllSketchEstimateFunction().apply([Argument([HLL]), Argument([1, 2])], 1)


def test_theta_sketches_are_read_from_columns_of_sketches_only():
    """As in Druid, where a text is refused even if it is a sketch's base64; a null is taken."""
    text = Argument([base64.b64encode(THETA).decode(), None])
    text.type = "STRING"
    with pytest.raises(QueryException, match="requires a ThetaSketch as the argument") as caught:
        ThetaSketchEstimateFunction().apply([text], 2)
    assert (caught.value.http_status, caught.value.error_class) == (500, "java.lang.IllegalArgumentException")
    text.values = [None]
    assert ThetaSketchEstimateFunction().apply([text], 1)[1] == [None]
