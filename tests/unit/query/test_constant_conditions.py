"""What a condition is for a whole segment is told without reading it, and aggregates do less where it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.query.control import UNLIMITED
from nemeton.query.source import SegmentSource
from nemeton.spi.query import AggregatorFactory, DimFilter, VirtualColumn
from nemeton.time import ETERNITY

from .conftest import make_segment

SEGMENT = make_segment(n=[1, 2, 3, 4], x=[1.5, None, 2.5, None], s=["a", None, "b", "c"])
VIRTUAL = {"type": "expression", "name": "v", "expression": "x + 1", "outputType": "DOUBLE"}


def null(column: str) -> dict[str, Any]:
    return {"type": "null", "column": column}


def negated(condition: dict[str, Any]) -> dict[str, Any]:
    return {"type": "not", "field": condition}


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "and", "fields": list(conditions)}


def either(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "or", "fields": list(conditions)}


YES, NO = {"type": "true"}, {"type": "false"}
OPEN = {"type": "selector", "dimension": "s", "value": "a"}


@pytest.fixture
def source(json: Any) -> SegmentSource:
    return SegmentSource(SEGMENT, [json.structure(VIRTUAL, VirtualColumn)])


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (YES, True),
        (NO, False),
        (OPEN, None),
        (null("n"), False),  # numbers of which none is null
        (null("__time"), False),
        (null("missing"), True),
        (null("x"), None),
        (null("s"), None),
        (null("v"), None),  # computed: nobody knows before it is
        (negated(null("n")), True),
        (negated(null("missing")), False),
        (negated(OPEN), None),
        (both(YES, negated(null("n"))), True),
        (both(YES, OPEN), None),
        (both(OPEN, NO), False),
        (both(OPEN, null("n")), False),
        (either(NO, null("n")), False),
        (either(NO, OPEN), None),
        (either(OPEN, YES), True),
        (either(OPEN, null("missing")), True),
    ],
)
def test_what_is_told_of_a_segment(
    json: Any, source: SegmentSource, condition: dict[str, Any], told: bool | None
) -> None:
    assert json.structure(condition, DimFilter).constant(source) is told


CONDITIONS = st.recursive(
    st.sampled_from([YES, NO, OPEN, *map(null, ("n", "x", "s", "v", "missing", "__time"))]),
    lambda inner: st.one_of(
        inner.map(negated),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: both(*found)),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: either(*found)),
        inner.map(lambda found: {"type": "istrue", "field": found}),
        inner.map(lambda found: {"type": "isfalse", "field": found}),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(condition=CONDITIONS)
def test_what_is_told_is_so_for_every_row(json: Any, condition: dict[str, Any]) -> None:
    source = SegmentSource(SEGMENT, [json.structure(VIRTUAL, VirtualColumn)])
    found = json.structure(condition, DimFilter)
    told = found.constant(source)
    (block,) = source.blocks([ETERNITY], None, UNLIMITED)
    rows = sum(each.num_rows for each in source.blocks([ETERNITY], found, UNLIMITED))
    assert rows == int(found.matches(block).sum())
    if told is not None:
        assert found.matches(block).tolist() == [told] * 4
        assert found.matches(block, True).tolist() == [told] * 4  # never unknown, so NOT may turn it round


class Unread(DimFilter):
    """A condition that is told, and must not be asked about rows."""

    def __init__(self, told: bool) -> None:
        self.told = told

    def required_columns(self) -> frozenset[str]:
        return frozenset()

    def constant(self, source: Any) -> bool | None:
        return self.told

    def matches(self, block: Any, include_unknown: bool = False) -> Any:
        raise AssertionError("it was told without reading")


@pytest.mark.parametrize(("told", "rows"), [(True, 4), (False, 0)])
def test_no_row_is_asked_where_the_condition_is_told(told: bool, rows: int) -> None:
    blocks = SegmentSource(SEGMENT).blocks([ETERNITY], Unread(told), UNLIMITED)
    assert sum(block.num_rows for block in blocks) == rows


COUNT = {"type": "count", "name": "c"}
SUM = {"type": "doubleSum", "name": "total", "fieldName": "x"}


def filtered(aggregator: dict[str, Any], condition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "filtered", "aggregator": aggregator, "filter": condition, **more}


@pytest.mark.parametrize(
    ("aggregator", "within"),
    [
        (COUNT, COUNT),
        (SUM, SUM),
        (filtered(COUNT, YES), COUNT),
        (filtered(COUNT, negated(null("n")), name="other"), COUNT),
        (filtered(filtered(SUM, negated(null("n"))), YES), SUM),
        (filtered(filtered(SUM, OPEN), YES), filtered(SUM, OPEN)),
        (filtered(SUM, OPEN), filtered(SUM, OPEN)),
        (filtered(SUM, NO), filtered(SUM, NO)),
    ],
)
def test_a_filter_that_holds_throughout_a_segment_is_left_out_there(
    json: Any, source: SegmentSource, aggregator: dict[str, Any], within: dict[str, Any]
) -> None:
    found = json.structure(aggregator, AggregatorFactory).within(source)
    assert found == json.structure(within, AggregatorFactory)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(condition=CONDITIONS, inner=st.sampled_from([COUNT, SUM]))
def test_less_work_is_the_same_work(json: Any, condition: dict[str, Any], inner: dict[str, Any]) -> None:
    source = SegmentSource(SEGMENT, [json.structure(VIRTUAL, VirtualColumn)])
    whole = json.structure(filtered(inner, condition), AggregatorFactory)
    (block,) = source.blocks([ETERNITY], None, UNLIMITED)
    answers = []
    for factory in (whole, whole.within(source)):
        state = factory.init(2)
        factory.aggregate(state, block, np.array([0, 0, 1, 1]))
        answers.append(whole.finalise(state).to_list())  # states are of the same kind
    assert answers[0] == answers[1]


def test_an_answer_keeps_the_name_of_each_aggregate(runner: Any) -> None:
    aggregations = [COUNT, filtered(COUNT, negated(null("n")), name="held"), filtered(COUNT, OPEN, name="open")]
    (row,) = runner.run(SEGMENT, queryType="timeseries", aggregations=aggregations)
    assert row["result"] == {"c": 4, "held": 4, "open": 1}
