"""The mean of a column."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from attrs import define, frozen

from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query import kernels
from nemeton.query.aggregators.base import grown
from nemeton.query.numbers import strings_to_numbers
from nemeton.query.vectors import Array, MultiStringVector, NumericVector, ObjectVector, StringVector, object_array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block


_HOLDER = struct.Struct(">dq")


@define
class MeanState:
    """Sum and count of each group."""

    sums: Array
    counts: Array


def strings_as_numbers(vector: StringVector) -> Array:
    """Doubles; 0 for what is none."""
    used, codes = np.unique(vector.codes, return_inverse=True)
    numbers, nulls = strings_to_numbers(vector.dictionary.lookup(used), "DOUBLE")
    return cast("Array", (numbers if nulls is None else np.where(nulls, 0.0, numbers))[codes])


@json_type("doubleMean")
@frozen
class DoubleMeanAggregatorFactory(AggregatorFactory):
    """The mean of the values that are not null; 0 when there are none, as in Druid.

    Of strings all values count, of multi-value ones each: those that are no numbers, and null, as 0.
    """

    name: str
    field_name: str

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])

    @property
    def intermediate_type(self) -> ColumnType:
        """Sum and count."""
        return ColumnType.complex("doubleMean")

    @property
    def result_type(self) -> ColumnType:
        """DOUBLE."""
        return ColumnType.DOUBLE

    def init(self, num_groups: int) -> MeanState:
        """Zeros."""
        return MeanState(np.zeros(num_groups), np.zeros(num_groups, dtype=np.int64))

    def resize(self, state: MeanState, num_groups: int) -> MeanState:
        """Zeros added."""
        return MeanState(grown(state.sums, num_groups, 0), grown(state.counts, num_groups, 0))

    def aggregate(self, state: MeanState, block: Block, group_ids: Array) -> None:
        """Add and count."""
        vector = block.vector(self.field_name)
        if vector.type == self.intermediate_type:  # of an inner query that has not finished it
            self.merge(state, self.from_wire(vector.to_list()), group_ids)
            return
        if isinstance(vector, MultiStringVector):
            rows, vector = vector.explode()
            group_ids = group_ids[rows]
        if isinstance(vector, StringVector):
            values = strings_as_numbers(vector)
        else:
            values, nulls = block.numbers(self.field_name, "DOUBLE")
            if nulls is not None:
                values, group_ids = values[~nulls], group_ids[~nulls]
        kernels.add(state.sums, np.zeros(len(state.sums), dtype=bool), group_ids, values, None)
        kernels.count(state.counts, group_ids)

    def merge(self, state: MeanState, other: MeanState, group_ids: Array) -> None:
        """Add both."""
        np.add.at(state.sums, group_ids, other.sums)
        np.add.at(state.counts, group_ids, other.counts)

    def take(self, state: MeanState, groups: Array) -> MeanState:
        """These groups."""
        return MeanState(state.sums[groups], state.counts[groups])

    def finalise(self, state: MeanState) -> NumericVector:
        """The quotients."""
        return NumericVector(
            ColumnType.DOUBLE, np.where(state.counts > 0, state.sums / np.maximum(state.counts, 1), 0.0)
        )

    def intermediate(self, state: MeanState) -> ObjectVector:
        """As `to_wire`."""
        return ObjectVector(self.intermediate_type, object_array(self.to_wire(state)))

    def combining_factory(self) -> AggregatorFactory:
        """The mean of the column of this name."""
        return DoubleMeanAggregatorFactory(self.name, self.name)

    def to_wire(self, state: MeanState) -> list[Any]:
        """Sum and count as Druid's 16 bytes in base64."""
        pairs = zip(state.sums.tolist(), state.counts.tolist(), strict=True)
        return [base64.b64encode(_HOLDER.pack(*pair)).decode() for pair in pairs]

    def from_wire(self, values: Sequence[Any]) -> MeanState:
        """Read such bytes, in base64 or as they are; null is a mean of nothing."""
        raw = [base64.b64decode(value) if isinstance(value, str) else value for value in values]
        pairs = [(0.0, 0) if value is None else _HOLDER.unpack(value) for value in raw]
        sums = np.array([total for total, _ in pairs], dtype=np.float64)
        return MeanState(sums, np.array([count for _, count in pairs], dtype=np.int64))
