"""Functions of time. Times are longs, milliseconds since the epoch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from attrs import evolve

from nemeton.common.errors import DruidException
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import failed, misused, rejected
from nemeton.query.expressions.vec import Vec, map_values, of_objects, to_long, to_string
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
        raise misused("time", "periods, patterns, origins and time zones must be literals")
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
    """As LONG; texts only where they are numbers."""
    return to_long(vec)


def _instants(vec: Vec) -> Vec:
    """As LONG; texts as ISO times, which they have to be."""
    if vec.type == "DOUBLE":
        raise failed("No instant converter found for type: java.lang.Double", "java.lang.IllegalArgumentException")
    if vec.type != "STRING":
        return to_long(vec)

    def one(value: str | None) -> int | None:
        try:
            return None if value is None else parse_datetime(value)
        except DruidException:
            raise failed(f'Invalid format: "{value}"', "java.lang.IllegalArgumentException") from None

    return evolve(of_objects([one(value) for value in vec.values.tolist()], "LONG"), is_constant=vec.is_constant)


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


def _longs(values: list[int]) -> Array:
    """Times; raises as Java does when one is beyond the longs. What lies under a null counts too."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        raise failed("The calculation caused an overflow", "java.lang.ArithmeticException") from None


@register("timestamp_ceil", 2, 4)
def timestamp_ceil(args: list[Vec], count: int) -> Vec:
    """The end of the period's bucket, or the time itself when it is a start."""
    value = _times(args[0])
    granularity = _granularity(str(_fixed(args, 1)), _fixed(args, 2), str(_fixed(args, 3, "UTC")))
    starts = granularity.bucket_starts(value.values)
    inverse, ends = per_distinct(starts, granularity.increment)
    return Vec("LONG", np.where(starts == value.values, starts, _longs(ends)[inverse]), value.nulls)


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
        return Vec("LONG", _longs(moved)[inverse], value.nulls)
    return map_values(
        [value, to_long(args[2])],
        count,
        "LONG",
        lambda t, n: None if t is None or n is None else int(_longs([period.add_to(t, n, where)])[0]),
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
        raise failed(f"Unhandled unit[{unit}]", "org.apache.druid.java.util.common.ISE")
    return fields[unit]()


@register("timestamp_extract", 2, 3)
def timestamp_extract(args: list[Vec], count: int) -> Vec:
    """A field of the time in a zone."""
    value, unit, where = _instants(args[0]), str(_fixed(args, 1)).upper(), _zone(args, 2)
    if unit == "EPOCH":
        return Vec("LONG", value.values // 1000, value.nulls)
    local = where.to_local_array(value.values)
    found = _units(local, unit)
    if found is None:
        inverse, fields = per_distinct(local // DAY, lambda day: _date_field(day, unit))
        found = np.array(fields, dtype=np.int64)[inverse]
    if unit in ("CENTURY", "MILLENNIUM"):  # as in Druid, these are doubles
        return Vec("DOUBLE", found.astype(np.float64), value.nulls)
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

    return map_values([to_string(args[0])], count, "LONG", one)


def _from_epoch(name: str, args: list[Vec], count: int) -> Vec:
    """Milliseconds of texts, which must be times."""
    for which, arg in zip(
        ("first argument should be a STRING", "second argument should be STRING"), args, strict=False
    ):
        if arg.type not in ("STRING", None):
            raise rejected(name, f"{which} but got {arg.type} instead")
    found: Vec = timestamp_parse(args, count)
    wrong = np.broadcast_to(found.null_mask(), (len(args[0].values),))
    if wrong.any():
        value = args[0].values[int(np.argmax(wrong))]
        if value is None:
            raise DruidException(f"Function[{name}] encountered unknown exception.", persona="DEVELOPER",
                                 category="DEFENSIVE")  # fmt: skip
        raise rejected(name, f"invalid value {value}")
    return found


@register("unix_timestamp", 1, 2)
def unix_timestamp(args: list[Vec], count: int) -> Vec:
    """Seconds since the epoch of a text, which must be a time."""
    value = _from_epoch("unix_timestamp", args, count)
    return Vec("LONG", value.values // 1000)


@register("timestamp", 1, 2)
def timestamp(args: list[Vec], count: int) -> Vec:
    """Milliseconds of a text, which must be a time."""
    return _from_epoch("timestamp", args, count)


def _or_zero(vec: Vec) -> Vec:
    found = to_long(vec)
    return Vec("LONG", np.where(found.null_mask(), 0, found.values), None, vec.is_constant)


@register("subtract_months", 3)
def subtract_months(args: list[Vec], count: int) -> Vec:
    """Whole months from the second time to the first."""
    where = _zone(args, 2)

    def one(a: int, b: int) -> int:
        (ay, am, ad), (by, bm, bd) = (civil_from_days(where.to_local(t) // DAY) for t in (a, b))
        months = (ay - by) * 12 + am - bm
        rest = (ad - bd) * DAY + where.to_local(a) % DAY - where.to_local(b) % DAY
        return months - 1 if months > 0 and rest < 0 else months + 1 if months < 0 and rest > 0 else months

    return map_values([_or_zero(args[0]), _or_zero(args[1])], count, "LONG", one)
