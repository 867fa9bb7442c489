"""Rounding instants down to whole periods, one by one and as arrays, with the alignment that Druid has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.time.instants import DAY, HOUR, MINUTE, SECOND, civil_from_days, days_from_civil
from nemeton.time.period import Period
from nemeton.time.zones import Zone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def truncate(ms: int, period: Period, origin: int | None, zone: Zone) -> int:
    """The start of the period that ``ms`` lies in.

    A single unit follows the calendar: its months begin on the first, its weeks on Monday. Multiples, compounds and
    anything with an origin are counted from the origin, or from 1970-01-01 in the zone.
    """
    kind, count = _kind(period)
    start = zone.to_utc(0) if origin is None else origin
    if kind == "compound":
        return _compound(ms, period, start, zone)
    by_calendar = count == 1 and origin is None
    if kind in _MILLIS:
        unit = _MILLIS[kind]
        return ms - (zone.to_local(ms) % unit if by_calendar else (ms - start) % (unit * count))
    local = zone.to_local(ms)
    if kind == "day":
        base = _FIRST_MONDAY if by_calendar and period.weeks else 0 if by_calendar else zone.to_local(start)
        return zone.to_utc(local - (local - base) % (count * (7 if period.weeks else 1) * DAY), near=ms)
    if origin is None:
        return zone.to_utc(_month_start(_month_of(local) // count * count), near=ms)
    months = (_month_of(local) - _month_of(zone.to_local(start))) // count * count
    found = _add_months(start, months, zone)
    return found if found <= ms else _add_months(start, months - count, zone)


def truncate_array(ms: NDArray[np.int64], period: Period, origin: int | None, zone: Zone) -> NDArray[np.int64]:
    """`truncate` of each."""
    import numpy as np

    kind, count = _kind(period)
    start = zone.to_utc(0) if origin is None else origin
    by_calendar = count == 1 and origin is None
    if kind in _MILLIS:
        unit = _MILLIS[kind]
        return ms - (zone.to_local_array(ms) % unit if by_calendar else (ms - start) % (unit * count))
    local = zone.to_local_array(ms)
    if kind == "day":
        base = _FIRST_MONDAY if by_calendar and period.weeks else 0 if by_calendar else zone.to_local(start)
        return zone.to_utc_array(local - (local - base) % (count * (7 if period.weeks else 1) * DAY), ms)
    if kind == "month" and origin is None:
        months = local.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) // count * count
        starts = months.astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
        return zone.to_utc_array(starts, ms)
    if kind == "compound" and zone.is_fixed and period.is_precise:
        return ms - (ms - start) % period.to_millis()
    return _by_table(ms, period, start, zone)


_MILLIS = {"hour": HOUR, "minute": MINUTE, "second": SECOND, "milli": 1}
_FIRST_MONDAY = 4 * DAY


def _kind(period: Period) -> tuple[str, int]:
    """The one unit of a period and how many of it; years count as months, weeks as days (see the callers)."""
    given = [
        (kind, count)
        for kind, count in (
            ("month", period.years * 12),
            ("month", period.months),
            ("day", period.weeks),
            ("day", period.days),
            ("hour", period.hours),
            ("minute", period.minutes),
            ("second", period.seconds),
            ("milli", period.millis),
        )
        if count
    ]
    return given[0] if len(given) == 1 else ("compound", 1)


def _month_of(local: int) -> int:
    """Months since January 1970."""
    year, month, _ = civil_from_days(local // DAY)
    return (year - 1970) * 12 + month - 1


def _month_start(month: int) -> int:
    year, month0 = divmod(month, 12)
    return days_from_civil(1970 + year, month0 + 1, 1) * DAY


def _add_months(origin: int, months: int, zone: Zone) -> int:
    return Period(months=1).add_to(origin, months, zone)


def _compound(ms: int, period: Period, origin: int, zone: Zone) -> int:
    if zone.is_fixed and period.is_precise:
        return ms - (ms - origin) % period.to_millis()
    return _compound_starts(ms, ms, period, origin, zone)[-1]


def _compound_starts(first: int, last: int, period: Period, origin: int, zone: Zone) -> list[int]:
    """The starts from the period of ``first`` to that of ``last``, counted from the origin.

    Each step starts from the last one, as in Druid: at ends of months and changes of the clock that is not the same as
    multiplying, and not the same in both directions.
    """
    starts = [origin]
    while starts[-1] > first:
        starts.append(period.add_to(starts[-1], -1, zone))
    starts.reverse()
    while (following := period.add_to(starts[-1], 1, zone)) <= last:
        starts.append(following)
    return [
        start for i, start in enumerate(starts) if start <= last and (i + 1 == len(starts) or starts[i + 1] > first)
    ]


def _month_starts(first: int, last: int, count: int, origin: int, zone: Zone) -> list[int]:
    """The starts every ``count`` months from the origin; each from the origin, since short months clamp days."""
    number = (_month_of(zone.to_local(first)) - _month_of(zone.to_local(origin))) // count - 1
    starts: list[int] = []
    while (start := _add_months(origin, number * count, zone)) <= last:
        starts.append(start)
        number += 1
    return starts


def _by_table(ms: NDArray[np.int64], period: Period, origin: int, zone: Zone) -> NDArray[np.int64]:
    """For rare kinds of periods: all starts between the first and the last instant, then a search."""
    import numpy as np

    if not len(ms):
        return ms
    first, last = int(ms.min()), int(ms.max())
    kind, count = _kind(period)
    if kind == "month":
        starts = _month_starts(first, last, count, origin, zone)
    else:
        starts = _compound_starts(first, last, period, origin, zone)
    table = np.array(starts, dtype=np.int64)
    return np.asarray(table[np.searchsorted(table, ms, side="right") - 1])
