"""The built-in aggregators pass the suite that the testkit has for anybody's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nemeton.query.aggregators import by_time, count, extremes, grouping, mean, sums
from nemeton.query.aggregators.expression import ExpressionLambdaAggregatorFactory
from nemeton.query.filters.values import SelectorDimFilter
from nemeton.testkit.suites.aggregator import AggregatorSuite


def present(rows: list[dict[str, Any]], column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]


class TestCount(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return count.CountAggregatorFactory("n")

    def expected(self, rows):
        return len(rows)


class TestLongSum(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return sums.LongSumAggregatorFactory("x", "long")

    def expected(self, rows):
        values = present(rows, "long")
        return sum(values) if values else None


class TestDoubleSum(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return sums.DoubleSumAggregatorFactory("x", "double")

    def expected(self, rows):
        values = present(rows, "double")
        return sum(values) if values else None


class TestSumOfExpression(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return sums.DoubleSumAggregatorFactory("x", expression="double * 2 + nvl(long, 0)")

    def expected(self, rows):
        values = [row["double"] * 2 + (row["long"] or 0) for row in rows if row["double"] is not None]
        return sum(values) if values else None


class TestFloatMax(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return extremes.FloatMaxAggregatorFactory("x", "float")

    def expected(self, rows):
        return max(present(rows, "float"), default=None)


class TestLongMin(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return extremes.LongMinAggregatorFactory("x", "long")

    def expected(self, rows):
        return min(present(rows, "long"), default=None)


class TestFiltered(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return count.FilteredAggregatorFactory(
            sums.LongSumAggregatorFactory("x", "long"), SelectorDimFilter("string", "a")
        )

    def expected(self, rows):
        values = present([row for row in rows if row["string"] == "a"], "long")
        return sum(values) if values else None


class TestLongFirst(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return by_time.LongFirstAggregatorFactory("x", "long")

    def expected(self, rows):
        return min(rows, key=lambda row: row["__time"])["long"] if rows else None


class TestStringLast(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return by_time.StringLastAggregatorFactory("x", "string")

    def expected(self, rows):
        return max(enumerate(rows), key=lambda item: (item[1]["__time"], item[0]))[1]["string"] if rows else None

    def test_results_are_right(self, factory, columns):
        rows = [
            dict(zip(columns, values, strict=True)) for values in zip(*(v for _, v in columns.values()), strict=True)
        ]
        from nemeton.testkit.suites.aggregator import NUM_GROUPS, group_of

        groups = [[row for i, row in enumerate(rows) if group_of(i) == group] for group in range(NUM_GROUPS)]
        assert factory.finalise(self.aggregated(factory, columns)).to_list() == [self.expected(g) for g in groups]


class TestDoubleMean(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return mean.DoubleMeanAggregatorFactory("x", "double")

    def expected(self, rows):
        values = present(rows, "double")
        return float(np.mean(values)) if values else 0.0


class TestExpressionSum(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return ExpressionLambdaAggregatorFactory(
            name="x",
            fields=("long",),
            initial_value="0",
            fold="__acc + long",
            combine="__acc + x",
            should_aggregate_null_inputs=False,
        )

    def expected(self, rows):
        values = present(rows, "long")
        return sum(values) if values else None


class TestExpressionOfEachStep(AggregatorSuite):
    """A fold that is computed row by row, for all groups at a time."""

    @pytest.fixture
    def factory(self):
        return ExpressionLambdaAggregatorFactory(
            name="x",
            fields=("string",),
            initial_value="''",
            fold="if(string > __acc, string, __acc)",
            combine="if(x > __acc, x, __acc)",
            should_aggregate_null_inputs=False,
        )

    def expected(self, rows):
        return max(present(rows, "string"), default=None)


class TestExpressionSet(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return ExpressionLambdaAggregatorFactory(
            name="x",
            fields=("string",),
            initial_value="ARRAY<STRING>[]",
            fold="array_set_add(__acc, string)",
            combine="array_set_add_all(__acc, x)",
            should_aggregate_null_inputs=False,
            max_size_bytes=1_000_000,
            finalize="array_length(o)",
        )

    def expected(self, rows):
        return len(set(present(rows, "string"))) or None


class TestCardinality(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        from nemeton.query.aggregators.cardinality import CardinalityAggregatorFactory
        from nemeton.query.dimensions import DefaultDimensionSpec

        return CardinalityAggregatorFactory(
            "x", (DefaultDimensionSpec("long"), DefaultDimensionSpec("string")), round=True
        )

    def expected(self, rows):
        strings = {text for text in present(rows, "string") if text}
        # The empty text has the hash 0, which Java counts once for every two registers that share a byte.
        return pytest.approx(len(set(present(rows, "long"))) + len(strings), abs=6)

    def test_results_are_right(self, factory, columns):
        rows = [
            dict(zip(columns, values, strict=True)) for values in zip(*(v for _, v in columns.values()), strict=True)
        ]
        from nemeton.testkit.suites.aggregator import NUM_GROUPS, group_of

        groups = [[row for i, row in enumerate(rows) if group_of(i) == group] for group in range(NUM_GROUPS)]
        results = factory.finalise(self.aggregated(factory, columns)).to_list()
        assert all(found == self.expected(group) for found, group in zip(results, groups, strict=True))

    def test_druids_bytes_are_read_and_written(self):
        from nemeton.query.aggregators import hll

        chance = np.random.default_rng(5)
        for size in (0, 3, 500, 100_000):
            registers = np.zeros(hll.BUCKETS, dtype=np.uint8)
            buckets, positions = hll.hash_longs(chance.integers(-(2**60), 2**60, size))
            np.maximum.at(registers, buckets, positions)
            again = hll.from_bytes(hll.to_bytes(registers))
            assert hll.estimate(again[None])[0] == pytest.approx(hll.estimate(registers[None])[0], rel=0.01)
            assert hll.estimate(registers[None])[0] == pytest.approx(size, rel=0.1)


class TestGrouping(AggregatorSuite):
    """Without subtotals to tell it which dimensions there are, it is 0."""

    @pytest.fixture
    def factory(self):
        return grouping.GroupingAggregatorFactory("g", ("a", "b"))

    def expected(self, rows):
        return 0


def test_a_grouping_has_a_bit_for_each_dimension_that_is_left_out():
    factory = grouping.GroupingAggregatorFactory("g", ("a", "b", "c"))
    state = factory.of_grouping(factory.init(2), frozenset(["b"]))
    assert factory.finalise(state).to_list() == [0b101, 0b101]
