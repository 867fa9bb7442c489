"""Timestamps as Druid reads them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.ingest.schema import TimestampSpec
from nemeton.ingest.timestamps import parse_times
from nemeton.time import format_datetime

TEN = "2013-01-01T10:00:00.000Z"
TEN_MS = 1357034400000


def parsed(form: str, values: list[Any], missing: int | None = None) -> list[str | None]:
    column = pl.Series(values, strict=False)
    result = parse_times(column, len(values), TimestampSpec(format=form, missing_value=missing))
    bad = [False] * len(values) if result.bad is None else result.bad.tolist()
    return [None if bad[i] else format_datetime(int(ms)) for i, ms in enumerate(result.times)]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("iso", "2013-01-01T10:00:00Z", TEN),
        ("iso", "2013-01-01T12:00:00.000+02:00", TEN),
        ("iso", "2013-01-01", "2013-01-01T00:00:00.000Z"),
        ("iso", "2013", "2013-01-01T00:00:00.000Z"),
        ("iso", str(TEN_MS), TEN),
        ("iso", "2013-01-01 10:00:00", None),
        ("iso", "2013-02-29", None),
        ("iso", '"2013-01-01"', "2013-01-01T00:00:00.000Z"),
        ("auto", "2013-01-01 10:00:00", TEN),
        ("auto", "2013-01-01T10:00:00 America/New_York", TEN),
        ("auto", str(TEN_MS), TEN),
        ("auto", "", None),
        ("auto", "yesterday", None),
        ("millis", str(TEN_MS), TEN),
        ("posix", str(TEN_MS // 1000), TEN),
        ("micro", str(TEN_MS * 1000 + 999), TEN),
        ("nano", str(TEN_MS * 1_000_000 + 999), TEN),
        ("posix", "ten", None),
        ("ruby", "1357034400.5", "2013-01-01T10:00:00.500Z"),
        ("yyyy-MM-dd HH:mm:ss", "2013-01-01 10:00:00", TEN),
        ("yyyy-MM-dd HH:mm:ss", "2013-1-1 10:0:0", TEN),
        ("yyyy-MM-dd HH:mm:ss", "2013-13-01 10:00:00", None),
        ("yyyyMMddHH", "2013010110", TEN),
        ("dd/MMM/yyyy:HH:mm:ss Z", "01/Jan/2013:05:00:00 -0500", TEN),
        ("M/d/yy h:mm a", "1/1/13 10:00 AM", TEN),
        ("EEE MMM dd HH:mm:ss zzz yyyy", "Tue Jan 01 10:00:00 UTC 2013", TEN),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSSSS", "2013-01-01T10:00:00.000999", TEN),
        ("yyyy-DDD'T'HH", "2013-001T10", TEN),
    ],
)
def test_formats(form: str, text: str, expected: str | None) -> None:
    assert parsed(form, [text]) == [expected]
    assert parsed(form, [text, None, text]) == [expected, None, expected]


def test_numbers() -> None:
    assert parsed("auto", [TEN_MS]) == [TEN]
    assert parsed("posix", [TEN_MS // 1000, None]) == [TEN, None]
    assert parsed("ruby", [TEN_MS / 1000]) == [TEN]
    assert parsed("micro", [-1]) == ["1970-01-01T00:00:00.000Z"]


def test_a_missing_value_stands_for_null_only() -> None:
    assert parsed("iso", [None, "x"], missing=TEN_MS) == [TEN, None]
    result = parse_times(None, 2, TimestampSpec(missing_value=TEN_MS))
    assert result.bad is None
    assert result.times.tolist() == [TEN_MS] * 2


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(DruidException, match="Illegal pattern component: jj"):
        parsed("jj", ["x"])


@given(st.lists(st.integers(min_value=-62135596800000, max_value=253402300799999), min_size=1))
def test_what_druid_writes_is_read_back(instants: list[int]) -> None:
    texts = [format_datetime(ms) for ms in instants]
    assert parsed("iso", texts) == texts
    assert parsed("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", texts) == texts


def test_a_column_of_few_texts_is_read_as_each_of_them() -> None:
    texts = [
        "2013-01-01",
        None,
        "2013-02-29",
        "2013",
        f"{TEN_MS}",
        "yesterday",
        *(f"1999-12-{d:02d}" for d in range(40)),
    ]
    each = [parsed("auto", [text])[0] for text in texts]
    assert parsed("auto", texts * 1100) == each * 1100
