"""First and last values by time, and any value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from attrs import define, evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import grown
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.expressions.vec import text
from nemeton.query.numbers import LONG_MAX, LONG_MIN
from nemeton.query.vectors import (
    COLUMN_TYPES,
    DTYPES,
    Array,
    NumericVector,
    ObjectVector,
    StringVector,
    is_none,
    null_mask,
    object_array,
    vector_from_list,
)
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import Block

_MAX_INSTANT, _MIN_INSTANT = 2**62 - 1, -(2**62)
"""Druid's ends of time: the times of pairs that have seen nothing."""


@define
class TimedState:
    """Per group a time, the value of then, whether that is null, and whether there was any row."""

    times: Array
    values: Array
    nulls: Array
    seen: Array


@frozen(kw_only=True)
class TimedAggregator(AggregatorFactory):
    """The value (which may be null) of the first or last row by a time column. Of equal times, the first (last) row."""

    name: str = field(kw_only=False)
    field_name: str | None = field(default=None, kw_only=False)
    time_column: str = "__time"
    expression: str | None = None

    number_type: ClassVar[str] = "LONG"
    is_last: ClassVar[bool] = False

    def __attrs_post_init__(self) -> None:
        if self.field_name is None and self.expression is None:
            raise invalid_input("Must have a valid, non-null fieldName")

    def required_columns(self) -> frozenset[str]:
        """The field (or what the expression reads) and the time."""
        if self.expression is not None:
            return ExpressionColumn.of(self.expression).required_columns() | {self.time_column}
        return frozenset([str(self.field_name), self.time_column])

    @property
    def intermediate_type(self) -> ColumnType:
        """A pair of time and value."""
        return ColumnType.complex(f"serializablePairLong{self.number_type.capitalize()}")

    @property
    def result_type(self) -> ColumnType:
        """The value's type."""
        return COLUMN_TYPES[self.number_type]

    @property
    def _unseen(self) -> int:
        """The time that a pair of a group without rows is given outside of a state."""
        return _MIN_INSTANT if self.is_last else _MAX_INSTANT

    def init(self, num_groups: int) -> TimedState:
        """All groups without a row."""
        dtype: Any = DTYPES.get(self.number_type, object)
        times = np.full(num_groups, LONG_MIN if self.is_last else LONG_MAX, dtype=np.int64)
        return TimedState(
            times, np.zeros(num_groups, dtype=dtype), np.ones(num_groups, bool), np.zeros(num_groups, bool)
        )

    def resize(self, state: TimedState, num_groups: int) -> TimedState:
        """Groups without a row added."""
        return TimedState(
            grown(state.times, num_groups, LONG_MIN if self.is_last else LONG_MAX),
            grown(state.values, num_groups, 0),
            grown(state.nulls, num_groups, True),
            grown(state.seen, num_groups, False),
        )

    def aggregate(self, state: TimedState, block: Block, group_ids: Array) -> None:
        """Look up values only of the rows that win. Of a column of pairs, each pair has its own time."""
        pairs = None if self.expression is not None else _pairs(block, str(self.field_name))
        if pairs is not None:
            self._aggregate_pairs(state, pairs, group_ids)
            return
        times, missing = block.numbers(self.time_column, "LONG")
        rows = np.arange(block.num_rows) if missing is None else np.flatnonzero(~missing)
        winners = self._winners(group_ids[rows], times[rows], state)
        self._put(state, group_ids[rows[winners]], times[rows[winners]], *self._values(block, rows[winners]))

    def _aggregate_pairs(self, state: TimedState, pairs: Array, group_ids: Array) -> None:
        rows = np.flatnonzero(~is_none(pairs))
        times = np.fromiter((pair[0] for pair in pairs[rows]), dtype=np.int64, count=len(rows))
        winners = self._winners(group_ids[rows], times, state)
        values = vector_from_list(self.number_type, [pair[1] for pair in pairs[rows[winners]]])
        nulls = null_mask(values)
        held = values.values if isinstance(values, NumericVector) else object_array(values.to_list())
        self._put(state, group_ids[rows[winners]], times[winners], held, nulls)

    def _winners(self, groups: Array, times: Array, state: TimedState) -> Array:
        """Of each group the row that wins, where it also wins over the state."""
        order = np.lexsort([times, groups])
        sorted_groups = groups[order]
        edge = np.ones(len(order), dtype=bool)
        if self.is_last:
            edge[:-1] = sorted_groups[1:] != sorted_groups[:-1]
        else:
            edge[1:] = sorted_groups[1:] != sorted_groups[:-1]
        best = order[edge]
        known, now = state.times[groups[best]], times[best]
        better = now >= known if self.is_last else (now < known) | ~state.seen[groups[best]]
        return best[better]

    def _values(self, block: Block, rows: Array) -> tuple[Array, Array]:
        chosen = block.select(rows)
        if self.expression is not None:
            values, nulls = ExpressionColumn.of(self.expression).numbers(chosen, self.number_type)
        else:
            values, nulls = chosen.numbers(str(self.field_name), self.number_type)
        return values, np.zeros(len(values), dtype=bool) if nulls is None else nulls

    def _put(self, state: TimedState, groups: Array, times: Array, values: Array, nulls: Array) -> None:
        state.times[groups] = times
        state.values[groups] = values
        state.nulls[groups] = nulls
        state.seen[groups] = True

    def merge(self, state: TimedState, other: TimedState, group_ids: Array) -> None:
        """The winner of both."""
        rows = np.flatnonzero(other.seen)
        winners = rows[self._winners(group_ids[rows], other.times[rows], state)]
        self._put(state, group_ids[winners], other.times[winners], other.values[winners], other.nulls[winners])

    def take(self, state: TimedState, groups: Array) -> TimedState:
        """These groups."""
        return TimedState(state.times[groups], state.values[groups], state.nulls[groups], state.seen[groups])

    def finalise(self, state: TimedState) -> AnyVector:
        """The values."""
        items = state.values.tolist()
        return vector_from_list(self.number_type, [None if n else v for v, n in zip(items, state.nulls, strict=True)])

    def combining_factory(self) -> AggregatorFactory:
        """The same of the column of this name."""
        return evolve(self, field_name=self.name, expression=None)

    def to_stored(self, state: TimedState) -> AnyVector:
        """Pairs as segments give them, (time, value); for a group without rows null at the end of Druid's times."""
        values = self.finalise(state).to_list()
        times = np.where(state.seen, state.times, self._unseen)
        return ObjectVector(self.stored_type, object_array(list(zip(times.tolist(), values, strict=True))))

    def text(self, stored: Any) -> str | None:
        """As Java prints a pair."""
        time, value = stored
        return f"Pair{{lhs={time}, rhs={'null' if value is None else text(value)}}}"

    def intermediate(self, state: TimedState) -> AnyVector:
        """As `to_wire`."""
        return ObjectVector(self.intermediate_type, object_array(self.to_wire(state)))

    def to_wire(self, state: TimedState) -> list[Any]:
        """Pairs `{lhs: time, rhs: value}`; for a group without rows the time that any other one wins over."""
        values = self.finalise(state).to_list()
        pairs = zip(state.times.tolist(), values, state.seen.tolist(), strict=True)
        unseen = self._unseen
        return [{"lhs": time if seen else unseen, "rhs": value} for time, value, seen in pairs]

    def from_wire(self, values: Sequence[Any]) -> TimedState:
        """Read pairs."""
        state = self.init(len(values))
        unseen = self._unseen
        for i, pair in enumerate(values):
            if pair is not None and pair["lhs"] != unseen:
                value = pair.get("rhs")
                state.times[i] = pair["lhs"]
                state.values[i] = (
                    float(value)
                    if isinstance(value, str) and self.number_type != "STRING"
                    else 0
                    if value is None
                    else value
                )
                state.nulls[i] = value is None
                state.seen[i] = True
        return state


def _pairs(block: Block, name: str) -> Array | None:
    """The pairs of a column that was made by an aggregator of this family; None for any other column."""
    vector = block.vector(name)
    if isinstance(vector, ObjectVector) and (vector.type.complex_name or "").startswith("serializablePair"):
        return vector.values
    return None


@frozen(kw_only=True, slots=False)
class TimedStrings(TimedAggregator):
    """The same of strings, cut to `maxStringBytes` of UTF-8."""

    max_string_bytes: int = 1024

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.max_string_bytes < 0:
            raise invalid_input("maxStringBytes must be greater than 0")

    number_type = "STRING"

    def aggregate(self, state: TimedState, block: Block, group_ids: Array) -> None:
        """As for other types; but of a column of nulls alone, as in Druid, no time counts."""
        if self.expression is None:
            vector = block.vector(str(self.field_name))
            known = vector.dictionary if isinstance(vector, StringVector) else None
            if known is not None and known.size == 1 and known.values[0] is None:
                return
        super().aggregate(state, block, group_ids)

    def aggregate_input(self, state: TimedState, block: Block, group_ids: Array) -> None:
        """Rows without a value count for nothing: Druid looks whether they are pairs, and sees no value."""
        if self.expression is None:
            vector: Any = block.vector(str(self.field_name))
            rows = np.flatnonzero(~null_mask(vector))
            block, group_ids = block.select(rows), group_ids[rows]
        self.aggregate(state, block, group_ids)

    def _values(self, block: Block, rows: Array) -> tuple[Array, Array]:
        if self.expression is not None:
            return super()._values(block, rows)
        items = [self._cut(value) for value in block.select(rows).vector(str(self.field_name)).to_list()]
        return object_array(items), np.array([item is None for item in items], dtype=bool)

    def _cut(self, value: Any) -> str | None:
        found = f"StructuredData{{value={text(value)}}}" if isinstance(value, dict) else text(value)
        if found is None or len(found) * 4 <= self.max_string_bytes:
            return found
        return found.encode("utf-8", "surrogatepass")[: self.max_string_bytes].decode("utf-8", "ignore")


@json_type("longFirst")
@frozen(kw_only=True)
class LongFirstAggregatorFactory(TimedAggregator):
    """The first long."""


@json_type("longLast")
@frozen(kw_only=True)
class LongLastAggregatorFactory(TimedAggregator):
    """The last long."""

    is_last = True


@json_type("doubleFirst")
@frozen(kw_only=True)
class DoubleFirstAggregatorFactory(TimedAggregator):
    """The first double."""

    number_type = "DOUBLE"


@json_type("doubleLast")
@frozen(kw_only=True)
class DoubleLastAggregatorFactory(TimedAggregator):
    """The last double."""

    number_type = "DOUBLE"
    is_last = True


@json_type("floatFirst")
@frozen(kw_only=True)
class FloatFirstAggregatorFactory(TimedAggregator):
    """The first float."""

    number_type = "FLOAT"


@json_type("floatLast")
@frozen(kw_only=True)
class FloatLastAggregatorFactory(TimedAggregator):
    """The last float."""

    number_type = "FLOAT"
    is_last = True


@json_type("stringFirst")
@frozen(kw_only=True)
class StringFirstAggregatorFactory(TimedStrings):
    """The first string."""


@json_type("stringLast")
@frozen(kw_only=True)
class StringLastAggregatorFactory(TimedStrings):
    """The last string."""

    is_last = True


@frozen(kw_only=True, slots=False)
class _Any(TimedAggregator):
    """A value of any row: the first that is met, whatever its time."""

    aggregate_multiple_values: bool = True

    def aggregate(self, state: TimedState, block: Block, group_ids: Array) -> None:
        """Only groups without a value look for one."""
        rows = np.flatnonzero(~state.seen[group_ids])
        groups, first = np.unique(group_ids[rows], return_index=True)
        if len(groups):
            self._put(state, groups, np.zeros(len(groups), dtype=np.int64), *self._values(block, rows[first]))

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([str(self.field_name)])

    @property
    def intermediate_type(self) -> ColumnType:
        """The value's."""
        return COLUMN_TYPES[self.number_type]

    def to_stored(self, state: TimedState) -> AnyVector:
        """The values."""
        return self.finalise(state)

    def intermediate(self, state: TimedState) -> AnyVector:
        """The values."""
        return self.finalise(state)

    def to_wire(self, state: TimedState) -> list[Any]:
        """The values."""
        return self.finalise(state).to_list()

    def from_wire(self, values: Sequence[Any]) -> TimedState:
        """Read values."""
        return super().from_wire([{"lhs": 0, "rhs": value} for value in values])


@json_type("longAny")
@frozen(kw_only=True)
class LongAnyAggregatorFactory(_Any):
    """Any long."""


@json_type("doubleAny")
@frozen(kw_only=True)
class DoubleAnyAggregatorFactory(_Any):
    """Any double."""

    number_type = "DOUBLE"


@json_type("floatAny")
@frozen(kw_only=True)
class FloatAnyAggregatorFactory(_Any):
    """Any float."""

    number_type = "FLOAT"


@json_type("stringAny")
@frozen(kw_only=True, slots=False)
class StringAnyAggregatorFactory(_Any, TimedStrings):
    """Any string."""
