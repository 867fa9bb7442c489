"""Filters for given values: selector, in, equals, null, typed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.extraction import LookupExtractionFn, given_lookup
from nemeton.query.filters.base import PredicateFilter
from nemeton.query.filters.logical import FalseDimFilter
from nemeton.query.numbers import number_texts, to_double, to_long
from nemeton.query.vectors import Array
from nemeton.spi.query import DimFilter, ExtractionFn


def text_of(value: Any) -> str | None:
    """A JSON scalar as the string that Druid makes of it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        raise invalid_input(f"filter: expected a single value, got [{value}]")
    kind = "DOUBLE" if isinstance(value, float) else "LONG"
    return number_texts(np.array([value]), kind)[0]


def of_type(value: Any, type_name: str) -> Any:
    """The value as one of the type that a filter names, so that 2.5 is 2 for a LONG; what is none is left as it is."""
    if isinstance(value, list):
        element = type_name[len("ARRAY<") : -1] if type_name.upper().startswith("ARRAY<") else type_name
        return [of_type(item, element) for item in value]
    convert = {"LONG": to_long, "DOUBLE": to_double, "FLOAT": to_double}.get(type_name.upper())
    found = convert(value) if convert is not None else None
    return value if found is None else found


def numbers_of(values: Sequence[Any], type_name: str) -> Array:
    """Those of the values that are numbers of the type (for LONG: whole ones)."""
    if type_name == "LONG":
        wide = [(to_long(value), to_double(value)) for value in values]
        return np.array(
            [n for n, d in wide if n is not None and (d is None or d == n or abs(d) >= 2**53)], dtype=np.int64
        )
    found = [to_double(value) for value in values]
    dtype = np.float32 if type_name == "FLOAT" else np.float64
    with np.errstate(over="ignore"):
        return np.array([item for item in found if item is not None], dtype=dtype)


_SEARCH_AT_MOST = 1000


class _ValuesFilter(PredicateFilter):
    """A set of values; null among them matches null."""

    def _values(self) -> Sequence[Any]:
        raise NotImplementedError

    @property
    def null_matches(self) -> bool | None:
        """Only when null is one of the values."""
        return True if any(value is None for value in self._values()) else None

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """A range of one for each value that is there; many values are not searched one by one."""
        wanted = self._values()
        if len(wanted) > _SEARCH_AT_MOST:
            return None
        codes = [find(text) for text in map(text_of, wanted) if text is not None]
        return [(code, code + 1) for code in codes if code >= 0]

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By text."""
        wanted = {text_of(value) for value in self._values()}
        return [value in wanted for value in values]

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number."""
        wanted = numbers_of([value for value in self._values() if value is not None], type_name)
        if len(wanted) == 1:
            return np.asarray(values == wanted[0])
        return np.isin(values, wanted)


@json_type("selector")
@frozen
class SelectorDimFilter(_ValuesFilter):
    """One value; null selects the nulls."""

    dimension: str
    value: Any = None
    extraction_fn: ExtractionFn | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def rewritten(self) -> DimFilter | None:
        """See `without_lookup`."""
        return without_lookup(self.dimension, [self.value], self.extraction_fn)

    def _values(self) -> Sequence[Any]:
        return [self.value]


@json_type("extraction")
@frozen
class ExtractionDimFilter(_ValuesFilter):
    """The old form of a selector with an extraction function; an empty value stands for null too."""

    dimension: str
    extraction_fn: ExtractionFn
    value: str | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def _values(self) -> Sequence[Any]:
        return [self.value]


@json_type("in")
@frozen
class InDimFilter(_ValuesFilter):
    """Any of several values."""

    dimension: str
    values: tuple[Any, ...]
    extraction_fn: ExtractionFn | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    @property
    def skips_numeric_nulls(self) -> bool:
        """Yes, but for one value, which Druid makes a selector of."""
        return len(set(self.values)) > 1

    def rewritten(self) -> DimFilter | None:
        """See `without_lookup`."""
        return without_lookup(self.dimension, self.values, self.extraction_fn)

    def _values(self) -> Sequence[Any]:
        return self.values


def without_lookup(dimension: str, values: Sequence[Any], extraction: ExtractionFn | None) -> DimFilter | None:
    """A filter for the keys that a given lookup maps to the values, so that null is unknown, as it is to Druid.

    None where Druid asks the lookup itself: it maps something to null, or the value for what is missing is asked for.
    """
    if not isinstance(extraction, LookupExtractionFn) or not extraction.optimize or None in values:
        return None
    replacement = extraction.replace_missing_value_with
    lookup = given_lookup(extraction.lookup)
    injective = lookup.is_one_to_one if extraction.injective is None else extraction.injective
    entries = extraction.lookup["map"]
    if (replacement is None and not injective) or None in entries.values():
        return None
    if not injective and not extraction.retain_missing_value and replacement in values:
        return None
    keys: list[Any] = [key for key, value in entries.items() if value in values]
    if replacement in values:
        keys.append(None)
    if extraction.retain_missing_value:
        keys.extend(value for value in values if lookup.apply(value) is None)
    return InDimFilter(dimension, tuple(keys)) if keys else FalseDimFilter()


@json_type("inType")
@frozen
class TypedInFilter(_ValuesFilter):
    """Any of several values of a type."""

    column: str
    match_value_type: str = "STRING"
    values: tuple[Any, ...] | None = None
    sorted_values: tuple[Any, ...] | None = None

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    def _values(self) -> Sequence[Any]:
        return self.sorted_values if self.sorted_values is not None else self.values or ()


@json_type("equals")
@frozen
class EqualityFilter(PredicateFilter):
    """One value of a type; null is never equal to anything."""

    column: str
    match_value: Any
    match_value_type: str = "STRING"

    def __attrs_post_init__(self) -> None:
        if self.match_value is None:
            raise invalid_input(f"Invalid equality filter on column [{self.column}], matchValue cannot be null")
        object.__setattr__(self, "match_value", of_type(self.match_value, self.match_value_type))

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By text."""
        wanted = text_of(self.match_value) if not isinstance(self.match_value, list) else None
        return [value == wanted for value in values]

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """The one value's."""
        if isinstance(self.match_value, list):
            return []
        code = find(str(text_of(self.match_value)))
        return [(code, code + 1)] if code >= 0 else []

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number; a value that is no number of the column's type equals none."""
        if isinstance(self.match_value, list):
            return np.zeros(len(values), dtype=bool)
        if type_name == "FLOAT":
            wanted = to_double(self.match_value)
            return np.asarray(values == (np.float32(wanted) if wanted is not None else None))
        wanted_all = numbers_of([self.match_value], type_name)
        return np.asarray(values == wanted_all[0]) if len(wanted_all) else np.zeros(len(values), dtype=bool)

    def match_object(self, value: Any) -> bool | None:
        """Arrays element by element."""
        if isinstance(value, list) and isinstance(self.match_value, list):
            return value == self.match_value
        return bool(value == self.match_value)


@json_type("null")
@frozen
class NullFilter(PredicateFilter):
    """The nulls; never unknown."""

    column: str

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    @property
    def null_matches(self) -> bool | None:
        """True."""
        return True

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """None of them."""
        return [False] * len(values)

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """None of them."""
        return np.zeros(len(values), dtype=bool)

    def match_object(self, value: Any) -> bool | None:
        """It is not null."""
        return False


@json_type("arrayContainsElement")
@frozen
class ArrayContainsElementFilter(PredicateFilter):
    """Arrays that hold an element; other columns as `equals`."""

    column: str
    element_match_value: Any = None
    element_match_value_type: str = "STRING"

    def __attrs_post_init__(self) -> None:
        wanted = of_type(self.element_match_value, self.element_match_value_type)
        object.__setattr__(self, "element_match_value", wanted)

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By text."""
        wanted = text_of(self.element_match_value)
        return [value == wanted for value in values]

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number."""
        return np.isin(values, numbers_of([self.element_match_value], type_name))

    def match_object(self, value: Any) -> bool | None:
        """Any element."""
        return self.element_match_value in value if isinstance(value, list) else bool(value == self.element_match_value)
