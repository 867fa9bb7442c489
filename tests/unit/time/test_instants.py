from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.time import ETERNITY, format_datetime, parse_datetime, zone
from nemeton.time.instants import civil_from_days, days_from_civil

LONGS = st.integers(-(2**63), 2**63 - 1)
UTC = datetime.UTC


@given(st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)))
def test_written_as_python_writes_it(moment):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    ms = (moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(milliseconds=1)
    assert format_datetime(ms) == moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


@given(LONGS)
def test_every_instant_is_read_back(ms):
    assert parse_datetime(format_datetime(ms)) == ms


@given(st.integers(-(10**9), 10**9))
def test_days_and_dates_go_both_ways(days):
    assert days_from_civil(*civil_from_days(days)) == days


@given(st.integers(-10_000_000_000_000, 10_000_000_000_000))
def test_with_an_offset_it_is_the_same_instant(ms):
    # zones of old had offsets of seconds, which ISO text holds too
    assert parse_datetime(format_datetime(ms, zone("Europe/Berlin"))) == ms


def test_eternity_is_written_as_druid_writes_it():
    assert str(ETERNITY) == "-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2013", "2013-01-01T00:00:00.000Z"),
        ("2013-07", "2013-07-01T00:00:00.000Z"),
        ("2013-7-5", "2013-07-05T00:00:00.000Z"),
        ("2013-01-02T", "2013-01-02T00:00:00.000Z"),
        ("2013-01-02T03", "2013-01-02T03:00:00.000Z"),
        ("2013-01-02T03:04Z", "2013-01-02T03:04:00.000Z"),
        ("2013-01-02T03:04:05.6789Z", "2013-01-02T03:04:05.678Z"),
        ("2013-01-02T03:04:05,5", "2013-01-02T03:04:05.500Z"),
        ("2013-01-02T03.5", "2013-01-02T03:30:00.000Z"),
        ("2013-01-02T03:04.25", "2013-01-02T03:04:15.000Z"),
        ("2013-01-02T03:04:05+02:00", "2013-01-02T01:04:05.000Z"),
        ("2013-01-02T03:04:05-0330", "2013-01-02T06:34:05.000Z"),
        ("2013-W02-3", "2013-01-09T00:00:00.000Z"),
        ("2013-W02", "2013-01-07T00:00:00.000Z"),
        ("2009-W53-7", "2010-01-03T00:00:00.000Z"),
        ("2012-366", "2012-12-31T00:00:00.000Z"),
        ("1356998400000", "2013-01-01T00:00:00.000Z"),
        ("-0001-06-01", "-0001-06-01T00:00:00.000Z"),
    ],
)
def test_spellings(text, same):
    assert format_datetime(parse_datetime(text)) == same


def test_numbers_are_milliseconds():
    assert parse_datetime(17) == 17


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "2013-13-01",
        "2013-02-29",
        "2013-01-01T25:00",
        "2013-01-01T00:60",
        "2013-366",
        "2013-W53-1",
        "2013-01-01T00:00:00+25:00",
        "2013-01-01T01.5:00",
        "99999999999999999999",
        "999999999",
        None,
        True,
    ],
)
def test_what_is_no_instant(text):
    with pytest.raises(DruidException):
        parse_datetime(text)


def test_without_an_offset_the_zone_counts():
    assert parse_datetime("2024-07-01T12:00", zone("Europe/Berlin")) == parse_datetime("2024-07-01T10:00Z")
    assert parse_datetime("2024-07-01T12:00Z", zone("Europe/Berlin")) == parse_datetime("2024-07-01T12:00Z")
