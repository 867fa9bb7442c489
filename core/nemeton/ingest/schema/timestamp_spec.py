"""Which column holds a row's time, and how it is written."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.json import wire

NUMERIC_FORMATS = frozenset({"auto", "millis", "posix", "micro", "nano", "ruby"})


@frozen(kw_only=True)
class TimestampSpec:
    """``format``: ``auto``, ``iso``, ``millis``, ``posix``, ``micro``, ``nano``, ``ruby``, or a Joda pattern.

    ``missing_value`` (milliseconds) is the time of rows that have none; without it such a row cannot be parsed.
    """

    column: str = "timestamp"
    format: str = "auto"
    missing_value: int | None = field(default=None, metadata=wire("missingValue", as_datetime=True))
