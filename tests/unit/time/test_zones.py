from __future__ import annotations

import datetime
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.time import parse_datetime, zone

NAMES = [
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
]
INSTANTS = st.integers(parse_datetime("1900"), parse_datetime("2200"))


@given(st.sampled_from(NAMES), INSTANTS)
def test_offsets_are_those_of_the_database(name, ms):
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=ms)
    offset = moment.astimezone(zoneinfo.ZoneInfo(name)).utcoffset()
    assert zone(name).offset(ms) == offset.total_seconds() * 1000


@given(st.sampled_from(NAMES), INSTANTS)
def test_local_time_leads_back(name, ms):
    where = zone(name)
    assert where.to_utc(where.to_local(ms), near=ms) == ms


@given(st.sampled_from(NAMES), st.lists(INSTANTS, min_size=1, max_size=20))
def test_arrays_do_the_same(name, instants):
    where, array = zone(name), np.array(instants)
    assert where.to_local_array(array).tolist() == [where.to_local(ms) for ms in instants]
    local = array // 3_600_000 * 3_600_000
    expected = [where.to_utc(int(each), near=ms) for each, ms in zip(local, instants, strict=True)]
    assert where.to_utc_array(local, array).tolist() == expected


def test_a_gap_moves_forward_and_an_overlap_takes_the_earlier():
    where = zone("America/New_York")
    assert where.to_utc(parse_datetime("2024-03-10T02:30Z")) == parse_datetime("2024-03-10T03:30-04:00")
    assert where.to_utc(parse_datetime("2024-11-03T01:30Z")) == parse_datetime("2024-11-03T01:30-04:00")
    later = parse_datetime("2024-11-03T01:30-05:00")
    assert where.to_utc(parse_datetime("2024-11-03T01:30Z"), near=later) == later


@pytest.mark.parametrize(("name", "hours"), [("+05:30", 5.5), ("-08:00", -8), ("UTC+1", 1), ("Etc/UTC", 0), ("Z", 0)])
def test_fixed_offsets(name, hours):
    assert zone(name).offset(0) == hours * 3_600_000
    assert zone(name).is_fixed


@pytest.mark.parametrize("name", ["Nowhere/City", "", "../etc/passwd", "America"])
def test_unknown_zones(name):
    with pytest.raises(DruidException, match="not recognised"):
        zone(name)
