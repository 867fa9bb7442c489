"""The histogram aggregator: how many values lie between given breaks, the least and the greatest."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, frozen

from nemeton.common.errors import QueryException
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import grown
from nemeton.query.vectors import Array, ObjectVector, object_array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block


@define
class HistogramState:
    """Per group the counts (one more than there are breaks), the least and the greatest value."""

    counts: Array
    least: Array
    greatest: Array


@json_type("histogram")
@frozen
class HistogramAggregatorFactory(AggregatorFactory):
    """Counts of values above each break up to the next one; null, and what is no number, counts as 0.

    The result has the breaks, the counts between them and as `quantiles` the least and the greatest value.
    """

    name: str
    field_name: str
    breaks: tuple[float, ...] = ()

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])

    @property
    def intermediate_type(self) -> ColumnType:
        """Druid's histogram."""
        return ColumnType.complex("histogram")

    def init(self, num_groups: int) -> HistogramState:
        """No values."""
        return HistogramState(
            np.zeros((num_groups, len(self.breaks) + 1), dtype=np.int64),
            np.full(num_groups, np.inf, dtype=np.float32),
            np.full(num_groups, -np.inf, dtype=np.float32),
        )

    def resize(self, state: HistogramState, num_groups: int) -> HistogramState:
        """Groups without values added."""
        counts = np.zeros((num_groups, len(self.breaks) + 1), dtype=np.int64)
        counts[: len(state.counts)] = state.counts
        return HistogramState(
            counts, grown(state.least, num_groups, np.inf), grown(state.greatest, num_groups, -np.inf)
        )

    def aggregate(self, state: HistogramState, block: Block, group_ids: Array) -> None:
        """Find the break of each value."""
        numbers, nulls = block.numbers(self.field_name, "FLOAT")
        values = numbers if nulls is None else np.where(nulls, np.float32(0), numbers)
        bins = np.searchsorted(np.array(self.breaks, dtype=np.float32), values)
        width = len(self.breaks) + 1
        state.counts += np.bincount(group_ids * width + bins, minlength=state.counts.size).reshape(-1, width)
        np.minimum.at(state.least, group_ids, values)
        np.maximum.at(state.greatest, group_ids, values)

    def merge(self, state: HistogramState, other: HistogramState, group_ids: Array) -> None:
        """Add the counts."""
        np.add.at(state.counts, group_ids, other.counts)
        np.minimum.at(state.least, group_ids, other.least)
        np.maximum.at(state.greatest, group_ids, other.greatest)

    def take(self, state: HistogramState, groups: Array) -> HistogramState:
        """These groups."""
        return HistogramState(state.counts[groups], state.least[groups], state.greatest[groups])

    def finalise(self, state: HistogramState) -> ObjectVector:
        """Objects of breaks, counts and quantiles. Raises, as Druid does, when there are no breaks."""
        if not self.breaks:
            error_class = "java.lang.NegativeArraySizeException"
            raise QueryException(QueryException.UNKNOWN, "-1", error_class=error_class)
        breaks = np.array(self.breaks, dtype=np.float32).astype(np.float64).tolist()
        inner = state.counts[:, 1:-1].astype(np.float64).tolist()
        ends = np.stack([state.least, state.greatest], axis=1).astype(np.float64).tolist()
        shown = [
            {"breaks": breaks, "counts": counts, "quantiles": quantiles}
            for counts, quantiles in zip(inner, ends, strict=True)
        ]
        return ObjectVector(self.intermediate_type, object_array(shown))

    def intermediate(self, state: HistogramState) -> ObjectVector:
        """As `to_wire`."""
        return ObjectVector(self.intermediate_type, object_array(self.to_wire(state)))

    def combining_factory(self) -> AggregatorFactory:
        """The histogram of the column of this name."""
        return HistogramAggregatorFactory(self.name, self.name, self.breaks)

    @property
    def _layout(self) -> struct.Struct:
        count = len(self.breaks)
        return struct.Struct(f">i{count}f{count + 1}qff")

    def to_wire(self, state: HistogramState) -> list[Any]:
        """Druid's bytes in base64."""
        ends = zip(state.least.tolist(), state.greatest.tolist(), strict=True)
        packed = (
            self._layout.pack(len(self.breaks), *self.breaks, *counts, *both)
            for counts, both in zip(state.counts.tolist(), ends, strict=True)
        )
        return [base64.b64encode(each).decode() for each in packed]

    def from_wire(self, values: Sequence[Any]) -> HistogramState:
        """Read such bytes, in base64 or as they are; null is a histogram of nothing."""
        state = self.init(len(values))
        for i, value in enumerate(values):
            if value is not None:
                raw = base64.b64decode(value) if isinstance(value, str) else value
                found = self._layout.unpack(raw)
                state.counts[i] = found[1 + len(self.breaks) : -2]
                state.least[i], state.greatest[i] = found[-2:]
        return state
