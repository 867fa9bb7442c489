"""Granularities: how time is cut into buckets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.time.instants import format_datetime, parse_datetime
from nemeton.time.interval import ETERNITY, Interval
from nemeton.time.period import Period
from nemeton.time.truncation import truncate, truncate_array
from nemeton.time.zones import Zone, zone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Granularity(ABC):
    """Cuts time into buckets. Immutable; equal when written alike."""

    @abstractmethod
    def bucket_start(self, ms: int) -> int:
        """The start of the bucket that the instant lies in."""

    @abstractmethod
    def increment(self, start: int) -> int:
        """The start of the next bucket."""

    @abstractmethod
    def bucket_starts(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """`bucket_start` of each."""

    @abstractmethod
    def to_json(self, json: Any = None) -> Any:
        """As Druid writes it."""

    @property
    def zone(self) -> Zone:
        """The time zone that the buckets are cut and shown in."""
        return zone("UTC")

    @staticmethod
    def parse(value: Any) -> Granularity:
        """From a name (in any case) or an object with a type. Raises invalid_input."""
        return parse_granularity(value)

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> Granularity:
        """As `parse`."""
        return parse_granularity(value)

    def bucket(self, ms: int) -> Interval:
        """The bucket that the instant lies in."""
        start = self.bucket_start(ms)
        return Interval(start, self.increment(start))

    def buckets(self, interval: Interval) -> Iterator[Interval]:
        """All buckets that share an instant with the interval, ascending, whole."""
        start = self.bucket_start(interval.start)
        while start < interval.end:
            end = self.increment(start)
            yield Interval(start, end)
            start = end

    def is_aligned(self, interval: Interval) -> bool:
        """Whether the interval is one whole bucket."""
        return self.bucket(interval.start) == interval

    def is_finer_than(self, other: Granularity) -> bool:
        """Whether its buckets (around 1970) are shorter."""
        return self.bucket(0).duration < other.bucket(0).duration

    def format(self, ms: int) -> str:
        """The instant as it stands in results: in the granularity's time zone."""
        return format_datetime(ms, None if self.zone.name == "UTC" else self.zone)

    def __str__(self) -> str:
        return str(self.to_json())


@frozen(str=False)
class AllGranularity(Granularity):
    """One bucket that holds all time."""

    def bucket_start(self, ms: int) -> int:
        """The start of eternity."""
        return ETERNITY.start

    def increment(self, start: int) -> int:
        """The end of eternity."""
        return ETERNITY.end

    def bucket_starts(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """The start of eternity, as often as there are instants."""
        import numpy as np

        return np.full(len(ms), ETERNITY.start, dtype=np.int64)

    def to_json(self, json: Any = None) -> Any:
        """``{"type": "all"}``."""
        return {"type": "all"}


@frozen(str=False)
class NoneGranularity(Granularity):
    """A bucket per millisecond."""

    def bucket_start(self, ms: int) -> int:
        """The instant itself."""
        return ms

    def increment(self, start: int) -> int:
        """The next millisecond."""
        return start + 1

    def bucket_starts(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """The instants themselves."""
        return ms

    def to_json(self, json: Any = None) -> Any:
        """``{"type": "none"}``."""
        return {"type": "none"}


def _positive(instance: Any, attribute: Any, value: int) -> None:
    if value <= 0:
        raise invalid_input("duration should be greater than 0!")


@frozen(str=False)
class DurationGranularity(Granularity):
    """Buckets of ``duration`` milliseconds, counted from ``origin``."""

    duration: int = field(validator=_positive)
    origin: int = 0

    def bucket_start(self, ms: int) -> int:
        """The last multiple of the duration, counted from the origin."""
        return ms - (ms - self.origin) % self.duration

    def increment(self, start: int) -> int:
        """The start of the next bucket."""
        return start + self.duration

    def bucket_starts(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `bucket_start`, of each."""
        return ms - (ms - self.origin) % self.duration

    def to_json(self, json: Any = None) -> Any:
        """``{"type": "duration", …}``."""
        return {"type": "duration", "duration": self.duration, "origin": format_datetime(self.origin)}


def _not_zero(instance: Any, attribute: Any, value: Period) -> None:
    if value.is_zero or min(value.units) < 0:
        raise invalid_input(f"zero-length or negative period [{value}] is no granularity")


@frozen(str=False)
class PeriodGranularity(Granularity):
    """Buckets of a calendar period in a time zone, counted from ``origin`` (None: the calendar's own beginnings)."""

    period: Period = field(validator=_not_zero)
    origin: int | None = None
    time_zone: Zone = field(factory=lambda: zone("UTC"))

    @property
    def zone(self) -> Zone:
        """The time zone that buckets begin in."""
        return self.time_zone

    def bucket_start(self, ms: int) -> int:
        """By the calendar of the time zone."""
        return truncate(ms, self.period, self.origin, self.time_zone)

    def increment(self, start: int) -> int:
        """By the calendar of the time zone."""
        return self.period.add_to(start, 1, self.time_zone)

    def bucket_starts(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """By the calendar of the time zone, vectorised."""
        return truncate_array(ms, self.period, self.origin, self.time_zone)

    def to_json(self, json: Any = None) -> Any:
        """Its name, where Druid has one; otherwise ``{"type": "period", …}``."""
        name = _NAMES.get(self)
        if name is not None:
            return name
        origin = None if self.origin is None else format_datetime(self.origin)
        return {"type": "period", "period": str(self.period), "timeZone": self.time_zone.name, "origin": origin}


ALL = AllGranularity()
NONE = NoneGranularity()

_PERIODS = {
    "SECOND": "PT1S",
    "MINUTE": "PT1M",
    "FIVE_MINUTE": "PT5M",
    "TEN_MINUTE": "PT10M",
    "FIFTEEN_MINUTE": "PT15M",
    "THIRTY_MINUTE": "PT30M",
    "HOUR": "PT1H",
    "SIX_HOUR": "PT6H",
    "EIGHT_HOUR": "PT8H",
    "DAY": "P1D",
    "WEEK": "P1W",
    "MONTH": "P1M",
    "QUARTER": "P3M",
    "YEAR": "P1Y",
}
STANDARD: dict[str, Granularity] = {
    **{name: PeriodGranularity(Period.parse(text)) for name, text in _PERIODS.items()},
    "ALL": ALL,
    "NONE": NONE,
}
"""Druid's granularities by name."""
_NAMES = {granularity: name for name, granularity in STANDARD.items()}


def parse_granularity(value: Any) -> Granularity:
    """From a name (in any case) or an object with a type. Raises invalid_input that names what is wrong."""
    if isinstance(value, Granularity):
        return value
    if isinstance(value, str):
        found = STANDARD.get(value.upper())
        if found is None:
            raise invalid_input(f"Unknown granularity [{value}]; known ones are {', '.join(STANDARD)}")
        return found
    if not isinstance(value, dict):
        raise invalid_input(f"Expected a granularity, not [{value!r}]")
    kind = value.get("type")
    if kind == "all":
        return ALL
    if kind == "none":
        return NONE
    if kind == "duration":
        return DurationGranularity(_duration(value.get("duration")), parse_datetime(value.get("origin") or 0))
    if kind == "period":
        return _period(value)
    raise invalid_input(f"Unknown granularity type [{kind}]; known types are [all, duration, none, period]")


def _duration(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid_input(f"duration: expected milliseconds, not [{value}]")
    return value


def _period(value: dict[str, Any]) -> Granularity:
    if not isinstance(value.get("period"), str):
        raise invalid_input("period: required in a granularity of type period")
    where = zone(value.get("timeZone") or "UTC")
    origin = value.get("origin")
    return PeriodGranularity(
        Period.parse(value["period"]), None if origin is None else parse_datetime(origin, where), where
    )
