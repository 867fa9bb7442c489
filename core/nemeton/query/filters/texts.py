"""Filters by text patterns, by comparison of columns, and by expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import QueryException, invalid_input
from nemeton.plugins import json_type
from nemeton.query.expressions.column import ExpressionColumn, by_row
from nemeton.query.expressions.logic import truth
from nemeton.query.expressions.regexes import java_regex
from nemeton.query.expressions.strings import like_regex
from nemeton.query.filters.base import PredicateFilter
from nemeton.query.numbers import strings_to_numbers
from nemeton.query.search import SearchQuerySpec
from nemeton.query.vectors import Array, MultiStringVector, StringVector
from nemeton.spi.query import DimensionSpec, DimFilter, ExtractionFn

if TYPE_CHECKING:
    from nemeton.spi.query import Block


@json_type("like")
@frozen
class LikeDimFilter(PredicateFilter):
    """A pattern of SQL's LIKE."""

    dimension: str
    pattern: str
    escape: str | None = None
    extraction_fn: ExtractionFn | None = None

    def __attrs_post_init__(self) -> None:
        if self.escape and len(self.escape) != 1:
            raise invalid_input("Escape must be null or a single character")

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    @property
    def skips_numeric_nulls(self) -> bool:
        """Yes."""
        return True

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """By the whole text."""
        simple = self.escape is None and "_" not in self.pattern and "%" not in self.pattern[:-1]
        if simple and self.pattern.endswith("%"):
            return [value.startswith(self.pattern[:-1]) for value in values]
        match = like_regex(self.pattern, self.escape).fullmatch
        return [match(value) is not None for value in values]


@json_type("regex")
@frozen
class RegexDimFilter(PredicateFilter):
    """A Java regular expression that is found anywhere in the text."""

    dimension: str
    pattern: str
    extraction_fn: ExtractionFn | None = None

    def __attrs_post_init__(self) -> None:
        java_regex(self.pattern)

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """Found anywhere."""
        search = java_regex(self.pattern).search
        return [search(value) is not None for value in values]


@json_type("search")
@frozen
class SearchQueryDimFilter(PredicateFilter):
    """A search query spec."""

    dimension: str
    query: SearchQuerySpec
    extraction_fn: ExtractionFn | None = None

    @property
    def column_name(self) -> str:
        """The dimension."""
        return self.dimension

    def match_strings(self, values: Sequence[str]) -> list[bool]:
        """As the spec says."""
        return [self.query.accept(value) for value in values]


@json_type("javascript")
@frozen
class JavaScriptDimFilter(DimFilter):
    """Refused, as Druid does unless it is told otherwise."""

    dimension: str
    function: str
    extraction_fn: ExtractionFn | None = None

    def required_columns(self) -> frozenset[str]:
        """The dimension."""
        return frozenset([self.dimension])

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Refuse."""
        raise javascript_disabled()


def javascript_disabled() -> QueryException:
    """What Druid answers to JavaScript by default."""
    return QueryException(
        QueryException.UNKNOWN, "JavaScript is disabled", error_class="java.lang.IllegalStateException"
    )


@json_type("columnComparison")
@frozen
class ColumnComparisonDimFilter(DimFilter):
    """Rows where columns hold the same value, nulls being equal; compared by text. Never unknown."""

    dimensions: tuple[DimensionSpec, ...]

    def __attrs_post_init__(self) -> None:
        if len(self.dimensions) < 2:
            raise invalid_input("dimensions must have a least 2 dimensions")

    def required_columns(self) -> frozenset[str]:
        """The dimensions."""
        return frozenset(item.dimension for item in self.dimensions)

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Compare all with the first; a row with several values matches when it shares one."""
        columns = [_texts(spec.selected(block)) for spec in self.dimensions]
        out = np.ones(block.num_rows, dtype=bool)
        for column in columns[1:]:
            out &= np.fromiter(
                (not a.isdisjoint(b) for a, b in zip(columns[0], column, strict=True)), dtype=bool, count=block.num_rows
            )
        return out


def _texts(vector: Any) -> list[frozenset[str | None]]:
    from nemeton.query.expressions.vec import text

    out = []
    for value in vector.to_list():
        items = value if isinstance(value, list) else [value]
        out.append(frozenset(text(item) for item in items))
    return out


@json_type("expression")
@frozen
class ExpressionDimFilter(DimFilter):
    """Rows where an expression is true; where it is null, that is unknown."""

    expression: str

    def __attrs_post_init__(self) -> None:
        ExpressionColumn.of(self.expression)

    def required_columns(self) -> frozenset[str]:
        """What the expression reads."""
        return ExpressionColumn.of(self.expression).required_columns()

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """By the expression's truth."""
        column = ExpressionColumn.of(self.expression)
        if len(column.inputs) == 1 and column.inputs == column.single_uses:
            name = next(iter(column.inputs))
            vector: Any = block.vector(name)
            if isinstance(vector, MultiStringVector):
                return self._any_value(column, _ValuesBlock(name, vector), include_unknown)
        return self._true(column, block, include_unknown)

    @staticmethod
    def _true(column: ExpressionColumn, block: Block, include_unknown: bool) -> Array:
        true, nulls = truth(by_row(column.evaluate(block), block.num_rows))
        return true | nulls if include_unknown else true

    def _any_value(self, column: ExpressionColumn, values: _ValuesBlock, include_unknown: bool) -> Array:
        """Of several values one has to match."""
        rows, _ = values.multiple.explode()
        hits = self._true(column, values, include_unknown)
        return np.bincount(rows, weights=hits, minlength=len(values.multiple)) > 0


class _ValuesBlock:
    """Each value of the rows of a multi-value column as a row of its own; for expressions of that column alone."""

    def __init__(self, name: str, multiple: MultiStringVector) -> None:
        self.multiple = multiple
        self._name = name
        self._values = multiple.explode()[1]
        self.num_rows = len(self._values)

    def vector(self, name: str) -> StringVector:
        """The values."""
        return self._values

    def numbers(self, name: str, type_name: str) -> tuple[Array, Array | None]:
        """The values as numbers."""
        return strings_to_numbers(self._values.to_list(), type_name)

    def select(self, rows: Array) -> Block:
        """Not needed by expressions."""
        raise NotImplementedError

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Made each time: the values are those of one block."""
        return make()
