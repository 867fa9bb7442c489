"""Aggregates that are a formula over sums, least and greatest values: what most authors of aggregators want."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from attrs import define, evolve, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import type_names
from nemeton.query import kernels
from nemeton.query.aggregators.base import grown
from nemeton.query.vectors import COLUMN_TYPES, DTYPES, Array, NumericVector, ObjectVector, object_array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block


@frozen
class Sum:
    """A number of each group to which those of its rows are added; ``type_name`` is LONG, FLOAT or DOUBLE."""

    type_name: str = "DOUBLE"

    add = staticmethod(kernels.add)

    @property
    def start(self) -> Any:
        """The number of a group without rows."""
        return 0


@frozen
class Min:
    """The least number of the rows of each group."""

    type_name: str = "DOUBLE"

    add = staticmethod(kernels.minimum)

    @property
    def start(self) -> Any:
        """Nothing is greater."""
        return np.iinfo(np.int64).max if self.type_name == "LONG" else np.inf


@frozen
class Max:
    """The greatest number of the rows of each group."""

    type_name: str = "DOUBLE"

    add = staticmethod(kernels.maximum)

    @property
    def start(self) -> Any:
        """Nothing is less."""
        return np.iinfo(np.int64).min if self.type_name == "LONG" else -np.inf


@define(eq=False)
class SummaryState:
    """The numbers of all groups by name, and which groups saw a row that is not null."""

    numbers: dict[str, Array]
    seen: Array


class SummaryAggregator(AggregatorFactory):
    """An aggregate of one numeric column that is a formula over a few numbers per group.

    Subclasses are frozen attrs classes with at least `name` and `field_name`. They say in `numbers` what is kept of
    each group, what a row brings to it (`of_rows`), and the formula (`result`). Rows that are null are left out; the
    result of a group without others is null. States merge, travel between servers and are read back without more code.
    """

    field_name: str

    #: What is kept of each group, by name: `Sum`, `Min` or `Max` of something.
    numbers: ClassVar[Mapping[str, Sum | Min | Max]]
    #: What the column is read as: LONG, FLOAT or DOUBLE.
    input_type: ClassVar[str] = "DOUBLE"
    #: What the formula gives.
    output_type: ClassVar[str] = "DOUBLE"

    @abstractmethod
    def of_rows(self, values: Array) -> Mapping[str, Any]:
        """For each of the `numbers`, what the rows with these values bring: an array, or a number for all rows."""

    @abstractmethod
    def result(self, **numbers: Array) -> Array:
        """The results of groups, given the numbers of each. Called with groups that saw a row."""

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])

    @property
    def intermediate_type(self) -> ColumnType:
        """A complex type of the aggregator's name."""
        return ColumnType.complex(type_names(type(self))[0])

    @property
    def result_type(self) -> ColumnType:
        """`output_type`."""
        return COLUMN_TYPES[self.output_type]

    def init(self, num_groups: int) -> SummaryState:
        """No group has seen anything."""
        numbers = {name: np.full(num_groups, n.start, DTYPES[n.type_name]) for name, n in self.numbers.items()}
        return SummaryState(numbers, np.zeros(num_groups, dtype=bool))

    def resize(self, state: SummaryState, num_groups: int) -> SummaryState:
        """Empty groups added."""
        numbers = {name: grown(state.numbers[name], num_groups, n.start) for name, n in self.numbers.items()}
        return SummaryState(numbers, grown(state.seen, num_groups, False))

    def aggregate(self, state: SummaryState, block: Block, group_ids: Array) -> None:
        """Take in the rows: numbers, or summaries where ingestion or an inner query has made some."""
        vector = block.vector(self.field_name)
        if isinstance(vector, ObjectVector) and vector.type == self.intermediate_type:
            self.merge(state, self.from_wire(vector.to_list()), group_ids)
            return
        values, nulls = block.numbers(self.field_name, self.input_type)
        if nulls is not None:
            values, group_ids = values[~nulls], group_ids[~nulls]
        if not len(values):
            return
        for name, brought in self.of_rows(values).items():
            number = self.numbers[name]
            whole = np.broadcast_to(np.asarray(brought, dtype=DTYPES[number.type_name]), values.shape)
            number.add(state.numbers[name], state.seen, group_ids, np.ascontiguousarray(whole), None)

    def merge(self, state: SummaryState, other: SummaryState, group_ids: Array) -> None:
        """Take in the groups that saw something."""
        for name, number in self.numbers.items():
            number.add(state.numbers[name], state.seen, group_ids, other.numbers[name], ~other.seen)

    def take(self, state: SummaryState, groups: Array) -> SummaryState:
        """These groups."""
        return SummaryState({name: array[groups] for name, array in state.numbers.items()}, state.seen[groups])

    def finalise(self, state: SummaryState) -> NumericVector:
        """The formula; null for groups that saw nothing."""
        out = np.zeros(len(state.seen), dtype=DTYPES[self.output_type])
        with np.errstate(all="ignore"):
            out[state.seen] = self.result(**{name: array[state.seen] for name, array in state.numbers.items()})
        return NumericVector(self.result_type, out, None if state.seen.all() else ~state.seen)

    def to_stored(self, state: SummaryState) -> ObjectVector:
        """The numbers in big-endian bytes, in the order of `numbers`; None for a group that saw nothing."""
        packed = np.empty(len(state.seen), dtype=self._stored_dtype)
        for name in self.numbers:
            packed[name] = state.numbers[name]
        values = [row.tobytes() if seen else None for row, seen in zip(packed, state.seen.tolist(), strict=True)]
        return ObjectVector(self.intermediate_type, object_array(values))

    @property
    def _stored_dtype(self) -> np.dtype:
        return np.dtype([(name, np.dtype(DTYPES[n.type_name]).newbyteorder(">")) for name, n in self.numbers.items()])

    def intermediate(self, state: SummaryState) -> ObjectVector:
        """The summaries, as `to_wire` writes them."""
        return ObjectVector(self.intermediate_type, object_array(self.to_wire(state)))

    def combining_factory(self) -> AggregatorFactory:
        """The same over the column of this name."""
        factory: Any = self  # an attrs class, as subclasses have to be
        return cast("AggregatorFactory", evolve(factory, field_name=self.name))

    def to_wire(self, state: SummaryState) -> list[Any]:
        """The numbers in the order of `numbers`; None for a group that saw nothing."""
        rows = zip(*(state.numbers[name].tolist() for name in self.numbers), strict=True)
        return [list(row) if seen else None for row, seen in zip(rows, state.seen.tolist(), strict=True)]

    def from_wire(self, values: Sequence[Any]) -> SummaryState:
        """Read what `to_wire` or `to_stored` wrote."""
        dtype = self._stored_dtype
        rows = [self._numbers_of(value, dtype) for value in values]
        numbers = {}
        for place, (name, number) in enumerate(self.numbers.items()):
            column = [number.start if row is None else row[place] for row in rows]
            numbers[name] = np.array(column, dtype=DTYPES[number.type_name])
        return SummaryState(numbers, np.array([row is not None for row in rows], dtype=bool))

    def _numbers_of(self, value: Any, dtype: np.dtype) -> Sequence[Any] | None:
        if value is None:
            return None
        if isinstance(value, bytes) and len(value) == dtype.itemsize:
            numbers: Sequence[Any] = np.frombuffer(value, dtype)[0].tolist()
            return numbers
        if not isinstance(value, list) or len(value) != len(self.numbers):
            raise invalid_input(f"[{self.name}]: a summary has to have {len(self.numbers)} numbers")
        # doubles that JSON has no number for come as their names
        return [float(number) if isinstance(number, str) else number for number in value]
