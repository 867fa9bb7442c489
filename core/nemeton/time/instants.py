"""Instants: milliseconds since the epoch, read and written in ISO-8601 as Druid spells them, for any 64-bit year."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from nemeton.common.errors import invalid_input
from nemeton.time.zones import Zone, zone

MIN_INSTANT = -(2**63) // 2
MAX_INSTANT = (2**63 - 1) // 2
"""The bounds of eternity: half of the range, so that differences never overflow."""

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UTC = zone("UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = r"(?:[.,](?P<{}>\d+))?"
_ISO = re.compile(
    r"(?P<year>[+-]?\d{1,9})"
    r"(?:-W(?P<week>\d{1,2})(?:-(?P<weekday>\d))?|-(?P<yearday>\d{3})|-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T ](?:(?P<hour>\d{1,2})"
    + _FRACTION.format("hour_fraction")
    + r"(?::(?P<minute>\d{1,2})"
    + _FRACTION.format("minute_fraction")
    + r"(?::(?P<second>\d{1,2})"
    + _FRACTION.format("second_fraction")
    + r")?)?)?(?P<zone>Z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?"
)
_LONG = re.compile(r"[+-]?\d+")


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of the proleptic Gregorian calendar, any year."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """(year, month, day) of the day that is ``days`` after 1970-01-01."""
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + (3 if shifted_month < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day


def is_leap(year: int) -> bool:
    """Whether the year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return (29 if is_leap(year) else 28) if month == 2 else 30 + (month + month // 8) % 2


def week_year_start(year: int) -> int:
    """Days since the epoch of the Monday that begins the ISO week year."""
    fourth = days_from_civil(year, 1, 4)
    return fourth - (fourth + 3) % 7


def format_datetime(ms: int, time_zone: Zone | None = None) -> str:
    """``2013-01-01T00:00:00.000Z``: milliseconds, years of at least four digits; in UTC or with the zone's offset."""
    offset = time_zone.offset(ms) if time_zone is not None else 0
    seconds, milli = divmod(ms + offset, SECOND)
    zone = _format_offset(offset) if offset else "Z"
    return f"{_format_second(seconds)}.{milli:03d}{zone}"


@lru_cache(maxsize=4096)  # lists of tasks and of segments are full of the same times
def _format_second(seconds: int) -> str:
    days, rest = divmod(seconds * SECOND, DAY)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    return f"{_format_day(days)}T{hour:02d}:{minute:02d}:{rest // SECOND:02d}"


@lru_cache(maxsize=4096)  # lists and logs are full of times of the same few days
def _format_day(days: int) -> str:
    year, month, day = civil_from_days(days)
    text = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    return f"{text}-{month:02d}-{day:02d}"


def _format_offset(offset: int) -> str:
    hours, rest = divmod(abs(offset), HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = f":{rest // SECOND:02d}" if rest else ""
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}{seconds}"


def parse_datetime(value: str | int | float, time_zone: Zone | None = None) -> int:
    """Milliseconds since the epoch of an ISO-8601 date or date-time, or of a number (which is those milliseconds).

    Week dates, ordinal dates, fractions and offsets are read; without an offset the text is in ``time_zone`` (UTC).
    Raises invalid_input.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        raise invalid_input(f"Expected an ISO-8601 date-time, not [{value!r}]")
    if (common := _parse_common(value)) is not None:
        return common
    match = _ISO.fullmatch(value)
    if match is None:
        if _LONG.fullmatch(value) and -(2**63) <= int(value) < 2**63:
            return int(value)
        raise invalid_input(f'Invalid format: "{value}"')
    local = _date(match, value) * DAY + _time_of_day(match, value)
    if match["zone"] is not None:
        return _checked(local - _offset(match["zone"], value), value)
    return _checked((time_zone or _UTC).to_utc(local), value)


def _parse_common(text: str) -> int | None:
    """The form that `format_datetime` writes, in a tenth of the time; None for all else."""
    if len(text) != 24 or text[4:20:3] != "--T::." or text[23] != "Z" or not text.isascii():
        return None
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None  # whoever reads all forms says what is wrong with it
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1000


def _checked(ms: int, text: str) -> int:
    if not -(2**63) <= ms < 2**63:
        raise invalid_input(f'Out of the range of instants: "{text}"')
    return ms


_JODA_FIELDS = {
    "month": "monthOfYear",
    "day": "dayOfMonth",
    "hour": "hourOfDay",
    "minute": "minuteOfHour",
    "second": "secondOfMinute",
    "week": "weekOfWeekyear",
    "weekday": "dayOfWeek",
    "yearday": "dayOfYear",
}
"""What Druid calls them in its errors."""


def _field(match: re.Match[str], name: str, low: int, high: int, text: str) -> int:
    number = int(match[name] or low)
    if not low <= number <= high:
        field = _JODA_FIELDS.get(name, name)
        raise invalid_input(f'Cannot parse "{text}": Value {number} for {field} must be in the range [{low},{high}]')
    return number


def _date(match: re.Match[str], text: str) -> int:
    year = int(match["year"])
    if match["week"] is not None:
        weeks = (week_year_start(year + 1) - week_year_start(year)) // 7
        week = _field(match, "week", 1, weeks, text)
        return week_year_start(year) + 7 * (week - 1) + _field(match, "weekday", 1, 7, text) - 1
    if match["yearday"] is not None:
        return days_from_civil(year, 1, 1) + _field(match, "yearday", 1, 366 if is_leap(year) else 365, text) - 1
    month = _field(match, "month", 1, 12, text)
    return days_from_civil(year, month, _field(match, "day", 1, days_in_month(year, month), text))


def _time_of_day(match: re.Match[str], text: str) -> int:
    if match["hour"] is None:
        return 0
    total: int = 0
    for name, top, unit in (("hour", 23, HOUR), ("minute", 59, MINUTE), ("second", 59, SECOND)):
        total += _field(match, name, 0, top, text) * unit
        fraction = match[name + "_fraction"]
        if fraction is not None:
            if (match["second"] is not None and name != "second") or (name == "hour" and match["minute"] is not None):
                raise invalid_input(f'Invalid format: "{text}"')
            digits: int = 10 ** len(fraction)
            return total + int(fraction) * unit // digits
    return total


def _offset(text: str, whole: str) -> int:
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise invalid_input(f'Invalid format: "{whole}"')
    return (-1 if text[0] == "-" else 1) * (hours * HOUR + minutes * MINUTE + seconds * SECOND)
