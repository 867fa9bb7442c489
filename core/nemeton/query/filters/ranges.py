"""Filters for ranges: bound, range, interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.filters.base import PredicateFilter, insertion
from nemeton.query.filters.values import of_type, text_of
from nemeton.query.model.comparators import comparator_name, sort_key
from nemeton.query.numbers import to_double
from nemeton.query.source import in_any
from nemeton.query.vectors import Array
from nemeton.spi.query import ExtractionFn
from nemeton.time import Interval


def _between(keys: Sequence[Any], lower: Any, upper: Any, lower_strict: bool, upper_strict: bool) -> list[bool]:
    """Which keys lie between; a bound of None is open."""
    out = [True] * len(keys)
    if lower is not None:
        out = [key > lower if lower_strict else key >= lower for key in keys]
    if upper is not None:
        out = [ok and (key < upper if upper_strict else key <= upper) for ok, key in zip(out, keys, strict=True)]
    return out


def _numbers_between(
    values: Array, lower: int | float | None, upper: int | float | None, lower_open: bool, upper_open: bool
) -> Array:
    out = np.ones(len(values), dtype=bool)
    if lower is not None:
        out &= values > lower if lower_open else values >= lower
    if upper is not None:
        out &= values < upper if upper_open else values <= upper
    return out


def _text_range(
    find: Callable[[str], int], lower: str | None, upper: str | None, lower_open: bool, upper_open: bool
) -> list[tuple[int, int]]:
    """The codes between two texts in a sorted dictionary; without an upper one a number beyond its end."""
    start, stop = 0, 2**31
    if lower is not None:
        found = find(lower)
        start = insertion(found) + (1 if found >= 0 and lower_open else 0)
    if upper is not None:
        found = find(upper)
        stop = insertion(found) + (1 if found >= 0 and not upper_open else 0)
    return [(start, stop)]


def _exact_number(value: Any) -> int | float | None:
    """An int where the text is one, so that longs compare exactly."""
    if isinstance(value, (int, float)):
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        return to_double(value)


@json_type("bound")
@frozen
class BoundDimFilter(PredicateFilter):
    """Between two texts in one of Druid's orders."""

    dimension: str
    lower: str | None = None
    upper: str | None = None
    lower_strict: bool = False
    upper_strict: bool = False
    alpha_numeric: bool | None = None
    extraction_fn: ExtractionFn | None = None
    ordering: Any = None

    def __attrs_post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise invalid_input("lower and upper can not be null at the same time")
        comparator_name(self.ordering)

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    @property
    def extracted_null_matches(self) -> bool:
        """Null comes first."""
        return self.lower is None

    @property
    def skips_numeric_nulls(self) -> bool:
        """Yes."""
        return True

    @property
    def order(self) -> str:
        """The order's name."""
        if self.ordering is None:
            return "alphanumeric" if self.alpha_numeric else "lexicographic"
        return comparator_name(self.ordering)

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """For the order that dictionaries have."""
        if self.order not in ("lexicographic", "natural"):
            return None
        return _text_range(find, self.lower, self.upper, self.lower_strict, self.upper_strict)

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By the keys of the order."""
        key = sort_key(self.order)
        lower = None if self.lower is None else key(self.lower)
        upper = None if self.upper is None else key(self.upper)
        return _between([key(v) for v in values], lower, upper, self.lower_strict, self.upper_strict)

    def match_numbers(self, values: Array, type_name: str) -> Array | None:
        """By number when the order is numeric; else by text."""
        if self.order != "numeric":
            return None
        lower, upper = (_exact_number(v) if v is not None else None for v in (self.lower, self.upper))
        if (self.lower is not None and lower is None) or (self.upper is not None and upper is None):
            return None
        return _numbers_between(values, lower, upper, self.lower_strict, self.upper_strict)


@json_type("range")
@frozen
class RangeFilter(PredicateFilter):
    """Between two values of a type, in the order of that type."""

    column: str
    match_value_type: str = "STRING"
    lower: Any = None
    upper: Any = None
    lower_open: bool = False
    upper_open: bool = False

    def __attrs_post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise invalid_input(
                f"Invalid range filter on column [{self.column}], lower and upper cannot be null at the same time"
            )
        object.__setattr__(self, "lower", of_type(self.lower, self.match_value_type))
        object.__setattr__(self, "upper", of_type(self.upper, self.match_value_type))

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    @property
    def _numeric(self) -> bool:
        return self.match_value_type.upper() in ("LONG", "DOUBLE", "FLOAT")

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """For strings."""
        if self._numeric or isinstance(self.lower, list) or isinstance(self.upper, list):
            return None
        return _text_range(find, text_of(self.lower), text_of(self.upper), self.lower_open, self.upper_open)

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By number for a numeric type, else by text."""
        if self._numeric:
            found = [to_double(value) for value in values]
            picked = np.array([np.nan if v is None else v for v in found], dtype=np.float64)
            inside = _numbers_between(
                picked, _exact_number(self.lower), _exact_number(self.upper), self.lower_open, self.upper_open
            )
            return [bool(ok) and v is not None for ok, v in zip(inside, found, strict=True)]
        key = sort_key("lexicographic")
        lower, upper = (None if v is None else key(text_of(v)) for v in (self.lower, self.upper))
        return _between([key(v) for v in values], lower, upper, self.lower_open, self.upper_open)

    def match_numbers(self, values: Array, type_name: str) -> Array | None:
        """By number for a numeric type, else by text."""
        if not self._numeric:
            return None
        return _numbers_between(
            values, _exact_number(self.lower), _exact_number(self.upper), self.lower_open, self.upper_open
        )

    def match_object(self, value: Any) -> bool | None:
        """Arrays element by element, null first; a single value is taken for an array of one."""
        from nemeton.query.engines.table import object_key

        bounds = (
            [v] if isinstance(value, list) and v is not None and not isinstance(v, list) else v
            for v in (self.lower, self.upper)
        )
        lower, upper = (None if v is None else object_key(v) for v in bounds)
        return _between([object_key(value)], lower, upper, self.lower_open, self.upper_open)[0]


@json_type("interval")
@frozen
class IntervalDimFilter(PredicateFilter):
    """Times (as milliseconds) that lie in one of the intervals."""

    dimension: str
    intervals: tuple[Interval, ...]
    extraction_fn: ExtractionFn | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """Strings that are milliseconds."""
        found = [to_double(value) for value in values]
        return [v is not None and any(i.start <= v < i.end for i in self.intervals) for v in found]

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number."""
        return in_any(values, self.intervals)
