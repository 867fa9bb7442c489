"""Post-aggregators of HLL sketches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.vectors import object_array
from nemeton.spi.query import PostAggregator
from nemeton_datasketches.hll import HllState, library_sketch
from nemeton_datasketches.hll_aggregators import DEFAULT_LG_K, check_settings, rounded
from nemeton_datasketches.hll_array import TYPES
from nemeton_datasketches.posts import MultiPostAggregator, UnaryPostAggregator, sketch_vector, sketches_of
from nemeton_datasketches.texts import hll_text

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import ResultTable


def estimate_of(blob: bytes | None) -> float:
    """The estimate of a sketch; 0 for none."""
    return float(library_sketch(blob).get_estimate()) if blob else 0.0


def estimate_with_bounds(blob: bytes | None, num_std_dev: int) -> list[float]:
    """Estimate, lower and upper bound."""
    if num_std_dev not in (1, 2, 3):
        raise invalid_input("NumStdDev may not be less than 1 or greater than 3.")
    if not blob:
        return [0.0, 0.0, 0.0]
    sketch = library_sketch(blob)
    return [sketch.get_estimate(), sketch.get_lower_bound(num_std_dev), sketch.get_upper_bound(num_std_dev)]


@json_type("HLLSketchEstimate")
@frozen
class HllSketchToEstimatePostAggregator(UnaryPostAggregator):
    """The estimate of each sketch."""

    field: PostAggregator
    name: str | None = None
    round: bool = False

    def compute(self, table: ResultTable) -> AnyVector:
        """DOUBLE, or LONG when rounded."""
        estimates = [self.of(blob) for blob in self.blobs(table)]
        return rounded(np.array(estimates, dtype=np.float64), self.round)

    def of(self, blob: bytes | None) -> float:
        """The estimate."""
        return estimate_of(blob)


@json_type("HLLSketchEstimateWithBounds")
@frozen
class HllSketchToEstimateWithBoundsPostAggregator(UnaryPostAggregator):
    """Estimate, lower and upper bound of each sketch, for 1, 2 or 3 standard deviations."""

    field: PostAggregator
    name: str | None = None
    num_std_dev: int = 1
    result_kind = "ARRAY<DOUBLE>"

    def of(self, blob: bytes | None) -> list[float]:
        """The three numbers."""
        return estimate_with_bounds(blob, self.num_std_dev)


@json_type("HLLSketchToString")
@frozen
class HllSketchToStringPostAggregator(UnaryPostAggregator):
    """The Java library's summary of each sketch."""

    field: PostAggregator
    name: str | None = None
    result_kind = "STRING"

    def of(self, blob: bytes | None) -> str:
        """The text."""
        return "Null Sketch" if blob is None else hll_text(blob)


@json_type("HLLSketchUnion")
@frozen
class HllSketchUnionPostAggregator(MultiPostAggregator):
    """The union of the sketches of several fields."""

    fields: tuple[PostAggregator, ...]
    name: str | None = None
    lg_k: int = DEFAULT_LG_K
    tgt_hll_type: str = "HLL_4"

    def __attrs_post_init__(self) -> None:
        check_settings(self.lg_k, self.tgt_hll_type)

    def compute(self, table: ResultTable) -> AnyVector:
        """The united sketches."""
        state = HllState(table.num_rows, self.lg_k)
        for item in self.fields:
            state.merge_blobs(np.arange(table.num_rows), object_array(sketches_of(item, table)))
        return sketch_vector(ColumnType.complex("HLLSketchMerge"), state.to_bytes(TYPES[self.tgt_hll_type]))
