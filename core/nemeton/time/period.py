"""ISO-8601 periods and their arithmetic in a time zone."""

from __future__ import annotations

import re

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.time.instants import DAY, HOUR, MINUTE, SECOND, civil_from_days, days_from_civil, days_in_month
from nemeton.time.zones import Zone, zone

_PATTERN = re.compile(
    r"P(?:([+-]?\d+)Y)?(?:([+-]?\d+)M)?(?:([+-]?\d+)W)?(?:([+-]?\d+)D)?"
    r"(?:T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?\d+)(?:[.,](\d{1,3})\d*)?S)?)?",
    re.IGNORECASE,
)
_UTC = zone("UTC")


@frozen
class Period:
    """An amount of calendar time, unit by unit: one month is not a number of days.

    Text and equality keep the units as given: ``P7D`` is not ``P1W``.
    """

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0
    millis: int = 0

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``P1M``, ``PT1H30M``, ``PT0.5S`` … Raises invalid_input."""
        match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
        if match is None or text[-1] in "PpTt":
            raise invalid_input(f'Invalid format: "{text}"; expected an ISO-8601 period such as PT5M or P1D')
        years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:7])
        millis = int((match[8] or "0").ljust(3, "0")) * (-1 if (match[7] or "").startswith("-") else 1)
        return cls(years, months, weeks, days, hours, minutes, seconds, millis)

    @classmethod
    def of_millis(cls, millis: int) -> Period:
        """Hours to milliseconds that make up the duration."""
        sign = -1 if millis < 0 else 1
        hours, rest = divmod(abs(millis), HOUR)
        minutes, rest = divmod(rest, MINUTE)
        seconds, milli = divmod(rest, SECOND)
        return cls(hours=sign * hours, minutes=sign * minutes, seconds=sign * seconds, millis=sign * milli)

    @classmethod
    def between(cls, start: int, end: int) -> Period:
        """The whole units from one instant to a later one in UTC, the largest first."""
        counts = []
        for months in (12, 1):
            count = _months_between(start, end) // months
            while _add_months(start, months * count) > end:
                count -= 1
            start = _add_months(start, months * count)
            counts.append(count)
        for length in (7 * DAY, DAY, HOUR, MINUTE, SECOND, 1):
            count, rest = divmod(end - start, length)
            start = end - rest
            counts.append(count)
        return cls(*counts)

    def __str__(self) -> str:
        """As Joda prints it."""
        date = "".join(
            f"{value}{unit}"
            for value, unit in ((self.years, "Y"), (self.months, "M"), (self.weeks, "W"), (self.days, "D"))
            if value
        )
        time = "".join(f"{value}{unit}" for value, unit in ((self.hours, "H"), (self.minutes, "M")) if value)
        if self.seconds or self.millis:
            total = self.seconds * SECOND + self.millis
            whole, rest = divmod(abs(total), SECOND)
            time += f"{'-' if total < 0 else ''}{whole}{f'.{rest:03d}' if rest else ''}S"
        if not date and not time:
            return "PT0S"
        return f"P{date}T{time}" if time else f"P{date}"

    @property
    def is_zero(self) -> bool:
        """Whether nothing is in it."""
        return not any(self.units)

    @property
    def units(self) -> tuple[int, ...]:
        """Years, months, weeks, days, hours, minutes, seconds, milliseconds."""
        return (
            self.years,
            self.months,
            self.weeks,
            self.days,
            self.hours,
            self.minutes,
            self.seconds,
            self.millis,
        )

    @property
    def is_precise(self) -> bool:
        """Whether it is a fixed number of milliseconds once days count 24 hours: no months, no years."""
        return not self.years and not self.months

    def to_millis(self) -> int:
        """The standard duration: days of 24 hours. Raises invalid_input for periods with months or years."""
        if not self.is_precise:
            raise invalid_input(f"Period [{self}] has months or years, hence no fixed length")
        return (
            (self.weeks * 7 + self.days) * DAY
            + self.hours * HOUR
            + self.minutes * MINUTE
            + self.seconds * SECOND
            + self.millis
        )

    def to_seconds(self) -> float:
        """`to_millis` in seconds."""
        return self.to_millis() / 1000

    def add_to(self, ms: int, times: int = 1, time_zone: Zone = _UTC) -> int:
        """``ms`` plus ``times`` this period; calendar units move the local date, the others the instant.

        A day that the month does not have becomes the month's last.
        """
        months = (self.years * 12 + self.months) * times
        days = (self.weeks * 7 + self.days) * times
        if months or days:
            local = _add_months(time_zone.to_local(ms), months) + days * DAY
            ms = time_zone.to_utc(local, near=ms)
        millis = self.hours * HOUR + self.minutes * MINUTE + self.seconds * SECOND + self.millis
        return ms + millis * times


def _months_between(start: int, end: int) -> int:
    """By the names of the months, whatever the day."""
    (year, month, _), (last_year, last_month, _) = civil_from_days(start // DAY), civil_from_days(end // DAY)
    return (last_year - year) * 12 + last_month - month


def _add_months(local: int, months: int) -> int:
    if not months:
        return local
    days, time_of_day = divmod(local, DAY)
    year, month, day = civil_from_days(days)
    year, month0 = divmod(year * 12 + month - 1 + months, 12)
    return days_from_civil(year, month0 + 1, min(day, days_in_month(year, month0 + 1))) * DAY + time_of_day
