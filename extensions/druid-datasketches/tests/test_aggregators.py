"""The aggregators keep the promises of the aggregator suite; while sketches are small they are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nemeton.testkit.suites.aggregator import AggregatorSuite
from nemeton_datasketches.hll_aggregators import HllSketchBuildAggregatorFactory
from nemeton_datasketches.quantiles_aggregators import (
    DoublesSketchAggregatorFactory,
    KllDoublesSketchAggregatorFactory,
    KllFloatsSketchAggregatorFactory,
)
from nemeton_datasketches.theta_aggregators import SketchMergeAggregatorFactory
from nemeton_datasketches.tuple_aggregators import ArrayOfDoublesSketchAggregatorFactory

COLUMNS = ("string", "long", "double", "float")


def distinct(rows: list[dict[str, Any]], column: str) -> int:
    return len({row[column] for row in rows} - {None, ""})


class TestTheta(AggregatorSuite):
    @pytest.fixture(params=COLUMNS)
    def factory(self, request):
        self.column = request.param
        return SketchMergeAggregatorFactory("a", request.param)

    def expected(self, rows):
        return distinct(rows, self.column)


class TestHll(AggregatorSuite):
    @pytest.fixture(params=COLUMNS)
    def factory(self, request):
        self.column = request.param
        return HllSketchBuildAggregatorFactory("a", request.param, round=True)

    def same(self, factory, state, other):
        # A group that turns dense is estimated from the order in which its values came.
        assert factory.finalise(state).to_list() == pytest.approx(factory.finalise(other).to_list(), rel=0.02)

    def expected(self, rows):
        return distinct(rows, self.column)


class TestDenseHll(AggregatorSuite):
    """With 16 registers nearly every group is dense."""

    @pytest.fixture
    def factory(self):
        return HllSketchBuildAggregatorFactory("a", "long", lg_k=4, tgt_hll_type="HLL_8")

    def same(self, factory, state, other):
        # Dense sketches that were merged are estimated in another way than one that saw all rows.
        assert factory.finalise(state).to_list() == pytest.approx(factory.finalise(other).to_list(), rel=0.6)

    def expected(self, rows):
        return pytest.approx(distinct(rows, "long"), rel=0.8)

    test_rolled_up_rows_can_be_aggregated_again = None


class TestSampledTheta(AggregatorSuite):
    """With 16 hashes nearly every group is sampled; the order and the number of parts makes no difference to it."""

    @pytest.fixture
    def factory(self):
        return SketchMergeAggregatorFactory("a", "long", size=16)

    def expected(self, rows):
        return pytest.approx(distinct(rows, "long"), rel=0.8)


class TestTuple(AggregatorSuite):
    @pytest.fixture(params=COLUMNS)
    def factory(self, request):
        self.column = request.param
        return ArrayOfDoublesSketchAggregatorFactory("a", request.param, metric_columns=("double", "long"))

    def expected(self, rows):
        return distinct([row for row in rows if row["double"] is not None and row["long"] is not None], self.column)


QUANTILES: tuple[Callable[..., Any], ...] = (
    DoublesSketchAggregatorFactory,
    KllDoublesSketchAggregatorFactory,
    KllFloatsSketchAggregatorFactory,
)


class TestQuantiles(AggregatorSuite):
    @pytest.fixture(params=[(make, column) for make in QUANTILES for column in COLUMNS], ids=str)
    def factory(self, request):
        make, self.column = request.param
        return make("a", self.column, k=16)

    def expected(self, rows):
        return 0 if self.column == "string" else sum(row[self.column] is not None for row in rows)
