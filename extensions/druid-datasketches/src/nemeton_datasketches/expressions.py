"""The functions of sketches in Druid's expression language.

What is no sketch fails the query as in Druid: as a fault of the run (500), not as bad input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.common.errors import DruidException, QueryException, invalid_input
from nemeton.plugins import json_type
from nemeton.spi.query import ExpressionFunction
from nemeton_datasketches.base import InvalidSketch, decode
from nemeton_datasketches.hll_posts import estimate_of, estimate_with_bounds
from nemeton_datasketches.theta import EMPTY, ThetaSketch
from nemeton_datasketches.theta_aggregators import with_error_bounds

if TYPE_CHECKING:
    from nemeton.spi.query import FunctionArgument

Values = tuple[str, Sequence[Any]]


def each(sketches: FunctionArgument, count: int, value: Callable[[bytes | None], Any]) -> list[Any]:
    """A value for each row, each distinct sketch looked at once."""
    known: dict[Any, Any] = {}
    blobs = sketches.objects() * (count if sketches.is_constant else 1)
    for blob in blobs:
        if blob not in known:
            known[blob] = _told(blob, value)
    return [known[blob] for blob in blobs]


def _told(blob: Any, value: Callable[[bytes | None], Any]) -> Any:
    """The value of a sketch; raises what Druid does for what is none, with the name of Java's exception."""
    try:
        sketch = decode(blob)
    except DruidException as error:
        raise _failed(error.message, "java.lang.IllegalArgumentException") from None
    try:
        return value(sketch)
    except InvalidSketch as error:
        raise _failed(error.message, "org.apache.datasketches.common.SketchesArgumentException") from None


def _failed(message: str, error_class: str) -> QueryException:
    return QueryException(QueryException.UNKNOWN, message, error_class=error_class)


def refuse_texts(sketches: FunctionArgument) -> None:
    """Raise where a function reads a column of theta sketches only: of HLL sketches it takes base64, too."""
    if sketches.type in ("STRING", "LONG", "DOUBLE") and any(value is not None for value in sketches.objects()):
        raise _failed("requires a ThetaSketch as the argument", "java.lang.IllegalArgumentException")


def constant(args: Sequence[FunctionArgument], place: int, default: Any) -> Any:
    """The value of an optional argument, which has to be the same for all rows."""
    if place >= len(args):
        return default
    if not args[place].is_constant:
        raise invalid_input("The options of a function of sketches have to be constants")
    return args[place].objects()[0]


@json_type("hll_sketch_estimate")
class HllSketchEstimateFunction(ExpressionFunction):
    """`hll_sketch_estimate(sketch, round)`: the estimate, 0 for null."""

    arguments = (1, 2)

    def apply(self, args: Sequence[FunctionArgument], count: int) -> Values:
        """See `ExpressionFunction`."""
        do_round = bool(constant(args, 1, False))
        estimates = each(args[0], count, estimate_of)
        return "DOUBLE", [float(math.floor(value + 0.5)) for value in estimates] if do_round else estimates


@json_type("hll_sketch_estimate_with_error_bounds")
class HllSketchEstimateWithErrorBoundsFunction(ExpressionFunction):
    """`hll_sketch_estimate_with_error_bounds(sketch, numStdDev)`: estimate, lower and upper bound."""

    arguments = (1, 2)

    def apply(self, args: Sequence[FunctionArgument], count: int) -> Values:
        """See `ExpressionFunction`."""
        num_std_dev = int(constant(args, 1, 1))
        return "ARRAY<DOUBLE>", each(args[0], count, lambda blob: estimate_with_bounds(blob, num_std_dev))


@json_type("theta_sketch_estimate")
class ThetaSketchEstimateFunction(ExpressionFunction):
    """`theta_sketch_estimate(sketch)`: the estimate, null for null."""

    arguments = (1, 1)

    def apply(self, args: Sequence[FunctionArgument], count: int) -> Values:
        """See `ExpressionFunction`."""
        refuse_texts(args[0])
        return "DOUBLE", each(args[0], count, lambda blob: None if blob is None else ThetaSketch.read(blob).estimate)


@json_type("theta_sketch_estimate_with_error_bounds")
class ThetaSketchEstimateWithErrorBoundsFunction(ExpressionFunction):
    """`theta_sketch_estimate_with_error_bounds(sketch, numStdDev)`: an object of the estimate and its bounds."""

    arguments = (2, 2)

    def apply(self, args: Sequence[FunctionArgument], count: int) -> Values:
        """See `ExpressionFunction`."""
        num_std_dev = int(constant(args, 1, 1))
        bounds = each(args[0], count, lambda blob: with_error_bounds(blob or EMPTY, num_std_dev))
        return "COMPLEX<thetaSketchMerge>", bounds
