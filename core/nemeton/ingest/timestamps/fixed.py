"""Date-times of fixed width, parsed as matrices of bytes: no call per value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]

_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_FIELDS = "yMdHmsS"


def parse_fixed(text: Bytes, layout: str) -> tuple[Longs, NDArray[np.bool_]]:
    """Parse rows of ``text`` (one text per row) by a layout such as ``yyyy-MM-dd'T'HH:mm:ss``, its quotes left out.

    In the layout ``y M d H m s S`` are digits of that field; any other character stands for itself. Returns
    milliseconds (UTC), and for each row whether it fits; where it does not, the number means nothing.
    """
    ok = np.ones(len(text), dtype=bool)
    fields: dict[str, Longs] = {}
    for at, what in enumerate(layout):
        column = text[:, at]
        if what not in _FIELDS:
            ok &= column == ord(what)
            continue
        digit = column - np.uint8(ord("0"))
        ok &= digit <= 9
        fields[what] = fields[what] * 10 + digit if what in fields else digit.astype(np.int64)
    ones = np.ones(1, dtype=np.int64)
    month = fields.get("M", ones)
    day = fields.get("d", ones)
    year = fields.get("y", ones * 1970)
    ok &= (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    ok &= (day >= 1) & (day <= _DAYS[np.where(ok, month, 1)] + ((month == 2) & leap))
    total = _days(year, month, day) * 86_400_000
    for name, top, unit in (("H", 23, 3_600_000), ("m", 59, 60_000), ("s", 59, 1000)):
        if name in fields:
            ok &= fields[name] <= top
            total = total + fields[name] * unit
    if "S" in fields:
        digits = layout.count("S")
        total = total + fields["S"] * 1000 // 10**digits
    return np.broadcast_to(total, ok.shape).astype(np.int64), ok


def _days(year: Longs, month: Longs, day: Longs) -> Longs:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    shifted = year - (month <= 2)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Longs = era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
    return days


def rows_of_width(data: Bytes, offsets: Longs, rows: Longs, width: int) -> Bytes:
    """The texts of these rows, all ``width`` bytes long, as a matrix."""
    starts = offsets[rows]
    if len(rows) and starts[-1] - starts[0] == (len(rows) - 1) * width and (np.diff(starts) == width).all():
        whole: Bytes = data[starts[0] : starts[0] + len(rows) * width].reshape(len(rows), width)
        return whole
    picked: Bytes = data[starts[:, None] + np.arange(width)]
    return picked
