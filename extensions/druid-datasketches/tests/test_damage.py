"""Damaged sketches are refused as bad input, or read as another sketch; never a crash, a hang or another error."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.query.vectors import object_array
from nemeton_datasketches.base import InvalidSketch
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


@pytest.mark.parametrize("name", MAKERS)
@given(data=st.data())
@settings(deadline=None, max_examples=300, derandomize=True)  # the same ones each time; 8,000 were tried by hand
def test_damage_is_told_or_does_no_harm(name, data):
    blob = bytearray(data.draw(st.sampled_from(SAMPLES[name])))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(blob[: data.draw(st.integers(0, len(blob)))] if data.draw(st.booleans()) else blob)
    state = MAKERS[name]()
    with contextlib.suppress(InvalidSketch):
        state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([damaged]))
        state.to_bytes()
        if name == "hll":
            estimate_of(damaged)
