"""Core's own aggregators keep the promises of the suite."""

from __future__ import annotations

import pytest

from nemeton.query.aggregators.count import CountAggregatorFactory
from nemeton.query.aggregators.extremes import DoubleMaxAggregatorFactory, LongMinAggregatorFactory
from nemeton.query.aggregators.sums import (
    DoubleSumAggregatorFactory,
    FloatSumAggregatorFactory,
    LongSumAggregatorFactory,
)
from nemeton.testkit.suites.aggregator import AggregatorSuite


def present(rows, column):
    return [row[column] for row in rows if row[column] is not None]


class TestCount(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return CountAggregatorFactory("rows")

    def expected(self, rows):
        return len(rows)


@pytest.mark.parametrize(
    ("kind", "column"),
    [(LongSumAggregatorFactory, "long"), (DoubleSumAggregatorFactory, "double"), (FloatSumAggregatorFactory, "float")],
)
class TestSums(AggregatorSuite):
    @pytest.fixture
    def factory(self, kind, column):
        self.column = column
        return kind("total", column)

    def expected(self, rows):
        values = present(rows, self.column)
        return sum(values) if values else None


class TestLongMin(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return LongMinAggregatorFactory("least", "long")

    def expected(self, rows):
        return min(present(rows, "long"), default=None)


class TestDoubleMax(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return DoubleMaxAggregatorFactory("most", "double")

    def expected(self, rows):
        return max(present(rows, "double"), default=None)
