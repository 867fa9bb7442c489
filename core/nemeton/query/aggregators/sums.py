"""Sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.plugins import json_type
from nemeton.query import kernels
from nemeton.query.aggregators.base import NumericAggregator, NumericState
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.spi.query import Block


class _Sum(NumericAggregator):
    def combine(self, state: NumericState, group_ids: Array, values: Array, nulls: Array | None) -> None:
        kernels.add(state.values, state.seen, group_ids, values, nulls)

    def aggregate_run(self, state: NumericState, block: Block, group_id: int) -> None:
        """Sum without going through groups."""
        values, nulls = self.input(block)
        if nulls is not None:
            values = values[~nulls]
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                state.values[group_id] = self.total(state.values[group_id], values)
            state.seen[group_id] = True

    def total(self, start: Any, values: Array) -> Any:
        """The start plus all values."""
        return start + values.sum(dtype=values.dtype)


@json_type("longSum")
@frozen(kw_only=True)
class LongSumAggregatorFactory(_Sum):
    """Sum of longs, wrapping as Java's does."""

    number_type = "LONG"
    kernel = "add"


@json_type("doubleSum")
@frozen(kw_only=True)
class DoubleSumAggregatorFactory(_Sum):
    """Sum of doubles."""

    number_type = "DOUBLE"
    kernel = "add"


@json_type("floatSum")
@frozen(kw_only=True)
class FloatSumAggregatorFactory(_Sum):
    """Sum of floats, in floats, one after another: that is how Druid rounds."""

    number_type = "FLOAT"

    def total(self, start: Any, values: Array) -> Any:
        """The last of the running sums."""
        return np.cumsum(np.append(np.float32(start), values), dtype=np.float32)[-1]
