"""Every registered aggregator, core's and those of installed extensions, keeps the promises of the testkit."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.query import AggregatorFactory
from nemeton.testkit.suites.aggregator import AggregatorPromises, blocks_of, sample_columns

#: What a type needs beside its name and a field; the others are asked for an aggregate of a column of numbers.
SPECS = {
    "count": {},
    "stringFirst": {"fieldName": "string"},
    "stringLast": {"fieldName": "string"},
    "stringAny": {"fieldName": "string"},
    "cardinality": {"fields": ["string", "long"]},
    "histogram": {"fieldName": "double", "breaks": [-1, 0, 10.5]},
    "grouping": {"groupings": ["string"]},
    "filtered": {
        "aggregator": {"type": "longSum", "name": "a", "fieldName": "long"},
        "filter": {"type": "selector", "dimension": "string", "value": "a"},
    },
    "expression": {
        "fields": ["long"],
        "initialValue": "0",
        "fold": "bitwiseXor(__acc, long)",
        "combine": "bitwiseXor(__acc, a)",
    },
}


#: Types that fold nothing: the first is refused, of the second a group takes in one row at most.
NO_FOLDS = {"javascript", "singleValue"}


@functools.cache
def registry():
    return load_extensions({}, ["nemeton.query.extension"]).registry


def names():
    return sorted({entry.name for entry in registry().entries(AggregatorFactory).values()} - NO_FOLDS)


#: Types that read the sketches of another, which are here one for each row.
SKETCHES_OF = {"HLLSketchMerge": "HLLSketchBuild"}


def make(name, field="double"):
    given = {"type": name, "name": "a", **SPECS.get(name, {"fieldName": field})}
    return Json(registry()).structure(given, AggregatorFactory)


def with_sketches(columns, name):
    maker = make(name)
    (block,) = blocks_of(columns)
    state = maker.init(block.num_rows)
    maker.aggregate(state, block, np.arange(block.num_rows))
    return {**columns, "sketch": (str(maker.stored_type), maker.to_stored(state).to_list())}


@pytest.mark.parametrize("name", names())
class TestEveryAggregator(AggregatorPromises):
    @pytest.fixture
    def factory(self, name):
        return make(name, "sketch" if name in SKETCHES_OF else "double")

    @pytest.fixture
    def columns(self, name):
        columns = sample_columns()
        return with_sketches(columns, SKETCHES_OF[name]) if name in SKETCHES_OF else columns

    @pytest.fixture(autouse=True)
    def _order(self, name):
        self.commutative = not name.endswith("Any")
        self.tolerance = 0.02 if "ketch" in name else 1e-6


def test_those_of_core_are_among_them():
    assert len(names()) > 25
    assert not [name for name in SPECS if name not in names()]
