"""Minimum and maximum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.plugins import json_type
from nemeton.query import kernels
from nemeton.query.aggregators.base import NumericAggregator, NumericState
from nemeton.query.numbers import LONG_MAX, LONG_MIN
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.spi.query import Block


class _Extreme(NumericAggregator):
    largest = False

    def combine(self, state: NumericState, group_ids: Array, values: Array, nulls: Array | None) -> None:
        (kernels.maximum if self.largest else kernels.minimum)(state.values, state.seen, group_ids, values, nulls)

    def aggregate_run(self, state: NumericState, block: Block, group_id: int) -> None:
        """Without going through groups."""
        values, nulls = self.input(block)
        if nulls is not None:
            values = values[~nulls]
        if len(values):
            pick: Any = np.maximum if self.largest else np.minimum
            state.values[group_id] = pick(state.values[group_id], values.max() if self.largest else values.min())
            state.seen[group_id] = True


@json_type("longMin")
@frozen(kw_only=True)
class LongMinAggregatorFactory(_Extreme):
    """The smallest long."""

    number_type = "LONG"
    identity = LONG_MAX
    kernel = "minimum"


@json_type("longMax")
@frozen(kw_only=True)
class LongMaxAggregatorFactory(_Extreme):
    """The largest long."""

    number_type = "LONG"
    identity = LONG_MIN
    kernel = "maximum"
    largest = True


@json_type("doubleMin")
@frozen(kw_only=True)
class DoubleMinAggregatorFactory(_Extreme):
    """The smallest double."""

    number_type = "DOUBLE"
    identity = math.inf
    kernel = "minimum"


@json_type("doubleMax")
@frozen(kw_only=True)
class DoubleMaxAggregatorFactory(_Extreme):
    """The largest double."""

    number_type = "DOUBLE"
    identity = -math.inf
    kernel = "maximum"
    largest = True


@json_type("floatMin")
@frozen(kw_only=True)
class FloatMinAggregatorFactory(_Extreme):
    """The smallest float."""

    number_type = "FLOAT"
    identity = math.inf


@json_type("floatMax")
@frozen(kw_only=True)
class FloatMaxAggregatorFactory(_Extreme):
    """The largest float."""

    number_type = "FLOAT"
    identity = -math.inf
    largest = True
