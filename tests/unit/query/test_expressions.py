"""The expression language, from the outside: an expression and the values of its column."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.source import RowBlock, SegmentSource

from .conftest import make_segment

SEGMENT = make_segment(
    s=["abc", None, "", "Xy z"],
    t=["1", "2", None, "x"],
    l=[7, None, -3, 0],
    d=[0.5, -2.0, None, 1e10],
    m=[["a", "b"], None, "c", ["d"]],
)
TIMES = make_segment(__time=[0, 951_782_400_000, 1_709_164_800_000 + 3_600_000])


def values(text, segment=SEGMENT, output=None, block=65536):
    source = SegmentSource(segment)
    out = []
    for at in range(0, segment.num_rows, block):
        rows = RowBlock(source, at, min(at + block, segment.num_rows))
        out += ExpressionColumn.of(text).vector(rows, output).to_list()
    return out


CASES = {
    "l + 1": [8, None, -2, 1],
    "l * 2 - 1": [13, None, -7, -1],
    "l / 2": [3, None, -1, 0],
    "l % 4": [3, None, -3, 0],
    "l / 2.0": [3.5, None, -1.5, 0.0],
    "2 ^ 3 ^ 2": [512] * 4,
    "-l": [-7, None, 3, 0],
    "l > 0": [1, None, 0, 0],
    "s == 'abc'": [1, None, 0, 0],
    "s < 'b'": [1, None, 1, 1],
    "l > 0 && d > 0": [1, 0, 0, 0],
    "l > 0 || d > 0": [1, None, None, 1],
    "!(l > 0)": [0, None, 1, 1],
    "t == 1": [1, 0, None, None],
    "s + 'q'": ["abcq", None, "q", "Xy zq"],
    "concat(s, '-', l)": ["abc--7".replace("--", "-"), None, "--3", "Xy z-0"],
    "nvl(s, 'none')": ["abc", "none", "", "Xy z"],
    "if(l > 0, 'yes', 'no')": ["yes", "no", "no", "no"],
    "case_searched(l > 5, 'big', l < 0, 'neg')": ["big", None, "neg", None],
    "case_simple(s, 'abc', 1, '', 2, 3)": [1, 3, 2, 3],
    "coalesce(l, d, 9)": [7.0, -2.0, -3.0, 0.0],
    "isnull(s)": [0, 1, 0, 0],
    "notnull(l)": [1, 0, 1, 1],
    "cast(t, 'LONG')": [1, 2, None, None],
    "cast(l, 'STRING')": ["7", None, "-3", "0"],
    "cast(d, 'LONG')": [0, -2, None, 10_000_000_000],
    "upper(s)": ["ABC", None, "", "XY Z"],
    "strlen(s)": [3, None, 0, 4],
    "substring(s, 1, 2)": ["bc", None, None, "y "],
    "replace(s, 'b', '-')": ["a-c", None, "", "Xy z"],
    "strpos(s, 'c')": [2, None, -1, -1],
    "like(s, 'a%')": [1, None, 0, 0],
    "regexp_extract(s, '(.)b', 1)": ["a", None, None, None],
    "contains_string(s, 'y')": [0, None, 0, 1],
    "lpad(s, 4, '.')": [".abc", None, "....", "Xy z"],
    "trim('  x ')": ["x"] * 4,
    "abs(l)": [7, None, 3, 0],
    "round(2.5)": [3.0] * 4,
    "round(-2.5)": [-3.0] * 4,
    "floor(d)": [0.0, -2.0, None, 1e10],
    "max(l, 1)": [7, None, 1, 1],
    "greatest(l, 1)": [7, 1, 1, 1],
    "safe_divide(l, 0)": [None] * 4,
    "upper(m)": [["A", "B"], None, "C", "D"],
    "array_length(m)": [2, None, 1, 1],
    "array_contains([1,2], 2)": [1] * 4,
    "nope": [None] * 4,
    "null": [None] * 4,
    "'it\\'s \\u0041'": ["it's A"] * 4,
    '"l" + 0': [7, None, -3, 0],
    "map((x) -> concat(x, '!'), m)": [["a!", "b!"], None, ["c!"], ["d!"]],
}


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("block", [1, 3, 65536])
def test_values(text, block):
    found = values(text, block=block)
    assert found == CASES[text]
    assert [type(v) for v in found] == [type(v) for v in CASES[text]]


TIME_CASES = {
    "timestamp_floor(__time, 'P1M')": [0, 949_363_200_000, 1_706_745_600_000],
    "timestamp_ceil(__time, 'P1D')": [0, 951_782_400_000, 1_709_251_200_000],
    "timestamp_shift(__time, 'P1Y', 1)": [31_536_000_000, 983_318_400_000, 1_740_704_400_000],
    "timestamp_extract(__time, 'YEAR')": [1970, 2000, 2024],
    "timestamp_extract(__time, 'DOW')": [4, 2, 4],
    "timestamp_extract(__time, 'HOUR', 'Asia/Kolkata')": [5, 5, 6],
    "timestamp_format(__time, 'yyyy-MM-dd HH:mm')": ["1970-01-01 00:00", "2000-02-29 00:00", "2024-02-29 01:00"],
    "timestamp_format(__time)": ["1970-01-01T00:00:00.000Z", "2000-02-29T00:00:00.000Z", "2024-02-29T01:00:00.000Z"],
    "timestamp_parse('2024-02-29', 'yyyy-MM-dd')": [1_709_164_800_000] * 3,
    "timestamp_parse('soon')": [None] * 3,
}


@pytest.mark.parametrize("text", TIME_CASES)
def test_times(text):
    assert values(text, TIMES) == TIME_CASES[text]


def test_a_function_of_one_string_column_is_called_once_per_distinct_value(monkeypatch):
    from nemeton.query.expressions import formats

    calls = []
    monkeypatch.setattr(formats, "java_format", lambda pattern, items: calls.append(items) or "x")
    segment = make_segment(s=["a", "b"] * 1000)
    assert values("format('%s', s)", segment, block=100) == ["x"] * 2000
    assert len(calls) == 2


@pytest.mark.parametrize("text", ["l +", "(l", "12345678901234567890", "0x1F", "'open", "l ? 1", "substring(s)", "[l]"])
def test_what_cannot_be_parsed_is_refused(text):
    with pytest.raises(DruidException) as refused:
        values(text)
    assert refused.value.http_status == 500  # a query that is read with such an expression in it is refused with 400


def test_an_unknown_function_is_named():
    with pytest.raises(DruidException, match="'nosuch' is not defined"):
        values("nosuch(l)")


def test_division_of_longs_by_zero_is_an_error():
    with pytest.raises(DruidException, match="/ by zero"):
        values("7 / l")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("l + 1", "LONG"),
        ("l + d", "DOUBLE"),
        ("s", "STRING"),
        ("strlen(s)", "LONG"),
        ("null", "FLOAT"),
        ("[1]", "ARRAY<LONG>"),
    ],
)
def test_the_type_is_known_before_any_row(text, kind):
    assert str(ExpressionColumn.of(text).column_type(SegmentSource(SEGMENT).column_type)) == kind


def test_an_extension_adds_a_function():
    from nemeton.plugins import TypeRegistry, json_type
    from nemeton.query import QueryEngine
    from nemeton.query.expressions import evaluate
    from nemeton.spi.query import ExpressionFunction

    @json_type("acme_twice")
    class Twice(ExpressionFunction):
        arguments = (1, 1)

        def apply(self, args, count):
            return "STRING", [None if value is None else value * 2 for value in args[0].objects()]

    registry = TypeRegistry()
    registry.add("expression_functions", Twice, "acme")
    try:
        QueryEngine(registry)
        QueryEngine(registry)
        assert values("acme_twice(s)") == ["abcabc", None, "", "Xy zXy z"]
        with pytest.raises(DruidException, match="requires 1 argument"):
            values("acme_twice(s, s)")
    finally:
        evaluate.FUNCTIONS.pop("acme_twice")
