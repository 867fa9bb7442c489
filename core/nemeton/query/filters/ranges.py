"""Filters for ranges: bound, range, interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import QueryException, invalid_input
from nemeton.plugins import json_type
from nemeton.query.expressions.failures import failed
from nemeton.query.filters.base import PredicateFilter, by_index, insertion
from nemeton.query.filters.values import for_column, matched_type, of_type, text_of
from nemeton.query.model.comparators import comparator_name, sort_key
from nemeton.query.numbers import to_double
from nemeton.query.source import in_any
from nemeton.query.vectors import DTYPES, Array, NumericVector
from nemeton.spi.query import Block, ExtractionFn
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


def cannot_cast(kind: str, other: str) -> QueryException:
    """A longer array held against single values."""
    where = "org.apache.druid.segment.column.Types$InvalidCastException"
    return failed(f"Invalid type, cannot cast [{kind}] to [{other}]", where)


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
        order = comparator_name(self.ordering)
        is_mixed = self.ordering is not None and self.alpha_numeric is not None
        if is_mixed and self.alpha_numeric != (order == "alphanumeric"):
            raise invalid_input("mismatch between alphanumeric and ordering property")

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

    @property
    def null_matches(self) -> bool | None:
        """Null, which comes before all texts, is below an upper bound; numeric columns' is not looked at."""
        return True if self.lower is None else None

    def null_number(self, include_unknown: bool) -> bool:
        """Unknown."""
        return include_unknown

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Of texts only those in the order of an index are unknown where they are null, as in Druid."""
        known = self.extraction is None and not isinstance(block.vector(self.dimension), NumericVector)
        return super().matches(block, False if known and not self._asks_index(block) else include_unknown)

    def _asks_index(self, block: Block) -> bool:
        return self.order == "lexicographic" and by_index(block, self.dimension)

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
    match_value_type: str | None = None
    lower: Any = None
    upper: Any = None
    lower_open: bool = False
    upper_open: bool = False

    def __attrs_post_init__(self) -> None:
        where = f"range filter on column [{self.column}]"
        kind = matched_type(self.match_value_type, f"{where}, matchValueType")
        object.__setattr__(self, "match_value_type", kind)
        object.__setattr__(self, "lower", of_type(self.lower, kind))
        object.__setattr__(self, "upper", of_type(self.upper, kind))
        if self.lower is None and self.upper is None:
            raise invalid_input(f"Invalid {where}, lower and upper cannot be null at the same time")

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    @property
    def _numeric(self) -> bool:
        return self.match_value_type in DTYPES

    @property
    def _texts(self) -> tuple[str | None, str | None]:
        """The bounds as texts, of arrays of one their elements."""
        bounds = []
        for bound in (self.lower, self.upper):
            if isinstance(bound, list) and len(bound) != 1:
                raise cannot_cast(self.match_value_type or "", "STRING")
            bounds.append(text_of(bound[0] if isinstance(bound, list) else bound))
        return bounds[0], bounds[1]

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Arrays element by element, null first; a single value is taken for an array of one."""
        from nemeton.query.engines.table import object_key

        vector: Any = block.vector(self.column)
        if not vector.type.is_array:
            return super().matches(block, include_unknown)
        single = [v if v is None or isinstance(v, list) else [v] for v in (self.lower, self.upper)]
        bounds = [for_column(v, vector) for v in single] if str(self.match_value_type).startswith("ARRAY") else single
        lower, upper = (None if v is None else object_key(v) for v in bounds)
        items = vector.to_list()
        found = _between([object_key(item) for item in items], lower, upper, self.lower_open, self.upper_open)
        return np.array([include_unknown if v is None else ok for v, ok in zip(items, found, strict=True)], dtype=bool)

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """For strings."""
        if self._numeric or isinstance(self.lower, list) or isinstance(self.upper, list):
            return None
        return _text_range(find, *self._texts, self.lower_open, self.upper_open)

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By number for a numeric type, where what is no number comes before all numbers; else by text."""
        if self._numeric:
            found = [to_double(value) for value in values]
            picked = np.array([np.nan if v is None else v for v in found], dtype=np.float64)
            inside = _numbers_between(
                picked, _exact_number(self.lower), _exact_number(self.upper), self.lower_open, self.upper_open
            )
            before = self.lower is None
            return [before if v is None else bool(ok) for ok, v in zip(inside, found, strict=True)]
        key = sort_key("lexicographic")
        lower, upper = (None if v is None else key(v) for v in self._texts)
        return _between([key(v) for v in values], lower, upper, self.lower_open, self.upper_open)

    def match_numbers(self, values: Array, type_name: str) -> Array | None:
        """By number for a numeric type, else by text."""
        if not self._numeric:
            return None
        return _numbers_between(
            values, _exact_number(self.lower), _exact_number(self.upper), self.lower_open, self.upper_open
        )

    def match_object(self, value: Any) -> bool | None:
        """Of a document it is unknown."""
        return None


@json_type("interval")
@frozen
class IntervalDimFilter(PredicateFilter):
    """Times (as milliseconds) that lie in one of the intervals."""

    dimension: str
    intervals: tuple[Interval, ...]
    extraction_fn: ExtractionFn | None = None

    def __attrs_post_init__(self) -> None:
        if not self.intervals:
            raise invalid_input("must specify at least one interval")

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
