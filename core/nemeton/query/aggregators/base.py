"""What numeric aggregators share: states of values and of which groups saw any, and their way through JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from attrs import define, evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.vectors import COLUMN_TYPES, DTYPES, Array, NumericVector, numeric_from_list
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_DOCUMENT = ColumnType.complex("json")


@define
class NumericState:
    """A number per group, and whether the group saw any value that is not null."""

    values: Array
    seen: Array


def grown(array: Array, size: int, fill: Any) -> Array:
    """The array with `fill` added at the end."""
    out = np.full(size, fill, dtype=array.dtype)
    out[: len(array)] = array
    return out


@frozen(kw_only=True)
class NumericAggregator(AggregatorFactory):
    """An aggregate of one numeric column (or expression) that skips nulls, and is null for a group of nulls."""

    name: str = field(kw_only=False)
    field_name: str | None = field(default=None, kw_only=False)
    expression: str | None = None

    #: LONG, FLOAT or DOUBLE: of the state and of the result
    number_type = "LONG"
    #: "add", "minimum" or "maximum" when that is all that `combine` does; the engine then takes in many at a time
    kernel: ClassVar[str | None] = None
    #: the value of a group that saw nothing
    identity: ClassVar[Any] = 0

    def __attrs_post_init__(self) -> None:
        if (self.field_name is None) == (self.expression is None):
            raise invalid_input("Must have a valid, non-null fieldName or expression")

    def required_columns(self) -> frozenset[str]:
        """The field, or what the expression reads."""
        if self.expression is not None:
            return ExpressionColumn.of(self.expression).required_columns()
        return frozenset([self.field_name or ""])

    @property
    def intermediate_type(self) -> ColumnType:
        """The number's type."""
        return COLUMN_TYPES[self.number_type]

    def init(self, num_groups: int) -> NumericState:
        """All groups empty."""
        values = np.full(num_groups, self.identity, dtype=DTYPES[self.number_type])
        return NumericState(values, np.zeros(num_groups, dtype=bool))

    def resize(self, state: NumericState, num_groups: int) -> NumericState:
        """Empty groups added."""
        return NumericState(grown(state.values, num_groups, self.identity), grown(state.seen, num_groups, False))

    def input(self, block: Block) -> tuple[Array, Array | None]:
        """The numbers to aggregate and the mask of nulls.

        A string that is no number counts as the aggregate's identity, not as null: that is what Druid does. Arrays and
        complex values are nulls.
        """
        if self.expression is not None:
            return ExpressionColumn.of(self.expression).numbers(block, self.number_type)
        assert self.field_name is not None
        vector = block.vector(self.field_name)
        if vector.type.is_array or (vector.type.is_complex and vector.type != _DOCUMENT):
            return np.zeros(block.num_rows, dtype=DTYPES[self.number_type]), np.ones(block.num_rows, dtype=bool)
        values, nulls = block.numbers(self.field_name, self.number_type)
        if nulls is None or isinstance(vector, NumericVector):
            return values, nulls
        from nemeton.query.vectors import null_mask

        real = null_mask(vector)  # type: ignore[arg-type]
        values = np.where(nulls, DTYPES[self.number_type](self.identity), values)
        return values, real if real.any() else None

    def merge(self, state: NumericState, other: NumericState, group_ids: Array) -> None:
        """Combine, where the other state saw something."""
        self.combine(state, group_ids, other.values, None if other.seen.all() else ~other.seen)

    def aggregate(self, state: NumericState, block: Block, group_ids: Array) -> None:
        """Combine the rows."""
        values, nulls = self.input(block)
        self.combine(state, group_ids, values, nulls)

    def combine(self, state: NumericState, group_ids: Array, values: Array, nulls: Array | None) -> None:
        """Take the values that are not null into their groups."""
        raise NotImplementedError

    def take(self, state: NumericState, groups: Array) -> NumericState:
        """These groups."""
        return NumericState(state.values[groups], state.seen[groups])

    def finalise(self, state: NumericState) -> NumericVector:
        """The numbers; null for groups that saw nothing."""
        nulls = ~state.seen
        return NumericVector(self.intermediate_type, state.values, nulls if nulls.any() else None)

    def combining_factory(self) -> AggregatorFactory:
        """The same aggregate of the column of this name."""
        return evolve(self, field_name=self.name, expression=None)

    def to_wire(self, state: NumericState) -> list[Any]:
        """Numbers and None."""
        return self.finalise(state).to_list()

    def from_wire(self, values: Sequence[Any]) -> NumericState:
        """Numbers, None, and the names of NaN and infinities."""
        vector = numeric_from_list(self.number_type, values)
        seen = np.ones(len(values), dtype=bool) if vector.nulls is None else ~vector.nulls
        vector.values[~seen] = self.identity
        return NumericState(vector.values, seen)


class CountedAggregator(AggregatorFactory):
    """What aggregators share whose state is an int64 array that begins with zeros, and whose result is never null."""

    @property
    def intermediate_type(self) -> ColumnType:
        """LONG."""
        return ColumnType.LONG

    def init(self, num_groups: int) -> Array:
        """Zeros."""
        return np.zeros(num_groups, dtype=np.int64)

    def resize(self, state: Array, num_groups: int) -> Array:
        """Zeros added."""
        return grown(state, num_groups, 0)

    def take(self, state: Array, groups: Array) -> Array:
        """These groups."""
        return state[groups]

    def finalise(self, state: Array) -> NumericVector:
        """The counts; never null."""
        return NumericVector(ColumnType.LONG, state)

    def to_wire(self, state: Array) -> list[Any]:
        """Ints."""
        return list(state.tolist())

    def from_wire(self, values: Sequence[Any]) -> Array:
        """Ints; null counts as 0."""
        return np.array([value or 0 for value in values], dtype=np.int64)
