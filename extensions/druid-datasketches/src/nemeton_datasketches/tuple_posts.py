"""Post-aggregators of tuple sketches."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.vectors import AnyVector, vector_from_list
from nemeton.spi.query import PostAggregator
from nemeton_datasketches import statistics
from nemeton_datasketches.base import check_power_of_2
from nemeton_datasketches.posts import (
    ConstantPostAggregator,
    MultiPostAggregator,
    UnaryPostAggregator,
    check_fields,
    sketch_vector,
)
from nemeton_datasketches.quantiles import DOUBLES
from nemeton_datasketches.texts import tuple_text
from nemeton_datasketches.tuple_aggregators import DEFAULT_NOMINAL_ENTRIES
from nemeton_datasketches.tuples import TupleSketch, intersected, united, without

if TYPE_CHECKING:
    from nemeton.spi.query import ResultTable

_MERGE_TYPE = ColumnType.complex("arrayOfDoublesSketchMerge")
_OPERATIONS = ("UNION", "INTERSECT", "NOT")


class TuplePostAggregator(UnaryPostAggregator):
    """A value of each tuple sketch."""

    def of(self, blob: bytes | None) -> Any:
        """The value of a sketch as bytes."""
        return self.of_sketch(TupleSketch.read(blob))

    def of_sketch(self, sketch: TupleSketch) -> Any:
        """The value of a sketch."""
        raise NotImplementedError


@json_type("arrayOfDoublesSketchToEstimate")
@frozen
class ArrayOfDoublesSketchToEstimatePostAggregator(TuplePostAggregator):
    """The estimated number of distinct keys."""

    field: PostAggregator
    name: str | None = None

    def of_sketch(self, sketch: TupleSketch) -> float:
        """The estimate."""
        return sketch.estimate


@json_type("arrayOfDoublesSketchToEstimateAndBounds")
@frozen
class ArrayOfDoublesSketchToEstimateAndBoundsPostAggregator(TuplePostAggregator):
    """Estimate, lower and upper bound, for 1, 2 or 3 standard deviations."""

    field: PostAggregator
    name: str | None = None
    num_std_devs: int = 1
    result_kind = "ARRAY<DOUBLE>"

    def of_sketch(self, sketch: TupleSketch) -> list[float]:
        """The three numbers."""
        if self.num_std_devs not in (1, 2, 3):
            raise invalid_input(f"numStdDev can only be the values 1, 2 or 3: {self.num_std_devs}")
        return [sketch.estimate, *sketch.bounds(self.num_std_devs)]


@json_type("arrayOfDoublesSketchToNumEntries")
@frozen
class ArrayOfDoublesSketchToNumEntriesPostAggregator(TuplePostAggregator):
    """How many keys the sketch holds."""

    field: PostAggregator
    name: str | None = None
    result_kind = "LONG"

    def of_sketch(self, sketch: TupleSketch) -> int:
        """The number."""
        return len(sketch.hashes)


@json_type("arrayOfDoublesSketchToMeans")
@frozen
class ArrayOfDoublesSketchToMeansPostAggregator(TuplePostAggregator):
    """The mean of each of the values over the keys that the sketch holds."""

    field: PostAggregator
    name: str | None = None
    result_kind = "ARRAY<DOUBLE>"

    def of_sketch(self, sketch: TupleSketch) -> list[float]:
        """One for each value."""
        return [statistics.mean(column) for column in sketch.values.T]


@json_type("arrayOfDoublesSketchToVariances")
@frozen
class ArrayOfDoublesSketchToVariancesPostAggregator(TuplePostAggregator):
    """The variance of each of the values over the keys that the sketch holds."""

    field: PostAggregator
    name: str | None = None
    result_kind = "ARRAY<DOUBLE>"

    def of_sketch(self, sketch: TupleSketch) -> list[float]:
        """One for each value."""
        return [statistics.variance(column) for column in sketch.values.T]


@json_type("arrayOfDoublesSketchToMetricsSumEstimate")
@frozen
class ArrayOfDoublesSketchToMetricsSumEstimatePostAggregator(TuplePostAggregator):
    """The estimated sum of each of the values over all keys."""

    field: PostAggregator
    name: str | None = None
    result_kind = "ARRAY<DOUBLE>"

    def of_sketch(self, sketch: TupleSketch) -> list[float]:
        """One for each value."""
        return [float(column.sum()) / sketch.sampled for column in sketch.values.T]


@json_type("arrayOfDoublesSketchToQuantilesSketch")
@frozen
class ArrayOfDoublesSketchToQuantilesSketchPostAggregator(TuplePostAggregator):
    """A quantiles sketch (classic, of doubles) of one of the values; columns count from 1."""

    field: PostAggregator
    name: str | None = None
    column: int = 1
    k: int = 128

    def __attrs_post_init__(self) -> None:
        check_power_of_2(self.k, "k")

    def compute(self, table: ResultTable) -> AnyVector:
        """The sketches."""
        blobs = [self.of(blob) for blob in self.blobs(table)]
        return sketch_vector(ColumnType.complex(DOUBLES.name), blobs)

    def of_sketch(self, sketch: TupleSketch) -> bytes:
        """As bytes."""
        if not 1 <= self.column <= sketch.num_values:
            raise invalid_input(f"column [{self.column}] of a sketch with [{sketch.num_values}] values")
        quantiles = DOUBLES.sketch(self.k)
        quantiles.update(np.ascontiguousarray(sketch.values[:, self.column - 1]))
        return DOUBLES.write(quantiles)


@json_type("arrayOfDoublesSketchToString")
@frozen
class ArrayOfDoublesSketchToStringPostAggregator(TuplePostAggregator):
    """The Java library's summary of each sketch."""

    field: PostAggregator
    name: str | None = None
    result_kind = "STRING"

    def of_sketch(self, sketch: TupleSketch) -> str:
        """The text."""
        return tuple_text(sketch)


@json_type("arrayOfDoublesSketchToBase64String")
@frozen
class ArrayOfDoublesSketchToBase64StringPostAggregator(TuplePostAggregator):
    """The sketch's bytes in base64."""

    field: PostAggregator
    name: str | None = None
    result_kind = "STRING"

    def of_sketch(self, sketch: TupleSketch) -> str:
        """The text."""
        return base64.b64encode(sketch.to_bytes()).decode()


@json_type("arrayOfDoublesSketchConstant")
@frozen
class ArrayOfDoublesSketchConstantPostAggregator(ConstantPostAggregator):
    """The same tuple sketch everywhere."""

    value: str
    name: str | None = None

    sketch_type = _MERGE_TYPE

    def check(self, blob: bytes | None) -> None:
        """Read it."""
        TupleSketch.read(blob)


@json_type("arrayOfDoublesSketchSetOp")
@frozen
class ArrayOfDoublesSketchSetOpPostAggregator(MultiPostAggregator):
    """UNION, INTERSECT (values added up) or NOT (the first without the others) of sketches."""

    operation: str
    fields: tuple[PostAggregator, ...]
    name: str | None = None
    nominal_entries: int = DEFAULT_NOMINAL_ENTRIES
    number_of_values: int = 1

    def __attrs_post_init__(self) -> None:
        if self.operation not in _OPERATIONS:
            raise invalid_input(f"Unknown operation [{self.operation}], must be one of {', '.join(_OPERATIONS)}")
        check_power_of_2(self.nominal_entries, "size")
        check_fields(self.fields)

    def compute(self, table: ResultTable) -> AnyVector:
        """The resulting sketches."""
        return sketch_vector(_MERGE_TYPE, [self._apply(row).to_bytes() for row in self.rows(table)])

    def _apply(self, blobs: tuple[bytes | None, ...]) -> TupleSketch:
        sketches = [TupleSketch.read(blob, self.number_of_values) for blob in blobs]
        if self.operation == "NOT":
            check_values(sketches, sketches[0].num_values)
            return without(sketches)
        check_values(sketches, self.number_of_values)
        if self.operation == "UNION":
            return united(sketches, self.nominal_entries, self.number_of_values)
        return intersected(sketches, self.number_of_values)


@json_type("arrayOfDoublesSketchTTest")
@frozen
class ArrayOfDoublesSketchTTestPostAggregator(MultiPostAggregator):
    """Student's t-test of two sketches: for each value the p value that the means are equal."""

    fields: tuple[PostAggregator, ...]
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.fields) != 2:
            raise invalid_input(f"Illegal number of fields[{len(self.fields)}], must be 2")

    def compute(self, table: ResultTable) -> AnyVector:
        """The p values."""
        return vector_from_list("ARRAY<DOUBLE>", [self._test(row) for row in self.rows(table)])

    def _test(self, blobs: tuple[bytes | None, ...]) -> list[float]:
        one, other = (TupleSketch.read(blob) for blob in blobs)
        if one.num_values != other.num_values:
            raise invalid_input(f"Sketches have different number of values: {one.num_values} and {other.num_values}")
        return [statistics.t_test(*columns) for columns in zip(one.values.T, other.values.T, strict=True)]


def check_values(sketches: list[TupleSketch], number_of_values: int) -> None:
    """Only sketches with the same number of values go together."""
    for sketch in sketches:
        if sketch.num_values != number_of_values:
            raise invalid_input(
                f"Incompatible sketches: number of values mismatch {number_of_values} and {sketch.num_values}"
            )
