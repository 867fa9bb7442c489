"""Collectors of `hyperUnique` whose bytes cannot be right: an error that names the column, never a wrong read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.query.aggregators import hll
from nemeton.query.aggregators.cardinality import HyperUniqueAggregatorFactory
from nemeton.testkit.suites.aggregator import blocks_of


def aggregated(*blobs):
    factory = HyperUniqueAggregatorFactory("u", "column")
    (block,) = blocks_of({"column": ("COMPLEX<hyperUnique>", list(blobs))}, size=len(blobs))
    state = factory.init(1)
    factory.aggregate_run(state, block, 0)
    return factory.finalise(state).to_list()[0]


def collector(*registers):
    row = np.zeros(hll.BUCKETS, dtype=np.uint8)
    for place, value in registers:
        row[place] = value
    return hll.to_bytes(row)


@pytest.mark.parametrize(
    "blob",
    [
        b"\2" + collector((5, 3))[1:],
        b"\1\0",
        collector((5, 200))[:5] + b"\xff\xff" + collector((5, 200))[7:],
        collector((5, 3))[:7] + b"\xff\xff\x03",
    ],
    ids=["version", "cut", "overflow beyond the last register", "entry beyond the last register"],
)
def test_damage_names_the_column(blob):
    with pytest.raises(DruidException, match=r"corrupt in \[column: collectors\]: hyperUnique: "):
        aggregated(blob)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 6))
def test_any_bytes_are_read_or_refused(tail, cut):
    whole = collector((5, 3), (9, 200), (40, 2))
    for blob in (whole[:cut] + tail, whole[: len(whole) - cut] + tail):
        try:
            assert aggregated(blob, whole) >= 0
        except DruidException as failure:
            told = failure.message
            assert "corrupt in [column: collectors]" in told
