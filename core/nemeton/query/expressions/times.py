"""Functions of time. Times are longs, milliseconds since the epoch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from nemeton.common.errors import invalid_input
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.vec import Vec, map_values, of_objects, to_long
from nemeton.query.joda import formatter, parser
from nemeton.query.vectors import Array
from nemeton.time import Granularity, Period, Zone, format_datetime, parse_datetime, zone
from nemeton.time.instants import civil_from_days, days_from_civil

DAY = 86_400_000


def _fixed(args: list[Vec], at: int, default: Any = None) -> Any:
    """A constant argument, or the default when it is not there or null."""
    if at >= len(args):
        return default
    if not args[at].is_constant:
        raise invalid_input("Time functions take constant periods, patterns, origins and time zones")
    value = args[at].constant()
    return default if value is None else value


def _zone(args: list[Vec], at: int) -> Zone:
    return zone(str(_fixed(args, at, "UTC")))


@functools.lru_cache(maxsize=256)
def _granularity(period: str, origin: Any, time_zone: str) -> Granularity:
    start = None if origin is None else origin if isinstance(origin, int) else parse_datetime(origin)
    body: dict[str, Any] = {"type": "period", "period": period, "timeZone": time_zone}
    if start is not None:
        body["origin"] = format_datetime(start)
    return Granularity.parse(body)


def _times(vec: Vec) -> Vec:
    """As LONG; texts as ISO times."""
    if vec.type != "STRING":
        return to_long(vec)

    def one(value: Any) -> int | None:
        if value is None:
            return None
        try:
            return parse_datetime(value)
        except Exception as error:  # noqa: BLE001 - what is no time is null
            del error
            return None

    return of_objects([one(value) for value in vec.values], "LONG")


def per_distinct(values: Array, function: Any) -> tuple[Array, list[Any]]:
    """The function of each distinct value, and for each row which one."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return inverse, [function(value) for value in distinct.tolist()]


@register("timestamp_floor", 2, 4)
def timestamp_floor(args: list[Vec], count: int) -> Vec:
    """The start of the period's bucket."""
    value = _times(args[0])
    granularity = _granularity(str(_fixed(args, 1)), _fixed(args, 2), str(_fixed(args, 3, "UTC")))
    return Vec("LONG", granularity.bucket_starts(value.values), value.nulls)


@register("timestamp_ceil", 2, 4)
def timestamp_ceil(args: list[Vec], count: int) -> Vec:
    """The end of the period's bucket, or the time itself when it is a start."""
    value = _times(args[0])
    granularity = _granularity(str(_fixed(args, 1)), _fixed(args, 2), str(_fixed(args, 3, "UTC")))
    starts = granularity.bucket_starts(value.values)
    inverse, ends = per_distinct(starts, granularity.increment)
    return Vec("LONG", np.where(starts == value.values, starts, np.array(ends, dtype=np.int64)[inverse]), value.nulls)


@register("timestamp_shift", 3, 4)
def timestamp_shift(args: list[Vec], count: int) -> Vec:
    """Moved by a number of periods."""
    value = _times(args[0])
    period, where = Period.parse(str(_fixed(args, 1))), _zone(args, 3)
    if args[2].is_constant:
        step = int(_fixed(args, 2, 0))
        if period.is_precise and where.is_fixed:
            return Vec("LONG", value.values + step * period.to_millis(), value.nulls)
        inverse, moved = per_distinct(value.values, lambda ms: period.add_to(ms, step, where))
        return Vec("LONG", np.array(moved, dtype=np.int64)[inverse], value.nulls)
    return map_values(
        [value, to_long(args[2])],
        count,
        "LONG",
        lambda t, n: None if t is None or n is None else period.add_to(t, n, where),
    )


def _units(local: Array, unit: str) -> Array | None:
    """Fields that follow from the time of day or the day alone."""
    if unit == "MILLISECOND":
        return local % 1000
    if unit == "MICROSECOND":
        return local % 1000 * 1000
    if unit == "SECOND":
        return local // 1000 % 60
    if unit == "MINUTE":
        return local // 60_000 % 60
    if unit == "HOUR":
        return local % DAY // 3_600_000
    if unit in ("DOW", "ISODOW"):
        return (local // DAY + 3) % 7 + 1
    return None


def _date_field(day: int, unit: str) -> int:
    from nemeton.query.joda import _week

    year, month, day_of_month = civil_from_days(day)
    fields = {
        "DAY": lambda: day_of_month,
        "DOY": lambda: day - days_from_civil(year, 1, 1) + 1,
        "WEEK": lambda: _week(day * DAY)[1],
        "MONTH": lambda: month,
        "QUARTER": lambda: (month - 1) // 3 + 1,
        "YEAR": lambda: year,
        "ISOYEAR": lambda: _week(day * DAY)[0],
        "DECADE": lambda: year // 10,
        "CENTURY": lambda: -(-year // 100),
        "MILLENNIUM": lambda: -(-year // 1000),
    }
    if unit not in fields:
        raise invalid_input(f"Function[timestamp_extract] unit [{unit}] is not known")
    return fields[unit]()


@register("timestamp_extract", 2, 3)
def timestamp_extract(args: list[Vec], count: int) -> Vec:
    """A field of the time in a zone."""
    value, unit, where = _times(args[0]), str(_fixed(args, 1)).upper(), _zone(args, 2)
    if unit == "EPOCH":
        return Vec("LONG", value.values // 1000, value.nulls)
    local = where.to_local_array(value.values)
    found = _units(local, unit)
    if found is None:
        inverse, fields = per_distinct(local // DAY, lambda day: _date_field(day, unit))
        found = np.array(fields, dtype=np.int64)[inverse]
    return Vec("LONG", found, value.nulls)


@register("timestamp_format", 1, 3)
def timestamp_format(args: list[Vec], count: int) -> Vec:
    """As text, by a Joda pattern or in ISO form."""
    value, pattern, where = _times(args[0]), _fixed(args, 1), _zone(args, 2)
    write = (
        (lambda ms: format_datetime(ms, where)) if pattern is None else (lambda ms: formatter(str(pattern))(ms, where))
    )
    inverse, texts = per_distinct(value.values, write)
    out = np.array(texts, dtype=object)[inverse]
    if value.nulls is not None:
        out[value.nulls] = None
    return Vec("STRING", out)


@register("timestamp_parse", 1, 3)
def timestamp_parse(args: list[Vec], count: int) -> Vec:
    """From text, by a Joda pattern or in ISO form (also with a blank for the T); null when it is none."""
    pattern, where = _fixed(args, 1), _zone(args, 2)

    def one(value: Any, *_rest: Any) -> int | None:
        if value is None:
            return None
        if pattern is not None:
            return parser(str(pattern))(str(value), where)
        try:
            return parse_datetime(str(value).strip().replace(" ", "T", 1), where)
        except Exception as error:  # noqa: BLE001 - what is no time is null
            del error
            return None

    return map_values(args[:1], count, "LONG", one)


@register("unix_timestamp", 1, 2)
def unix_timestamp(args: list[Vec], count: int) -> Vec:
    """Seconds since the epoch of a text."""
    value: Vec = timestamp_parse(args, count)
    return Vec("LONG", value.values // 1000, value.nulls)


@register("timestamp", 1, 2)
def timestamp(args: list[Vec], count: int) -> Vec:
    """Milliseconds of a text, which must be a time."""
    if args[0].type != "STRING":
        return _times(args[0])
    found: Vec = timestamp_parse(args, count)
    wrong = found.null_mask() & ~args[0].null_mask()
    if wrong.any():
        raise invalid_input(f"Invalid format: [{args[0].values[int(np.argmax(wrong))]}] is not a timestamp")
    return found


@register("subtract_months", 2, 3)
def subtract_months(args: list[Vec], count: int) -> Vec:
    """Whole months from the second time to the first."""
    where = _zone(args, 2)

    def one(a: Any, b: Any) -> int | None:
        if a is None or b is None:
            return None
        (ay, am, ad), (by, bm, bd) = (civil_from_days(where.to_local(t) // DAY) for t in (a, b))
        months = (ay - by) * 12 + am - bm
        rest = (ad - bd) * DAY + where.to_local(a) % DAY - where.to_local(b) % DAY
        return months - 1 if months > 0 and rest < 0 else months + 1 if months < 0 and rest > 0 else months

    return map_values([_times(args[0]), _times(args[1])], count, "LONG", one)
