"""Documents in expressions, and paths into them, as Druid documents them."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.inline import rows_segment
from nemeton.query.json_path import find, find_literal, format_json_path, leaf_paths, parse_json_path
from nemeton.query.source import RowBlock, SegmentSource

DOCUMENTS = [
    {"a": {"b": 1, "c": "x"}, "list": [3, 4.5, "s"], "ok": True, "d.o.t": 9},
    {"a": {"b": "two"}, "objs": [{"k": 1}, {"k": 2}]},
    None,
    "text",
]
SEGMENT = rows_segment(
    {
        "doc": ("COMPLEX<json>", DOCUMENTS),
        "s": ("STRING", ['{"q":1}', "[1,2]", None, "no json"]),
        "l": ("LONG", [5, None, 7, 8]),
    },
    4,
)


def values(text):
    return ExpressionColumn.of(text).vector(RowBlock(SegmentSource(SEGMENT), 0, 4)).to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("json_value(doc, '$.a.b', 'STRING')", ["1", "two", None, None]),
        ("json_value(doc, '$.a.b', 'LONG')", [1, None, None, None]),
        ("json_value(doc, '$.list[1]')", [4.5, None, None, None]),
        ("json_value(doc, '$.list[-1]')", ["s", None, None, None]),
        ("json_value(doc, '$.ok')", [1, None, None, None]),
        ("json_value(doc, '$.a')", [None] * 4),
        ("json_value(doc, '$')", [None, None, None, "text"]),
        ("json_value(doc, '$[\\'d.o.t\\']')", [9, None, None, None]),
        ("json_value(doc, '$.list', 'ARRAY<STRING>')", [["3", "4.5", "s"], None, None, None]),
        ("json_query(doc, '$.a')", [{"b": 1, "c": "x"}, {"b": "two"}, None, None]),
        ("json_query_array(doc, '$.objs')", [None, [{"k": 1}, {"k": 2}], None, None]),
        ("json_query_array(doc, '$.a')", [[{"b": 1, "c": "x"}], [{"b": "two"}], None, None]),
        ("json_keys(doc, '$')", [["a", "list", "ok", "d.o.t"], ["a", "objs"], None, None]),
        ("json_keys(doc, '$.list')", [["0", "1", "2"], None, None, None]),
        ("json_object('x', l, 'y', 'z')", [{"x": n, "y": "z"} for n in (5, None, 7, 8)]),
        ("json_merge(json_object('x', l), '{\"y\":1}')", [{"x": n, "y": 1} for n in (5, None, 7, 8)]),
        ('json_merge(\'{"a":{"b":1}}\', \'{"a":{"c":2}}\')', [{"a": {"b": 1, "c": 2}}] * 4),
        ("to_json_string(json_query(doc, '$.a'))", ['{"b":1,"c":"x"}', '{"b":"two"}', None, None]),
        ("try_parse_json(s)", [{"q": 1}, [1, 2], None, None]),
        ("json_value(parse_json('{\"q\":[7]}'), '$.q[0]')", [7] * 4),
    ],
)
def test_values(text, expected):
    assert values(text) == expected


def test_the_paths_of_a_document():
    assert values("json_paths(doc)")[0] == [
        "$.ok",
        "$['d.o.t']",
        "$.a.b",
        "$.a.c",
        "$.list[0]",
        "$.list[1]",
        "$.list[2]",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parse_json(s)", r"\[no json\]"),
        ("json_value(doc, 'a.b')", r"JSONPath \[a.b\] is invalid, it must start with '\$'"),
        ("json_value(doc, '$.a[0')", r"JSONPath \[\$.a\[0\] is invalid"),
        ("json_value(doc, '$.a.[0]')", r"JSONPath \[\$.a.\[0\]\] is invalid"),
        ("json_value(doc, '$[\"a\"]')", r"JSONPath \[\$\[\"a\"\]\] is invalid"),
        ("json_value(doc, '$..a')", r"JSONPath \[\$..a\] is invalid"),
        ("json_value(doc, s)", "must be a literal"),
        ("json_object('a')", "even number"),
        ("json_object(l, 1)", "names must be strings"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(DruidException, match=message):
        values(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("$", ()),
        ("$.a.b", ("a", "b")),
        ("$['a b'][0][-1]", ("a b", 0, -1)),
        ("$.a['b']", ("a", "b")),
        ("$['q'q']", ("q'q",)),
        ("$.a[", ("a",)),
        ("$.a.", ("a",)),
        ("$.length()", ("length()",)),
        ("", ()),
        ("$.key with space", ("key with space",)),
    ],
)
def test_paths(text, parts):
    assert parse_json_path(text) == parts


def test_a_path_is_written_as_it_is_read():
    for path in [(), ("a", 0, "b c"), ("a.b", "[x]", 3)]:
        assert parse_json_path(format_json_path(path)) == path


def test_finding():
    assert find({"a": [1, {"b": None}]}, ("a", 1, "b")) is None
    assert find({"a": 1}, ("a", "b")) is None
    assert find_literal({"a": [1]}, ("a",)) is None
    assert find_literal({"a": False}, ("a",)) == 0
    assert leaf_paths(5) == ["$"]
