"""Joins against the plain meaning of a join, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.source import SegmentSource
from nemeton.spi.query import DataSource, DimFilter, Query
from nemeton.time import ETERNITY

from .conftest import make_segment

JSON = Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)
KINDS = ("INNER", "LEFT", "RIGHT", "FULL")
strings = st.lists(st.tuples(st.sampled_from([None, "", "a", "b", "ä", "1", "2"]), st.integers(0, 3)), max_size=8)
numbers = st.lists(st.tuples(st.sampled_from([None, 0, 1, 2, -5]), st.integers(0, 3)), max_size=8)


def inline(rows, kind):
    return {
        "type": "inline",
        "columnNames": ["k", "n"],
        "columnTypes": [kind, "LONG"],
        "rows": [list(row) for row in rows],
    }


def run(left, right, condition, kind, columns):
    query = JSON.structure(
        {
            "queryType": "scan",
            "dataSource": {
                "type": "join",
                "left": left,
                "right": right,
                "rightPrefix": "r.",
                "condition": condition,
                "joinType": kind,
            },
            "intervals": ["1970/1971"],
            "columns": columns,
            "resultFormat": "compactedList",
        },
        Query,
    )
    answer = list(QueryEngine().execute(query, lambda _: pytest.fail("no table is read")))
    return [tuple(row) for batch in answer for row in batch["events"]]


def plain(left, right, meets, kind):
    """The same by two loops."""
    out, met = [], set()
    for a in left:
        partners = [i for i, b in enumerate(right) if meets(a, b)]
        met.update(partners)
        out += [(*a, *right[i]) for i in partners]
        if not partners and kind in ("LEFT", "FULL"):
            out.append((*a, None, None))
    if kind in ("RIGHT", "FULL"):
        out += [(None, None, *b) for i, b in enumerate(right) if i not in met]
    return out


@pytest.mark.parametrize("kind", KINDS)
@given(left=strings, right=strings)
def test_strings_by_equality(kind, left, right):
    got = run(inline(left, "STRING"), inline(right, "STRING"), 'k == "r.k"', kind, ["k", "n", "r.k", "r.n"])
    assert got == plain(left, right, lambda a, b: a[0] is not None and a[0] == b[0], kind)


@pytest.mark.parametrize("kind", KINDS)
@given(left=numbers, right=numbers)
def test_numbers_by_two_columns_of_which_one_takes_null_for_a_value(kind, left, right):
    condition = 'notdistinctfrom("r.k", k) && n == "r.n"'
    got = run(inline(left, "LONG"), inline(right, "LONG"), condition, kind, ["k", "n", "r.k", "r.n"])
    assert got == plain(left, right, lambda a, b: a == b, kind)


@given(left=numbers, right=strings)
def test_numbers_meet_their_texts(left, right):
    got = run(inline(left, "LONG"), inline(right, "STRING"), '(k + 1) == "r.k"', "INNER", ["k", "n", "r.k", "r.n"])
    assert got == plain(left, right, lambda a, b: a[0] is not None and str(a[0] + 1) == b[0], "INNER")


@pytest.mark.parametrize("kind", KINDS)
@given(left=strings, right=strings, always=st.booleans())
def test_constants_make_all_partners_or_none(kind, left, right, always):
    got = run(inline(left, "STRING"), inline(right, "STRING"), "1" if always else "0", kind, ["k", "n", "r.k", "r.n"])
    assert got == plain(left, right, lambda a, b: always, kind)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rightPrefix": ""}, "null or empty prefix"),
        ({"rightPrefix": "__t"}, "would shadow __time"),
        ({"joinType": "OUTER"}, "INNER, LEFT, RIGHT, FULL"),
        ({"condition": "k =="}, "not parseable"),
    ],
)
def test_what_is_wrong_with_a_join_is_said(change, message):
    join = {
        "type": "join",
        "left": inline([], "STRING"),
        "right": inline([], "STRING"),
        "rightPrefix": "r.",
        "condition": 'k == "r.k"',
        "joinType": "INNER",
    }
    with pytest.raises(DruidException, match=message):
        JSON.structure({**join, **change}, DataSource)


LEFT = inline([["a", 1], ["b", 2], ["b", 3]], "STRING")
RIGHT = inline([["a", 7], ["b", 8], ["c", 9]], "STRING")


def filtered_rows(condition, *, source=None, kind="RIGHT", context=None, virtual_columns=()):
    joined = {
        "type": "join",
        "left": LEFT,
        "right": RIGHT,
        "rightPrefix": "r.",
        "condition": 'k == "r.k"',
        "joinType": kind,
    }
    query = {
        "queryType": "scan",
        "dataSource": source or joined,
        "intervals": ["1970/1971"],
        "columns": ["k", "n", "r.k"],
        "virtualColumns": list(virtual_columns),
        "filter": condition,
        "resultFormat": "compactedList",
        "context": context or {},
    }
    answer = list(QueryEngine().execute(JSON.structure(query, Query), lambda _: pytest.fail("no table is read")))
    return [tuple(row) for batch in answer for row in batch["events"]]


IS_A = {"type": "equals", "column": "k", "matchValueType": "STRING", "matchValue": "a"}
IS_8 = {"type": "equals", "column": "r.n", "matchValueType": "LONG", "matchValue": 8}
#: What of the right has no partner once the left is filtered.
LONELY = [(None, None, "b"), (None, None, "c")]


@pytest.mark.parametrize("kind", ["RIGHT", "FULL"])
def test_what_is_asked_of_the_left_alone_is_asked_before_the_join_as_in_druid(kind):
    """Recorded of Druid (`join_RIGHT_filter_left`); the rows that it adds do not pass, which SQL never asks for."""
    assert filtered_rows(IS_A, kind=kind) == [("a", 1, "a"), *LONELY]
    assert filtered_rows({"type": "and", "fields": [IS_A, IS_8]}, kind=kind) == [(None, None, "b")]
    assert filtered_rows({"type": "or", "fields": [IS_A, IS_8]}, kind=kind) == [
        ("a", 1, "a"),
        ("b", 2, "b"),
        ("b", 3, "b"),
    ]


def test_a_query_may_have_it_asked_behind_the_join():
    assert filtered_rows(IS_A, context={"enableJoinFilterPushDown": False}) == [("a", 1, "a")]


def test_what_reads_a_virtual_column_is_asked_behind_the_join():
    column = {"type": "expression", "name": "v", "expression": "k", "outputType": "STRING"}
    assert filtered_rows({**IS_A, "column": "v"}, virtual_columns=[column]) == [("a", 1, "a")]


@pytest.mark.parametrize("kind", ["INNER", "LEFT"])
def test_without_rows_of_the_right_alone_it_makes_no_difference(kind):
    assert filtered_rows(IS_A, kind=kind) == [("a", 1, "a")]


def test_a_join_upon_a_join_filters_its_base():
    inner = {
        "type": "join",
        "left": LEFT,
        "right": RIGHT,
        "rightPrefix": "q.",
        "condition": 'k == "q.k"',
        "joinType": "LEFT",
    }
    outer = {**inner, "left": inner, "rightPrefix": "r.", "condition": 'k == "r.k"', "joinType": "FULL"}
    assert filtered_rows(IS_A, source=outer) == [("a", 1, "a"), *LONELY]


def test_a_left_filter_and_one_of_the_query_both_hold_before_the_join():
    table = {"type": "join", "left": "t", "right": RIGHT, "rightPrefix": "r.", "condition": 'k == "r.k"'}
    source = JSON.structure({**table, "joinType": "RIGHT", "leftFilter": IS_A}, DataSource)
    more = source.over_filtered(JSON.structure({"type": "null", "column": "n"}, DimFilter))
    assert [type(each).__name__ for each in more.left_filter.fields] == ["EqualityFilter", "NullFilter"]
    assert more.left == source.left


def chosen(rows, *, keys=("a", "b", None), kind="INNER", columns=("n",), condition='k == "r.k"'):
    left = make_segment(k=rows, n=list(range(len(rows))))
    join = {
        "type": "join",
        "left": "t",
        "right": inline([[key, 1] for key in keys], "STRING"),
        "rightPrefix": "r.",
        "condition": condition,
        "joinType": kind,
    }
    source = JSON.structure(join, DataSource)
    found = SegmentSource(source.map_segment(left, [ETERNITY]))
    return [found.read(name, 0, found.num_rows).to_list() for name in columns]


LISTS = [["a", "b"], ["c"], [], ["c", "b"], "a", ["c", "d"], None]


def test_by_a_column_of_several_values_a_join_can_only_choose_rows():
    """Each row once, whichever and how many of its values are keys."""
    assert chosen(LISTS) == [[0, 3, 4]]
    assert chosen(LISTS, condition='notdistinctfrom(k, "r.k")') == [[0, 2, 3, 4, 6]]
    assert chosen(LISTS, condition='notdistinctfrom(k, "r.k")', keys=("a", "b")) == [[0, 3, 4]]
    assert chosen(LISTS, keys=("x",)) == [[]]


@pytest.mark.parametrize(
    "asked",
    [{"columns": ("n", "r.n")}, {"keys": ("a", "b", "a")}, {"kind": "LEFT"}, {"condition": 'concat(k, "") == "r.k"'}],
)
def test_any_other_join_by_several_values_is_refused_as_in_druid(asked):
    with pytest.raises(DruidException, match="multi-value dimension is not supported"):
        chosen(LISTS, **asked)


@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=3), min_size=1, max_size=12), st.sets(st.sampled_from("abcd"))
)
def test_choosing_rows_is_the_in_filter(rows, keys):
    wanted = [i for i, row in enumerate(rows) if keys.intersection(row)]
    assert chosen(rows, keys=sorted(keys)) == [wanted]
