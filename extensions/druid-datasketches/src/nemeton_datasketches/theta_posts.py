"""Post-aggregators of theta sketches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.spi.query import PostAggregator
from nemeton_datasketches.base import check_power_of_2
from nemeton_datasketches.posts import (
    ConstantPostAggregator,
    MultiPostAggregator,
    UnaryPostAggregator,
    check_fields,
    sketch_vector,
)
from nemeton_datasketches.texts import theta_text
from nemeton_datasketches.theta import EMPTY, MAX_THETA, ThetaSketch
from nemeton_datasketches.theta_aggregators import DEFAULT_SIZE, with_error_bounds

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import ResultTable

_MERGE_TYPE = ColumnType.complex("thetaSketchMerge")


@json_type("thetaSketchEstimate", "sketchEstimate")
@frozen
class SketchEstimatePostAggregator(UnaryPostAggregator):
    """The estimate of each sketch, with bounds if they are asked for."""

    field: PostAggregator
    name: str | None = None
    error_bounds_std_dev: int | None = None

    def kind(self) -> str:
        """As Druid says."""
        return "DOUBLE" if self.error_bounds_std_dev is None else str(_MERGE_TYPE)

    def of(self, blob: bytes | None) -> Any:
        """A number, or an object with the bounds."""
        if self.error_bounds_std_dev is not None:
            return with_error_bounds(blob or EMPTY, self.error_bounds_std_dev)
        return ThetaSketch.read(blob).estimate


@json_type("thetaSketchSetOp", "sketchSetOper")
@frozen
class SketchSetPostAggregator(MultiPostAggregator):
    """UNION, INTERSECT or NOT (the first without the others) of sketches."""

    func: str
    fields: tuple[PostAggregator, ...]
    name: str | None = None
    size: int = DEFAULT_SIZE

    def __attrs_post_init__(self) -> None:
        if self.func not in _OPERATIONS:
            raise invalid_input(
                "No enum constant org.apache.druid.query.aggregation.datasketches.theta.SketchHolder.Func." + self.func
            )
        check_power_of_2(self.size, "size")
        check_fields(self.fields)

    def compute(self, table: ResultTable) -> AnyVector:
        """The resulting sketches."""
        rows = [[ThetaSketch.read(blob) for blob in row] for row in self.rows(table)]
        return sketch_vector(_MERGE_TYPE, [_OPERATIONS[self.func](row, self.size).to_bytes() for row in rows])


def _union(sketches: list[ThetaSketch], size: int) -> ThetaSketch:
    theta = min(sketch.theta for sketch in sketches)
    hashes = np.unique(np.concatenate([sketch.hashes for sketch in sketches]))
    hashes = hashes[hashes < theta]
    if len(hashes) > size:
        theta, hashes = int(hashes[size]), hashes[:size]
    return ThetaSketch(theta, hashes, all(sketch.is_empty for sketch in sketches))


def _intersect(sketches: list[ThetaSketch], size: int) -> ThetaSketch:
    if any(sketch.is_empty for sketch in sketches):
        return ThetaSketch.read(None)
    hashes = sketches[0].hashes
    for other in sketches[1:]:
        hashes = np.intersect1d(hashes, other.hashes, assume_unique=True)
    return _below(min(sketch.theta for sketch in sketches), hashes)


def _without(sketches: list[ThetaSketch], size: int) -> ThetaSketch:
    if sketches[0].is_empty:
        return sketches[0]
    hashes = sketches[0].hashes
    for other in sketches[1:]:
        hashes = np.setdiff1d(hashes, other.hashes, assume_unique=True)
    return _below(min(sketch.theta for sketch in sketches), np.sort(hashes))


def _below(theta: int, hashes: Any) -> ThetaSketch:
    hashes = hashes[hashes < theta]
    return ThetaSketch(theta, hashes, theta == MAX_THETA and not len(hashes))


_OPERATIONS = {"UNION": _union, "INTERSECT": _intersect, "NOT": _without}


@json_type("thetaSketchConstant")
@frozen
class SketchConstantPostAggregator(ConstantPostAggregator):
    """The same theta sketch everywhere."""

    value: str
    name: str | None = None

    sketch_type = ColumnType.complex("thetaSketchBuild")

    def check(self, blob: bytes | None) -> None:
        """Read it."""
        ThetaSketch.read(blob)


@json_type("thetaSketchToString")
@frozen
class SketchToStringPostAggregator(UnaryPostAggregator):
    """The Java library's summary of each sketch."""

    field: PostAggregator
    name: str | None = None
    result_kind = "STRING"

    def of(self, blob: bytes | None) -> str:
        """The text."""
        return theta_text(blob or EMPTY)
