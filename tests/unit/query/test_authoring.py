"""The bases for authors: aggregates by formula, functions of numbers and of texts, conditions, query types."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from attrs import frozen

from nemeton.plugins import json_type
from nemeton.query.authoring import (
    BaseQuery,
    Max,
    Min,
    NumericFunction,
    PredicateFilter,
    Sum,
    SummaryAggregator,
    TextFunction,
)
from nemeton.query.engine import tool_chest
from nemeton.query.expressions.evaluate import FUNCTIONS, register_class
from nemeton.query.expressions.vec import constant, of_objects
from nemeton.spi.query import QueryToolChest
from nemeton.testkit.suites.aggregator import AggregatorSuite, blocks_of


@json_type("testRms")
@frozen
class RootMeanSquare(SummaryAggregator):
    name: str
    field_name: str

    numbers: ClassVar = {"squares": Sum(), "rows": Sum("LONG")}

    def of_rows(self, values):
        return {"squares": values * values, "rows": 1}

    def result(self, squares, rows):
        return np.sqrt(squares / rows)


@json_type("testSpread")
@frozen
class Spread(SummaryAggregator):
    name: str
    field_name: str

    numbers: ClassVar = {"least": Min("LONG"), "most": Max("LONG")}
    input_type = output_type = "LONG"

    def of_rows(self, values):
        return {"least": values, "most": values}

    def result(self, least, most):
        return most - least


def present(rows, column):
    return [row[column] for row in rows if row[column] is not None]


class TestRootMeanSquare(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return RootMeanSquare("rms", "double")

    def expected(self, rows):
        values = present(rows, "double")
        return (sum(v * v for v in values) / len(values)) ** 0.5 if values else None


class TestSpread(AggregatorSuite):
    @pytest.fixture
    def factory(self):
        return Spread("spread", "long")

    def expected(self, rows):
        values = present(rows, "long")
        return max(values) - min(values) if values else None


class Mean2(NumericFunction):
    arguments = (2, 2)

    def compute(self, one, other):
        return (one + other) / 2


class Join(TextFunction):
    arguments = (2, None)
    calls = 0

    def compute(self, *texts):
        Join.calls += 1
        return "-".join(texts)


@pytest.fixture
def registered():
    names = {"test_mean2": Mean2(), "test_join": Join()}
    for name, function in names.items():
        register_class(name, function)
    yield FUNCTIONS
    for name in names:
        del FUNCTIONS[name]


def test_a_function_of_numbers_is_null_where_one_of_them_is(registered):
    result = registered["test_mean2"].apply([of_objects([1, None, 4], "LONG"), constant(2.0, "DOUBLE")], 3)
    assert (result.type, result.objects()) == ("DOUBLE", [1.5, None, 3.0])
    assert registered["test_mean2"].apply([constant(1, "LONG"), constant(None, "LONG")], 1).objects() == [None]


def test_a_function_of_texts_is_called_once_for_each_combination(registered):
    result = registered["test_join"].apply([of_objects(["a", "b", "a", None], "STRING"), constant(7, "LONG")], 4)
    assert (result.type, result.objects()) == ("STRING", ["a-7", "b-7", "a-7", None])
    assert Join.calls == 2


@frozen
class Longer(PredicateFilter):
    dimension: str
    than: int

    def match_strings(self, values):
        return [len(value) > self.than for value in values]


@pytest.mark.parametrize(("unknown", "expected"), [(False, [False, True, False]), (True, [False, True, True])])
def test_a_condition_reads_its_dimension(unknown, expected):
    (block,) = blocks_of({"s": ("STRING", ["a", "abc", None])}, size=3)
    assert Longer("s", 1).required_columns() == {"s"}
    assert Longer("s", 1).matches(block, unknown).tolist() == expected


class Chest(QueryToolChest):
    run_segment = merge = to_wire = from_wire = finalise = None


@pytest.mark.parametrize("chest", [Chest, f"{__name__}:Chest"])
def test_a_query_names_its_tool_chest_or_has_it(chest):
    @frozen(kw_only=True)
    class OwnQuery(BaseQuery):
        tool_chest = chest

    assert type(tool_chest(OwnQuery(data_source=None))).__name__ == "Chest"
