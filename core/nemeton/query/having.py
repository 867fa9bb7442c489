"""Having specs: conditions on the result rows of a groupBy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.plugins import json_type
from nemeton.query.post_aggregators import TableBlock, as_doubles
from nemeton.query.vectors import Array
from nemeton.spi.query import DimFilter, ExtractionFn, HavingSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import ResultTable


def _compared(
    table: ResultTable, name: str | None, value: float | None, compare: Callable[[Array, float], Array]
) -> Array:
    if name is None or value is None:
        return np.zeros(table.num_rows, dtype=bool)
    vector: AnyVector = table.vector(name)  # type: ignore[assignment]
    values, nulls = as_doubles(vector)
    found = compare(values, value)
    return found if nulls is None else found & ~nulls


@json_type("greaterThan")
@frozen
class GreaterThanHavingSpec(HavingSpec):
    """An aggregate above a number."""

    aggregation: str | None = None
    value: float | None = None

    def matches(self, table: ResultTable) -> Array:
        """Null never matches, nor does any value match null."""
        return _compared(table, self.aggregation, self.value, np.greater)


@json_type("lessThan")
@frozen
class LessThanHavingSpec(HavingSpec):
    """An aggregate below a number."""

    aggregation: str | None = None
    value: float | None = None

    def matches(self, table: ResultTable) -> Array:
        """Null never matches, nor does any value match null."""
        return _compared(table, self.aggregation, self.value, np.less)


@json_type("equalTo")
@frozen
class EqualToHavingSpec(HavingSpec):
    """An aggregate equal to a number."""

    aggregation: str | None = None
    value: float | None = None

    def matches(self, table: ResultTable) -> Array:
        """Null never matches, nor does any value match null."""
        return _compared(table, self.aggregation, self.value, np.equal)


@json_type("and")
@frozen
class AndHavingSpec(HavingSpec):
    """All of them."""

    having_specs: tuple[HavingSpec, ...] = ()

    def matches(self, table: ResultTable) -> Array:
        """True without any."""
        out = np.ones(table.num_rows, dtype=bool)
        for item in self.having_specs:
            out &= item.matches(table)
        return out


@json_type("or")
@frozen
class OrHavingSpec(HavingSpec):
    """Any of them."""

    having_specs: tuple[HavingSpec, ...] = ()

    def matches(self, table: ResultTable) -> Array:
        """False without any."""
        out = np.zeros(table.num_rows, dtype=bool)
        for item in self.having_specs:
            out |= item.matches(table)
        return out


@json_type("not")
@frozen
class NotHavingSpec(HavingSpec):
    """The other rows."""

    having_spec: HavingSpec

    def matches(self, table: ResultTable) -> Array:
        """The other rows."""
        return ~self.having_spec.matches(table)


@json_type("always")
@frozen
class AlwaysHavingSpec(HavingSpec):
    """All rows."""

    def matches(self, table: ResultTable) -> Array:
        """All."""
        return np.ones(table.num_rows, dtype=bool)


@json_type("never")
@frozen
class NeverHavingSpec(HavingSpec):
    """No row."""

    def matches(self, table: ResultTable) -> Array:
        """None."""
        return np.zeros(table.num_rows, dtype=bool)


@json_type("dimSelector")
@frozen
class DimensionSelectorHavingSpec(HavingSpec):
    """A dimension with a value; null and the empty string select both."""

    dimension: str
    value: Any = None
    extraction_fn: ExtractionFn | None = None

    def matches(self, table: ResultTable) -> Array:
        """As the selector filter does; but null and the empty string are one value here, as in Druid."""
        from nemeton.query.filters.values import InDimFilter

        wanted = (self.value,) if self.value else (None, "")
        return InDimFilter(self.dimension, wanted, self.extraction_fn).matches(TableBlock(table))


@json_type("filter")
@frozen
class DimFilterHavingSpec(HavingSpec):
    """Any filter, over the result's columns."""

    filter: DimFilter
    finalize: bool = True

    def matches(self, table: ResultTable) -> Array:
        """As the filter does."""
        return self.filter.matches(TableBlock(table))
