"""Dimension specs: default, extraction, lookup, and the filtered ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import QueryException, invalid_input, unsupported
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.query.expressions.regexes import java_regex
from nemeton.query.expressions.vec import text
from nemeton.query.extraction import given_lookup, looked_up
from nemeton.query.lookups import registered_lookup
from nemeton.query.numbers import number_texts, strings_to_numbers
from nemeton.query.source import as_type, numbers_of_strings
from nemeton.query.vectors import (
    COLUMN_TYPES,
    DTYPES,
    AnyVector,
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    encode_strings,
    null_vector,
    strings_vector,
)
from nemeton.spi.query import DimensionSpec, ExtractionFn

if TYPE_CHECKING:
    from nemeton.spi.query import Block


class _Converted(DimensionSpec):
    """One whose values are those that are selected, as the result type."""

    def vector(self, block: Block) -> AnyVector:
        """The values, converted where their type is another."""
        return convert_vector(block, self.selected(block), self.result_type)  # type: ignore[arg-type]


@json_type("default", "LegacyDimensionSpec")
@frozen
class DefaultDimensionSpec(_Converted):
    """A column as it is, as the output type (STRING unless given).

    A Java Broker names those that were given to it as a bare string after their class, LegacyDimensionSpec.
    """

    dimension: str
    output_name: str | None = None
    output_type: str = "STRING"

    @property
    def result_type(self) -> str:
        """The output type."""
        return self.output_type.upper()

    @property
    def is_plain(self) -> bool:
        """The codes of a string column are used as they are."""
        return True

    def selected(self, block: Block) -> AnyVector:
        """The column."""
        return block.vector(self.dimension)  # type: ignore[return-value]


def convert_vector(block: Block, vector: AnyVector, kind: str) -> AnyVector:
    """A vector as another type; the strings of multi-value rows stay, until each has a row of its own."""
    if kind in DTYPES:
        return _as_numbers(block, vector, kind)
    if kind == "STRING":
        if isinstance(vector, NumericVector):
            return numbers_as_strings(vector)
        if isinstance(vector, ObjectVector):
            if vector.type.is_array and getattr(getattr(block, "source", None), "is_row_by_row", False):
                return strings_vector([None if value is None else _java_list(value) for value in vector.to_list()])
            if vector.type.is_array:
                raise QueryException(
                    QueryException.UNKNOWN,
                    "Vectorized groupBys on ARRAY columns are not yet implemented; "
                    f"name the type of the dimension: outputType [{vector.type}]",
                    error_class="java.lang.RuntimeException",
                )
            if vector.type.is_complex:
                return null_vector(len(vector)) if vector.text is None else strings_vector(texts_of_aggregates(vector))
            return strings_vector([text(value) for value in vector.to_list()])
    return vector


def _as_numbers(block: Block, vector: AnyVector, kind: str) -> AnyVector:
    if isinstance(vector, NumericVector):
        return vector if str(vector.type) == kind else as_type(vector, kind)
    if isinstance(vector, MultiStringVector):
        return vector
    if vector.type.is_complex:
        return null_numbers(kind, len(vector))
    if isinstance(vector, StringVector):
        values, nulls = numbers_of_strings(block, vector, kind, exact=True)
    else:
        items = [v if not isinstance(v, list) else None for v in vector.to_list()]
        values, nulls = strings_to_numbers(items, kind, exact=True)
    return NumericVector(COLUMN_TYPES[kind], values, nulls)


def texts_of_aggregates(vector: ObjectVector) -> list[str | None]:
    """Unfinished aggregates as texts, each distinct one written once; raises where no texts of them are known."""
    assert vector.text is not None
    known: dict[Any, str | None] = {None: None}
    for value in vector.values:
        if value not in known:
            known[value] = vector.text(value)
            if known[value] is None:
                raise unsupported(f"Grouping by unfinished aggregates of type [{vector.type}]")
    return [known[value] for value in vector.values]


def null_numbers(kind: str, count: int) -> NumericVector:
    """So many nulls of a numeric type."""
    return NumericVector(COLUMN_TYPES[kind], np.zeros(count, dtype=DTYPES[kind]), np.ones(count, dtype=bool))


def numbers_as_strings(vector: NumericVector) -> StringVector:
    """Numbers as their texts, each distinct one written once."""
    distinct, inverse = np.unique(vector.values, return_inverse=True)
    codes, values = encode_strings(number_texts(distinct, str(vector.type)))
    codes = codes[inverse]
    if vector.nulls is not None:
        codes = np.where(vector.nulls, len(values), codes)
        values = [*values, None]
    return StringVector(codes, Dictionary(values, len(values)))


def map_strings(
    block: Block, key: Any, vector: AnyVector, apply_all: Callable[[Sequence[Any]], Sequence[str | None]]
) -> AnyVector:
    """A function of every value, called once per distinct one; documents and sketches have none."""
    if isinstance(vector, NumericVector):
        distinct, inverse = np.unique(vector.values, return_inverse=True)
        results = list(apply_all(distinct.tolist()))
        if vector.nulls is not None:
            inverse = np.where(vector.nulls, len(results), inverse)
            results = [*results, *apply_all([None])]
        codes, values = encode_strings(results)
        return StringVector(codes[inverse], Dictionary(values, len(values)))
    if isinstance(vector, ObjectVector) and vector.type.is_complex and vector.text is None:
        return null_vector(len(vector))
    if isinstance(vector, ObjectVector):
        is_aggregate = vector.text is not None
        texts = texts_of_aggregates(vector) if is_aggregate else [text(value) for value in vector.to_list()]
        codes, values = encode_strings(apply_all(texts))
        return StringVector(codes, Dictionary(values, len(values)))
    dictionary = vector.dictionary

    def make() -> tuple[Array, Dictionary, Dictionary]:
        values = dictionary.values.tolist()
        if isinstance(vector, MultiStringVector) and dictionary.null_code() < 0:
            values.append(None)  # what a row without values stands for
        remap, distinct = encode_strings(apply_all(values))
        return remap, Dictionary(distinct, len(distinct)), dictionary

    remap, mapped, _ = block.cached(("mapped", key, id(dictionary)), make)
    if isinstance(vector, MultiStringVector):
        return MultiStringVector(vector.offsets, remap[vector.codes], mapped)
    return StringVector(remap[vector.codes], mapped)


@json_type("extraction")
@frozen
class ExtractionDimensionSpec(_Converted):
    """A column's values through an extraction function."""

    dimension: str
    extraction_fn: ExtractionFn = field(metadata=wire(aliases=("dimExtractionFn",)))
    output_name: str | None = None
    output_type: str = "STRING"

    @property
    def result_type(self) -> str:
        """The output type."""
        return self.output_type.upper()

    def selected(self, block: Block) -> AnyVector:
        """The extracted strings."""
        source: Any = block.vector(self.dimension)
        return map_strings(block, id(self), source, self.extraction_fn.apply_all)


@json_type("lookup")
@frozen
class LookupDimensionSpec(DimensionSpec):
    """A column's values through a lookup: one that is registered under a name, or one that is given."""

    dimension: str
    output_name: str | None = None
    lookup: dict[str, Any] | None = None
    lookup_name: str | None = field(default=None, metadata=wire("name"))
    retain_missing_value: bool = False
    replace_missing_value_with: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.lookup is None) == (self.lookup_name is None):
            raise invalid_input(
                f"name [{_shown(self.lookup_name)}] and lookup [{_shown(self.lookup)}] are mutually exclusive please "
                "provide either a name or a lookup"
            )

    @property
    def result_type(self) -> str:
        """STRING."""
        return "STRING"

    def vector(self, block: Block) -> AnyVector:
        """The values looked up."""
        lookup = registered_lookup(str(self.lookup_name)) if self.lookup is None else given_lookup(self.lookup)

        def apply_all(values: Sequence[Any]) -> list[str | None]:
            return looked_up(lookup, values, self.retain_missing_value, self.replace_missing_value_with)

        return map_strings(block, id(self), block.vector(self.dimension), apply_all)  # type: ignore[arg-type]


@frozen
class FilteredDimensionSpec(_Converted):
    """Another dimension's values, those left out that do not match; a row left without any is null."""

    delegate: DimensionSpec

    @property
    def dimension(self) -> str:  # type: ignore[override]
        """The delegate's."""
        return self.delegate.dimension

    @property
    def output_name(self) -> str | None:  # type: ignore[override]
        """The delegate's."""
        return self.delegate.name

    @property
    def result_type(self) -> str:
        """The delegate's."""
        return self.delegate.result_type

    def keep(self, value: str | None) -> bool:
        """Whether a value stays."""
        raise NotImplementedError

    def selected(self, block: Block) -> AnyVector:
        """The strings that stay."""
        vector: Any = self.delegate.selected(block)
        if isinstance(vector, NumericVector):
            vector = numbers_as_strings(vector)
        if isinstance(vector, ObjectVector):
            return vector
        dictionary = vector.dictionary
        table, _ = block.cached(("kept", id(self), id(dictionary)), lambda: (self._table(dictionary), dictionary))
        kept = table[vector.codes]
        totals = np.append(np.zeros(1, dtype=np.int64), np.cumsum(kept))
        offsets = totals if isinstance(vector, StringVector) else totals[vector.offsets]
        return MultiStringVector(offsets, vector.codes[kept], dictionary)

    def _table(self, dictionary: Dictionary) -> Array:
        return np.array([self.keep(value) for value in dictionary.values], dtype=bool)


@json_type("listFiltered")
@frozen
class ListFilteredDimensionSpec(FilteredDimensionSpec):
    """Values in (or not in) a list."""

    values: frozenset[str | None]
    is_whitelist: bool = True

    def keep(self, value: str | None) -> bool:
        """By the list."""
        return (value in self.values) == self.is_whitelist


@json_type("regexFiltered")
@frozen
class RegexFilteredDimensionSpec(FilteredDimensionSpec):
    """Values that a pattern matches as a whole."""

    pattern: str

    def __attrs_post_init__(self) -> None:
        java_regex(self.pattern)

    def keep(self, value: str | None) -> bool:
        """By the pattern."""
        return value is not None and java_regex(self.pattern).fullmatch(value) is not None


@json_type("prefixFiltered")
@frozen
class PrefixFilteredDimensionSpec(FilteredDimensionSpec):
    """Values that begin with a prefix."""

    prefix: str

    def keep(self, value: str | None) -> bool:
        """By the prefix."""
        return value is not None and value.startswith(self.prefix)


def _shown(value: Any) -> Any:
    return "null" if value is None else value


def _java_list(values: list[Any]) -> str:
    return f"[{', '.join('null' if value is None else str(text(value)) for value in values)}]"
