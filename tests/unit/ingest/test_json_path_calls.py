"""Functions at the end of a JSONPath, with arguments and over many places, as a real Druid's sampler answered."""

from __future__ import annotations

from typing import Any

import pytest

from nemeton.common.errors import DruidException
from nemeton.ingest.flatten.json_path import compile_path

DOCUMENT = {
    "t": 1,
    "a": {"b": 1, "c": [{"k": "x", "v": 1}, {"k": "y", "v": 2, "w": 3}, 5], "d e": "q", "n": None},
    "arr": [10, 20, 30],
    "emp": [],
    "top": "T",
    "x.y": 3,
    "x": {"b": 2},
    "nn": None,
    "strs": ["p", "q"],
    "nest": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.arr.concat('x')", ""),
        ("$.strs.concat('z')", "pq"),
        ("$.top.concat('z')", ""),
        ("$.concat($.arr)", "102030"),
        ("$.concat($.strs,$.top)", "pqT"),
        ('$.strs.concat($.top,"-",3)', 'pqT"-"3'),
        ("$.concat(1.50)", "1.5"),
        ("$.concat($.nest)", "[1,2][3]"),
        ("$.concat($.a.c[1])", '{"k":"y","v":2,"w":3}'),
        ("$.concat(true)", ""),
        ("$.arr.append(5)", [10, 20, 30, 5]),
        ("$.arr.append('x')", [10, 20, 30]),
        ('$.arr.append(-5, "q", $.top)', [10, 20, 30, -5, "q", "T"]),
        ("$.arr.append($.strs)", [10, 20, 30, ["p", "q"]]),
        ("$.nn.append(1)", None),
        ("$.nest[*].append(7)", [[1, 2, 7], [3, 7]]),
        ("$..c.length()", 3),
        ("$..nest.length()", 2),
        ("$..v.length()", 0),
        ("$..v.sum()", 3.0),
        ("$..v.stddev()", 0.5),
        ("$..[0].sum()", 14.0),
        ("$..k.concat()", "xy"),
        ("$..x.keys()", list(DOCUMENT)),
        ("$.nest[*].sum()", [3.0, 3.0]),
        ("$.nest[*].length()", [2, 1]),
        ("$.a.c[*].length()", [2, 3, None]),
        ("$.a..v.length()", [None, None]),
        ("$.nest[*].first()", [1, 3]),
        ("$.sum($.arr[0],$.arr[1])", 30.0),
        ("$.arr.sum(5)", 60.0),
        ("$.arr.sum($.a.b)", 61.0),
        ("$.arr.sum($..v,$.zz)", 63.0),
        ("$.arr.max($.arr[0], 99)", 30.0),
        ("$.max($..v, $.arr[0])", 10.0),
        ("$.length($.arr)", 10),
        ("$.length($..v)", 0),
        ("$.arr.length($.a.c)", 3),
        ("$.arr[", [10, 20, 30]),
    ],
)  # fmt: skip
def test_the_value(path: str, value: Any) -> None:
    assert compile_path(path).read(DOCUMENT) == value


@pytest.mark.parametrize("path", ["$.arr.foo(1)", "$.arr.sum(1", "$.arr.length(1)", "$.sum($.sum($.arr),1)", "$.arr[0"])
def test_what_druid_fails_of_is_refused(path: str) -> None:
    with pytest.raises(DruidException):
        compile_path(path)
