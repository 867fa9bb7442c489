"""Filters: SQL's three-valued logic over strings, numbers and multi-value columns."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.query.control import UNLIMITED
from nemeton.query.source import SegmentSource
from nemeton.spi.query import DimFilter

from .conftest import make_segment

SEGMENT = make_segment(
    s=["a", "b", None, "", "c", "B10", "B9", "é", "10", "9"],
    n=[1, 2, None, 4, 5, 6, 7, 8, 9, 10],
    d=[0.5, None, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5],
    m=[["a", "b"], ["b"], None, [], "a", ["c", "a"], ["x"], ["y"], ["z"], ["a"]],
)


def rows_of(json, condition, segment=SEGMENT, block_rows=65536, **inputs):
    found = json.structure(condition, DimFilter)
    source = SegmentSource(segment, inputs.get("virtual_columns", ()))
    times = [t for b in source.blocks(list(all_time()), found, UNLIMITED, block_rows) for t in b.times().tolist()]
    return [time // 3_600_000 for time in times]


def all_time():
    from nemeton.time import ETERNITY

    yield ETERNITY


CASES = [
    ({"type": "selector", "dimension": "s", "value": "a"}, [0]),
    ({"type": "selector", "dimension": "s", "value": None}, [2]),
    ({"type": "selector", "dimension": "s", "value": ""}, [3]),
    ({"type": "selector", "dimension": "n", "value": "5"}, [4]),
    ({"type": "selector", "dimension": "n", "value": "5.5"}, []),
    ({"type": "selector", "dimension": "n", "value": "x"}, []),
    ({"type": "selector", "dimension": "d", "value": 1.5}, [2]),
    ({"type": "selector", "dimension": "nope", "value": None}, list(range(10))),
    ({"type": "selector", "dimension": "nope", "value": "x"}, []),
    ({"type": "selector", "dimension": "m", "value": "a"}, [0, 4, 5, 9]),
    ({"type": "selector", "dimension": "m", "value": None}, [2, 3]),
    ({"type": "in", "dimension": "s", "values": ["a", None, "zzz"]}, [0, 2]),
    ({"type": "in", "dimension": "n", "values": ["1", "2", None]}, [0, 1, 2]),
    ({"type": "in", "dimension": "s", "values": []}, []),
    ({"type": "inType", "column": "n", "matchValueType": "LONG", "sortedValues": [4, 5]}, [3, 4]),
    ({"type": "equals", "column": "n", "matchValueType": "LONG", "matchValue": 7}, [6]),
    ({"type": "equals", "column": "s", "matchValueType": "STRING", "matchValue": "b"}, [1]),
    ({"type": "null", "column": "n"}, [2]),
    ({"type": "not", "field": {"type": "null", "column": "d"}}, [0, 2, 3, 4, 5, 6, 7, 8, 9]),
    ({"type": "bound", "dimension": "s", "lower": "b", "lowerStrict": True}, [4, 7]),
    ({"type": "bound", "dimension": "s", "lower": "9", "upper": "10", "ordering": "numeric"}, [8, 9]),
    ({"type": "bound", "dimension": "s", "lower": "B9", "upper": "B10", "ordering": "alphanumeric"}, [5, 6]),
    ({"type": "bound", "dimension": "n", "lower": "3", "upper": "5", "ordering": "numeric"}, [3, 4]),
    ({"type": "bound", "dimension": "n", "lower": "3", "upper": "5"}, [3, 4]),
    (
        {"type": "range", "column": "d", "matchValueType": "DOUBLE", "lower": 2.5, "lowerOpen": True, "upper": 4.5},
        [4, 5],
    ),
    ({"type": "range", "column": "s", "matchValueType": "STRING", "lower": "a", "upper": "b"}, [0, 1]),
    ({"type": "like", "dimension": "s", "pattern": "B%"}, [5, 6]),
    ({"type": "like", "dimension": "s", "pattern": "_"}, [0, 1, 4, 7, 9]),
    ({"type": "regex", "dimension": "s", "pattern": "[0-9]"}, [5, 6, 8, 9]),
    ({"type": "search", "dimension": "s", "query": {"type": "insensitive_contains", "value": "b"}}, [1, 5, 6]),
    ({"type": "interval", "dimension": "__time", "intervals": ["1970-01-01T02/1970-01-01T04"]}, [2, 3]),
    ({"type": "expression", "expression": "n > 8 || s == 'a'"}, [0, 8, 9]),
    ({"type": "columnComparison", "dimensions": ["s", "n"]}, [2]),
    ({"type": "true"}, list(range(10))),
    ({"type": "false"}, []),
    ({"type": "istrue", "field": {"type": "selector", "dimension": "s", "value": "a"}}, [0]),
    ({"type": "isfalse", "field": {"type": "selector", "dimension": "s", "value": "a"}}, [1, 3, 4, 5, 6, 7, 8, 9]),
    (
        {
            "type": "selector",
            "dimension": "s",
            "value": "B",
            "extractionFn": {"type": "substring", "index": 0, "length": 1},
        },
        [5, 6],
    ),
]


@pytest.mark.parametrize(("condition", "rows"), CASES, ids=[str(c[0])[:70] for c in CASES])
def test_rows_that_match(json, condition, rows):
    assert rows_of(json, condition) == rows


@pytest.mark.parametrize(("condition", "rows"), CASES, ids=[str(c[0])[:70] for c in CASES])
@pytest.mark.parametrize("block_rows", [1, 3])
def test_blocks_of_any_size_give_the_same(json, condition, rows, block_rows):
    assert rows_of(json, condition, block_rows=block_rows) == rows


def test_not_leaves_out_what_is_unknown(json):
    is_a = {"type": "selector", "dimension": "s", "value": "a"}
    assert rows_of(json, {"type": "not", "field": is_a}) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert rows_of(json, {"type": "not", "field": {"type": "not", "field": is_a}}) == [0]


def test_unknown_or_true_is_true(json):
    unknown = {"type": "selector", "dimension": "s", "value": "a"}
    known = {"type": "null", "column": "s"}
    assert 2 in rows_of(json, {"type": "or", "fields": [unknown, known]})
    assert 2 not in rows_of(json, {"type": "not", "field": {"type": "and", "fields": [unknown, {"type": "true"}]}})


LEAVES = [
    ({"type": "selector", "dimension": "s", "value": "a"}, lambda s, n: None if s is None else s == "a"),
    (
        {"type": "range", "column": "n", "matchValueType": "LONG", "lower": 3},
        lambda s, n: None if n is None else n >= 3,
    ),
    ({"type": "null", "column": "s"}, lambda s, n: s is None),
]


def negate(value):
    return None if value is None else not value


def conjunction(values):
    return False if False in values else None if None in values else True


trees = st.recursive(
    st.sampled_from(range(len(LEAVES))),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)


def condition_of(tree):
    if isinstance(tree, int):
        return LEAVES[tree][0]
    kind, inner = tree
    if kind == "not":
        return {"type": "not", "field": condition_of(inner)}
    return {"type": kind, "fields": [condition_of(item) for item in inner]}


def truth_of(tree, s, n):
    if isinstance(tree, int):
        return LEAVES[tree][1](s, n)
    kind, inner = tree
    if kind == "not":
        return negate(truth_of(inner, s, n))
    values = [truth_of(item, s, n) for item in inner]
    return conjunction(values) if kind == "and" else negate(conjunction([negate(value) for value in values]))


ROWS = list(itertools.product(["a", "b", None], [1, 5, None]))
LOGIC_SEGMENT = make_segment(s=[s for s, _ in ROWS], n=[n for _, n in ROWS])


@settings(max_examples=150)
@given(trees)
def test_any_combination_follows_three_valued_logic(json, tree):
    wanted = [i for i, (s, n) in enumerate(ROWS) if truth_of(tree, s, n) is True]
    assert rows_of(json, condition_of(tree), LOGIC_SEGMENT) == wanted


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "bound", "dimension": "s"},
        {"type": "range", "column": "s", "matchValueType": "STRING"},
        {"type": "equals", "column": "s", "matchValueType": "STRING", "matchValue": None},
        {"type": "regex", "dimension": "s", "pattern": "("},
        {"type": "nope"},
        {"type": "selector"},
    ],
)
def test_bad_filters_are_refused(json, bad):
    with pytest.raises(DruidException) as refused:
        json.structure(bad, DimFilter)
    assert refused.value.http_status == 400


WORDS = sorted({chr(97 + i % 26) + chr(97 + i * 7 % 26) + str(i % 50) for i in range(2000)})


class Searchable:
    """A segment whose dictionary is sorted and can be searched, as those on disk can."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def column(self, name):
        column = self.inner.column(name)
        if name == "s":
            column = SearchableColumn(column)
        return column


class SearchableColumn:
    is_sorted = True

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def index_of(self, value):
        import bisect

        values = ["" if v is None else v for v in self.inner.values_list()]
        if value is None:
            return 0
        at = bisect.bisect_left(values, value, 1)
        return at if at < len(values) and values[at] == value else -at - 1


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ({"type": "selector", "dimension": "s", "value": WORDS[300]}, lambda s: s == WORDS[300]),
        ({"type": "selector", "dimension": "s", "value": "nope"}, lambda s: False),
        ({"type": "selector", "dimension": "s", "value": None}, lambda s: s is None),
        ({"type": "in", "dimension": "s", "values": [*WORDS[5:9], None]}, lambda s: s is None or s in WORDS[5:9]),
        (
            {"type": "bound", "dimension": "s", "lower": "c", "upper": "dz"},
            lambda s: s is not None and "c" <= s <= "dz",
        ),
        (
            {"type": "bound", "dimension": "s", "lower": WORDS[3], "lowerStrict": True},
            lambda s: s is not None and s > WORDS[3],
        ),
        (
            {"type": "range", "column": "s", "matchValueType": "STRING", "upper": WORDS[9], "upperOpen": True},
            lambda s: s is not None and s < WORDS[9],
        ),
        (
            {"type": "not", "field": {"type": "equals", "column": "s", "matchValueType": "STRING", "matchValue": "x"}},
            lambda s: s is not None,
        ),
    ],
)
def test_large_dictionaries_are_searched(json, condition, matches):
    values = [None, *WORDS]
    segment = Searchable(make_segment(s=values))
    assert rows_of(json, condition, segment) == [i for i, value in enumerate(values) if matches(value)]
