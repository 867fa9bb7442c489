from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.time import ETERNITY, Interval, Period, condense, format_datetime, parse_datetime, subtract, umbrella, zone

SMALL = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: Interval(min(pair), max(pair)))


def instants(interval):
    return set(range(interval.start, interval.end))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2013-01-01/2013-02-01", "2013-01-01T00:00:00.000Z/2013-02-01T00:00:00.000Z"),
        ("2013-01-01/P1M", "2013-01-01T00:00:00.000Z/2013-02-01T00:00:00.000Z"),
        ("P1D/2013-01-01", "2012-12-31T00:00:00.000Z/2013-01-01T00:00:00.000Z"),
        ("2013-01-31/P1M", "2013-01-31T00:00:00.000Z/2013-02-28T00:00:00.000Z"),
        ("2013-W01-1/P1W", "2012-12-31T00:00:00.000Z/2013-01-07T00:00:00.000Z"),
        ("2013/PT36H", "2013-01-01T00:00:00.000Z/2013-01-02T12:00:00.000Z"),
        (str(ETERNITY), str(ETERNITY)),
    ],
)
def test_spellings(text, same):
    assert str(Interval.parse(text)) == same


@pytest.mark.parametrize(
    "text", ["", "2013", "2013/", "/2013", "P1D/P1D", "2014/2013", "a/b", "2013/2014/2015", None, 7]
)
def test_what_is_no_interval(text):
    with pytest.raises(DruidException):
        Interval.parse(text)


@given(st.integers(-(2**60), 2**60), st.integers(0, 2**60))
def test_text_is_read_back(start, length):
    interval = Interval(start, start + length)
    assert Interval.parse(str(interval)) == interval


@given(SMALL, SMALL)
def test_relations_are_those_of_the_instants(one, other):
    shared = instants(one) & instants(other)
    if not one.is_empty and not other.is_empty:
        assert one.overlaps(other) == bool(shared)
        assert one.contains(other) == (instants(other) <= instants(one))
    cut = one.intersection(other)
    assert shared == (instants(cut) if cut is not None else set())
    assert all(one.contains(i) == (i in instants(one)) for i in range(13))
    gap = one.gap(other)
    if gap is not None:
        assert gap.duration > 0
        assert not one.overlaps(other)


@given(st.lists(SMALL))
def test_condensed_holds_the_same_instants_in_disjoint_intervals(intervals):
    condensed = condense(intervals)
    assert set().union(*map(instants, condensed)) == set().union(*map(instants, intervals))
    assert all(a.end < b.start for a, b in itertools.pairwise(condensed))


@given(SMALL, st.lists(SMALL))
def test_what_is_left_without_the_holes(interval, holes):
    holes = [hole for hole in holes if not hole.is_empty]
    left = subtract(interval, holes)
    assert set().union(*map(instants, left)) == instants(interval).difference(*map(instants, holes))


def test_umbrella():
    assert umbrella([Interval(5, 6), Interval(1, 2)]) == Interval(1, 6)


@pytest.mark.parametrize("text", ["P1Y2M3W4DT5H6M7S", "PT0S", "P7D", "P1W", "PT0.500S", "PT1.250S", "P3M"])
def test_periods_are_read_back(text):
    assert str(Period.parse(text)) == text


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1H", "PT1D", "P1.5D", "PxD", None])
def test_what_is_no_period(text):
    with pytest.raises(DruidException):
        Period.parse(text)


def test_units_count():
    assert Period.parse("P7D") != Period.parse("P1W")
    assert Period.parse("P1W").to_millis() == 7 * 86_400_000
    assert Period.parse("PT1M").to_seconds() == 60
    assert Period.of_millis(90_061_001) == Period(hours=25, minutes=1, seconds=1, millis=1)
    with pytest.raises(DruidException, match="no fixed length"):
        Period.parse("P1M").to_millis()


@pytest.mark.parametrize(
    ("start", "period", "times", "end"),
    [
        ("2024-01-31T00:00Z", "P1M", 1, "2024-02-29T00:00:00.000Z"),
        ("2024-02-29T00:00Z", "P1Y", -1, "2023-02-28T00:00:00.000Z"),
        ("2024-03-09T10:00-05:00", "P1D", 1, "2024-03-10T14:00:00.000Z"),
        ("2024-03-09T10:00-05:00", "PT24H", 1, "2024-03-10T15:00:00.000Z"),
        ("2024-01-01T00:00Z", "PT1H", 48, "2024-01-03T00:00:00.000Z"),
    ],
)
def test_calendar_units_move_the_local_date_and_hours_the_instant(start, period, times, end):
    moved = Period.parse(period).add_to(parse_datetime(start), times, zone("America/New_York"))
    if "Z" in start and period != "PT1H":
        moved = Period.parse(period).add_to(parse_datetime(start), times)
    assert format_datetime(moved) == end
