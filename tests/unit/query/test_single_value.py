"""singleValue: one row a group, as a subquery that stands for a value has it."""

from __future__ import annotations

import numpy as np
import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.query import AggregatorFactory
from nemeton.testkit.suites.aggregator import blocks_of


def factory():
    registry = load_extensions({}, ["nemeton.query.extension"]).registry
    given = {"type": "singleValue", "name": "a", "fieldName": "x", "columnType": "LONG"}
    return Json(registry).structure(given, AggregatorFactory)


def state_of(values, groups):
    (block,) = blocks_of({"x": ("LONG", values)})
    state = factory().init(max(groups, default=-1) + 2)
    factory().aggregate(state, block, np.array(groups, dtype=np.int64))
    return state


def test_the_value_of_each_group_and_null_for_one_without_a_row():
    assert factory().finalise(state_of([5, None], [0, 1])).to_list() == [5, None, None]


def test_a_second_row_is_refused():
    with pytest.raises(DruidException, match="returned more than one row"):
        state_of([5, 6], [0, 0])


def test_values_of_two_segments_are_refused():
    state = state_of([5], [0])
    with pytest.raises(DruidException, match="more than one row to combine"):
        factory().merge(state, state_of([6], [0]), np.array([0, 1]))


def test_it_comes_back_from_the_wire():
    state = factory().from_wire(factory().to_wire(state_of([7], [0])))
    assert factory().finalise(state).to_list() == [7, None]
