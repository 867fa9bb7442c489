"""Filters of filters, and the constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.vectors import Array
from nemeton.spi.query import DimFilter

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import Block


def _columns(fields: tuple[DimFilter, ...]) -> frozenset[str]:
    return frozenset().union(*(item.required_columns() for item in fields))


def present(fields: Iterable[DimFilter | None]) -> tuple[DimFilter, ...]:
    """Those that are not null."""
    return tuple(item for item in fields if item is not None)


@json_type("and")
@frozen
class AndDimFilter(DimFilter):
    """All of them."""

    fields: tuple[DimFilter, ...] = field(converter=present)

    def __attrs_post_init__(self) -> None:
        if not self.fields:
            raise invalid_input("AND operator requires at least one field")

    def required_columns(self) -> frozenset[str]:
        """Those of the fields."""
        return _columns(self.fields)

    def candidates(self, source: SegmentSource) -> Array | None:
        """The fewest that any field leaves."""
        found = [rows for rows in (item.candidates(source) for item in self.fields) if rows is not None]
        return min(found, key=len) if found else None

    def constant(self, source: SegmentSource) -> bool | None:
        """False if one is, true if all are."""
        found = [item.constant(source) for item in self.fields]
        return False if False in found else None if None in found else True

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Each field is only asked about the rows that are left, once those are few."""
        alive = np.ones(block.num_rows, dtype=bool)
        for item in self.fields:
            rows = np.flatnonzero(alive)
            if not len(rows):
                break
            if 4 * len(rows) < block.num_rows:
                alive[rows] = item.matches(block.select(rows), include_unknown)
            else:
                alive &= item.matches(block, include_unknown)
        return alive


def conjunction(conditions: Sequence[DimFilter]) -> DimFilter | None:
    """One that holds where all of them do; None for none."""
    return AndDimFilter(tuple(conditions)) if len(conditions) > 1 else next(iter(conditions), None)


def conjuncts(condition: DimFilter) -> list[DimFilter]:
    """Those that all have to hold for the condition to."""
    if isinstance(condition, AndDimFilter):
        return [part for item in condition.fields for part in conjuncts(item)]
    return [condition]


@json_type("or")
@frozen
class OrDimFilter(DimFilter):
    """Any of them."""

    fields: tuple[DimFilter, ...] = field(converter=present)

    def __attrs_post_init__(self) -> None:
        if not self.fields:
            raise invalid_input("OR operator requires at least one field")

    def required_columns(self) -> frozenset[str]:
        """Those of the fields."""
        return _columns(self.fields)

    def constant(self, source: SegmentSource) -> bool | None:
        """True if one is, false if all are."""
        found = [item.constant(source) for item in self.fields]
        return True if True in found else None if None in found else False

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Until all rows match."""
        found = np.zeros(block.num_rows, dtype=bool)
        for item in self.fields:
            found |= item.matches(block, include_unknown)
            if found.all():
                break
        return found


@json_type("not")
@frozen
class NotDimFilter(DimFilter):
    """Where the field is false; where it is unknown, so is this."""

    field: DimFilter

    def required_columns(self) -> frozenset[str]:
        """Those of the field."""
        return self.field.required_columns()

    def constant(self, source: SegmentSource) -> bool | None:
        """The other."""
        found = self.field.constant(source)
        return None if found is None else not found

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """The other rows."""
        return ~self.field.matches(block, not include_unknown)


@json_type("istrue")
@frozen
class IsTrueDimFilter(DimFilter):
    """Where the field is true; never unknown."""

    field: DimFilter

    def required_columns(self) -> frozenset[str]:
        """Those of the field."""
        return self.field.required_columns()

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Without the unknown."""
        return self.field.matches(block, False)


@json_type("isfalse")
@frozen
class IsFalseDimFilter(DimFilter):
    """Where the field is false; never unknown."""

    field: DimFilter

    def required_columns(self) -> frozenset[str]:
        """Those of the field."""
        return self.field.required_columns()

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """Without the unknown."""
        return ~self.field.matches(block, True)


@json_type("true")
@frozen
class TrueDimFilter(DimFilter):
    """All rows."""

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def constant(self, source: SegmentSource) -> bool | None:
        """True."""
        return True

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """All."""
        return np.ones(block.num_rows, dtype=bool)


@json_type("false")
@frozen
class FalseDimFilter(DimFilter):
    """No row."""

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def constant(self, source: SegmentSource) -> bool | None:
        """False."""
        return False

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """None."""
        return np.zeros(block.num_rows, dtype=bool)
