"""Filters for given values: selector, in, equals, null, typed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.extraction import LookupExtractionFn, given_lookup
from nemeton.query.filters.base import PredicateFilter, by_index
from nemeton.query.filters.logical import FalseDimFilter
from nemeton.query.numbers import number_texts, to_double, to_long
from nemeton.query.vectors import DTYPES, AnyVector, Array, NumericVector
from nemeton.spi.query import DimFilter, ExtractionFn

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import Block


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


def matched_type(given: str | None, what: str) -> str:
    """The type that a filter names, as Druid spells it; raises invalid_input for none, or one that is unknown."""
    try:
        found = None if given is None else ColumnType.parse(given)
    except DruidException:
        found = None
    if found is None:
        raise invalid_input(f"Invalid {what} cannot be null")
    return str(found)


def of_type(value: Any, type_name: str) -> Any:
    """The value as one of the type that a filter names, so that 2.5 is 2 for a LONG; None for what cannot be one.

    Of an array type every value is an array; an array of one is as good as its element for other types.
    """
    if type_name.startswith("ARRAY<"):
        element = type_name[len("ARRAY<") : -1]
        items = value if isinstance(value, list) else [value]
        return None if value is None else [of_type(item, element) for item in items]
    if isinstance(value, list):
        return of_type(value[0], type_name) if len(value) == 1 else None
    if type_name == "LONG" and isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    convert = {"LONG": to_long, "DOUBLE": to_double, "FLOAT": to_double, "STRING": text_of}.get(type_name)
    return value if convert is None else convert(value)


_BOOLEANS = {"true": 1, "false": 0}


def for_column(value: Any, vector: AnyVector) -> Any:
    """What a value, which may be an array, is held against in a column: an array's elements are of its type."""
    if vector.type.is_array:
        return of_type(value, str(vector.type)) if isinstance(value, list) else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def number_text(value: Any) -> str | None:
    """As `text_of`, whole numbers without a fraction, as Druid compares them to strings."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else text_of(value)


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

    #: how a value is written to be compared to strings
    text = staticmethod(text_of)

    @property
    def null_matches(self) -> bool | None:
        """Only when null is one of the values; of no values it is none, for certain."""
        values = self._values()
        return True if any(value is None for value in values) else None if values else False

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """A range of one for each value that is there; many values are not searched one by one."""
        wanted = self._values()
        if len(wanted) > _SEARCH_AT_MOST:
            return None
        codes = [find(text) for text in map(self.text, wanted) if text is not None]
        return [(code, code + 1) for code in codes if code >= 0]

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By text."""
        wanted = {self.text(value) for value in self._values()}
        return [value in wanted for value in values]

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number."""
        wanted = numbers_of([value for value in self._values() if value is not None], type_name)
        if len(wanted) == 1:
            return np.asarray(values == wanted[0])
        return np.isin(values, wanted)


_WHOLE = re.compile(r"-?[0-9]+")


class _TextsFilter(_ValuesFilter):
    """Values as texts, of which a column of numbers may hold one alone that is no number.

    An index of numbers has no such value, nor for longs one that is not written as a whole number: no row matches.
    Where Druid looks at rows one by one, not by vectors, it stands for null.
    """

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """See `PredicateFilter.matches`."""
        found = super().matches(block, include_unknown)
        wanted = set(self._values())
        if len(wanted) != 1 or None in wanted or self.extraction is not None:
            return found
        vector = block.vector(self.column_name)
        if not isinstance(vector, NumericVector):
            return found
        is_number = bool(len(numbers_of(list(wanted), str(vector.type))))
        if _is_indexed(block, self.column_name):
            whole = str(vector.type) != "LONG" or all(_WHOLE.fullmatch(str(value)) for value in wanted)
            return found if is_number and whole else np.zeros(block.num_rows, dtype=bool)
        source = getattr(block, "source", None)
        if is_number or vector.nulls is None or not getattr(source, "is_row_by_row", False):
            return found
        return found | vector.nulls


def _is_indexed(block: Block, name: str) -> bool:
    source: SegmentSource | None = getattr(block, "source", None)
    virtual = None if source is None else source.virtual_columns.get(name)
    return bool(getattr(virtual, "has_value_index", False)) or by_index(block, name)


@json_type("selector")
@frozen
class SelectorDimFilter(_TextsFilter):
    """One value; null selects the nulls."""

    dimension: str
    value: str | None = None
    extraction_fn: ExtractionFn | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def match_object(self, value: Any) -> bool | None:
        """Documents and arrays are never the value."""
        return False

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
    extraction_fn: ExtractionFn = field(metadata=wire(aliases=("dimExtractionFn",)))
    value: str | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def _values(self) -> Sequence[Any]:
        return [self.value]


@json_type("in")
@frozen
class InDimFilter(_TextsFilter):
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
    """Any of several values of a type; what cannot be of the type counts as null."""

    column: str
    match_value_type: str | None = None
    values: tuple[Any, ...] | None = None
    sorted_values: tuple[Any, ...] | None = None

    text = staticmethod(number_text)

    def __attrs_post_init__(self) -> None:
        kind = matched_type(self.match_value_type, f"IN filter on column [{self.column}], matchValueType")
        if (self.values is None) == (self.sorted_values is None):
            raise invalid_input(
                f"Invalid IN filter on column [{self.column}], exactly one of values or sortedValues must be non-null"
            )
        if kind not in ("STRING", *DTYPES):
            raise invalid_input(f"Unsupported matchValueType[{kind}]")
        for name in ("values", "sorted_values"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(of_type(value, kind) for value in getattr(self, name)))

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    def _values(self) -> Sequence[Any]:
        return self.sorted_values if self.sorted_values is not None else self.values or ()

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number, fractions cut off for longs."""
        wanted = [of_type(value, type_name) for value in self._values()]
        return np.isin(values, numbers_of([value for value in wanted if value is not None], type_name))


@json_type("equals")
@frozen
class EqualityFilter(PredicateFilter):
    """One value of a type; null is never equal to anything."""

    column: str
    match_value: Any
    match_value_type: str | None = None

    def __attrs_post_init__(self) -> None:
        where = f"equality filter on column [{self.column}]"
        kind = matched_type(self.match_value_type, f"{where}, matchValueType")
        object.__setattr__(self, "match_value", of_type(self.match_value, kind))
        if self.match_value is None:
            raise invalid_input(f"Invalid {where}, matchValue cannot be null")

    @property
    def column_name(self) -> str:
        """The column."""
        return self.column

    @property
    def _single(self) -> Any:
        """The value, of an array of one its element; None for longer arrays."""
        if isinstance(self.match_value, list):
            return self.match_value[0] if len(self.match_value) == 1 else None
        return self.match_value

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By text."""
        wanted = number_text(self._single)
        return [value == wanted for value in values]

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """The one value's."""
        wanted = number_text(self._single)
        code = -1 if wanted is None else find(wanted)
        return [(code, code + 1)] if code >= 0 else []

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """By number; a value that is no number of the column's type equals none."""
        wanted = _BOOLEANS.get(self._single, self._single) if type_name == "LONG" else self._single
        if type_name == "FLOAT":
            number = to_double(wanted)
            return np.asarray(values == (np.float32(number) if number is not None else None))
        numbers = numbers_of([] if wanted is None else [wanted], type_name)
        return np.asarray(values == numbers[0]) if len(numbers) else np.zeros(len(values), dtype=bool)

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Arrays element by element, as values of the column's type."""
        vector: Any = block.vector(self.column)
        if not vector.type.is_array:
            return super().matches(block, include_unknown)
        wanted = for_column(self.match_value, vector)
        return np.array([include_unknown if v is None else v == wanted for v in vector.to_list()], dtype=bool)

    def match_object(self, value: Any) -> bool | None:
        """As they are."""
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

    def constant(self, source: SegmentSource) -> bool | None:
        """False for numbers of which none is null, true for a column that is not there."""
        if self.column in source.virtual_columns:
            return None
        column = source.column(self.column)
        if column is None:
            return True
        is_number = str(column.type) in DTYPES
        return False if is_number and not getattr(column, "has_nulls", True) else None

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """None: nulls are added by their code."""
        return []

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
    element_match_value_type: str | None = None

    def __attrs_post_init__(self) -> None:
        where = f"array_contains filter on column [{self.column}], elementMatchValueType"
        wanted = of_type(self.element_match_value, matched_type(self.element_match_value_type, where))
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

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Any element of an array; a text is looked for as what it is in the array's type."""
        vector: Any = block.vector(self.column)
        if not vector.type.is_array:
            return super().matches(block, include_unknown)
        wanted = self.element_match_value
        if isinstance(wanted, str):
            wanted = of_type(wanted, str(vector.type.element))
            if wanted is None:
                return np.array([include_unknown and v is None for v in vector.to_list()], dtype=bool)
        return np.array([include_unknown if v is None else wanted in v for v in vector.to_list()], dtype=bool)

    def match_object(self, value: Any) -> bool | None:
        """Of a document it is unknown."""
        return None
