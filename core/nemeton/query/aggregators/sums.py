"""Sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
                state.values[group_id] += values.sum(dtype=state.values.dtype)
            state.seen[group_id] = True


@json_type("longSum")
@frozen(kw_only=True)
class LongSumAggregatorFactory(_Sum):
    """Sum of longs, wrapping as Java's does."""

    number_type = "LONG"


@json_type("doubleSum")
@frozen(kw_only=True)
class DoubleSumAggregatorFactory(_Sum):
    """Sum of doubles."""

    number_type = "DOUBLE"


@json_type("floatSum")
@frozen(kw_only=True)
class FloatSumAggregatorFactory(_Sum):
    """Sum of floats, in floats."""

    number_type = "FLOAT"
