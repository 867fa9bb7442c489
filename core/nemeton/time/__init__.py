"""Instants, intervals, periods and granularities on int64 milliseconds since the epoch. Imports nothing heavy."""

from nemeton.time.granularity import (
    ALL,
    NONE,
    STANDARD,
    AllGranularity,
    DurationGranularity,
    Granularity,
    NoneGranularity,
    PeriodGranularity,
)
from nemeton.time.instants import format_datetime, parse_datetime
from nemeton.time.interval import ETERNITY, Interval, condense, subtract, umbrella
from nemeton.time.period import Period
from nemeton.time.zones import Zone, zone

__all__ = [
    "ALL",
    "ETERNITY",
    "NONE",
    "STANDARD",
    "AllGranularity",
    "DurationGranularity",
    "Granularity",
    "Interval",
    "NoneGranularity",
    "Period",
    "PeriodGranularity",
    "Zone",
    "condense",
    "format_datetime",
    "parse_datetime",
    "subtract",
    "umbrella",
    "zone",
]
