"""What post-aggregators of the three kinds of quantiles sketches do. `quantiles_types` gives them their names."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.spi.query import PostAggregator
from nemeton_datasketches.posts import UnaryPostAggregator
from nemeton_datasketches.quantiles import QuantilesKind
from nemeton_datasketches.texts import quantiles_text

DEFAULT_NUM_BINS = 10


class QuantilesPostAggregator(UnaryPostAggregator):
    """A value of each sketch; `of_empty` says which one an empty sketch has."""

    sketch_kind: ClassVar[QuantilesKind]

    def of(self, blob: bytes | None) -> Any:
        """The value of a sketch as bytes."""
        sketch = self.sketch_kind.read(blob) if blob else None
        return self.of_empty() if sketch is None or sketch.is_empty() else self.of_sketch(sketch)

    def of_empty(self) -> Any:
        """NaN."""
        return math.nan

    def of_sketch(self, sketch: Any) -> Any:
        """The value of the library's sketch."""
        raise NotImplementedError


@frozen
class ToQuantile(QuantilesPostAggregator):
    """The value below or at which the fraction of all values is."""

    field: PostAggregator
    name: str | None = None
    fraction: float = 0.0

    def of_sketch(self, sketch: Any) -> float:
        """One value."""
        check_fractions([self.fraction])
        return float(sketch.get_quantile(self.fraction, inclusive=True))


@frozen
class ToQuantiles(QuantilesPostAggregator):
    """As `ToQuantile` for several fractions."""

    field: PostAggregator
    fractions: tuple[float, ...]
    name: str | None = None
    result_kind = "ARRAY<DOUBLE>"

    def of_empty(self) -> list[float]:
        """NaN for each."""
        return [math.nan] * len(self.fractions)

    def of_sketch(self, sketch: Any) -> list[float]:
        """A value for each."""
        check_fractions(self.fractions)
        return list(sketch.get_quantiles(list(self.fractions), inclusive=True))


@frozen
class ToRank(QuantilesPostAggregator):
    """The fraction of values that are below or at this one."""

    field: PostAggregator
    name: str | None = None
    value: float = 0.0

    def of_sketch(self, sketch: Any) -> float:
        """The fraction."""
        return float(sketch.get_rank(self.value, inclusive=True))


@frozen
class ToCDF(QuantilesPostAggregator):
    """The fractions of values up to each split point, and 1."""

    field: PostAggregator
    split_points: tuple[float, ...]
    name: str | None = None
    result_kind = "ARRAY<DOUBLE>"

    def of_empty(self) -> list[float]:
        """NaN for each."""
        return [math.nan] * (len(self.split_points) + 1)

    def of_sketch(self, sketch: Any) -> list[float]:
        """The fractions."""
        check_split_points(self.split_points)
        return list(sketch.get_cdf(list(self.split_points), inclusive=True))


@frozen
class ToHistogram(QuantilesPostAggregator):
    """How many values are between the split points, or in bins of equal width from the least to the greatest value."""

    field: PostAggregator
    name: str | None = None
    split_points: tuple[float, ...] | None = None
    num_bins: int | None = None
    result_kind = "ARRAY<DOUBLE>"

    def __attrs_post_init__(self) -> None:
        if self.split_points is not None and self.num_bins is not None:
            raise invalid_input("Cannot accept both 'splitPoints' and 'numBins'")

    @property
    def bins(self) -> int:
        """How many there are."""
        bins = DEFAULT_NUM_BINS if self.num_bins is None else self.num_bins
        bins = bins if self.split_points is None else len(self.split_points) + 1
        if bins < 2:
            raise invalid_input("at least 2 bins expected")
        return bins

    def of_empty(self) -> list[float]:
        """NaN for each bin."""
        return [math.nan] * self.bins

    def of_sketch(self, sketch: Any) -> list[float]:
        """The counts."""
        bins, points = self.bins, self.split_points
        if points is None:
            low, high = sketch.get_min_value(), sketch.get_max_value()
            if low == high:
                return [float(sketch.n)] + [0.0] * (bins - 1)
            points = tuple(low + (high - low) / bins * (i + 1) for i in range(bins - 1))
        check_split_points(points)
        return [part * sketch.n for part in sketch.get_pmf(list(points), inclusive=True)]


@frozen
class ToText(QuantilesPostAggregator):
    """The Java library's summary of each sketch."""

    field: PostAggregator
    name: str | None = None
    result_kind = "STRING"

    def of_empty(self) -> str:
        """The summary of an empty sketch."""
        return quantiles_text(self.sketch_kind, self.sketch_kind.sketch())

    def of_sketch(self, sketch: Any) -> str:
        """The text."""
        return quantiles_text(self.sketch_kind, sketch)


def check_fractions(fractions: Any) -> None:
    """Refuse what is no fraction."""
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise invalid_input(f"A normalized rank must be >= 0 and <= 1.0: {fraction}")


def check_split_points(points: tuple[float, ...]) -> None:
    """They have to ascend."""
    if any(math.isnan(point) for point in points) or any(a >= b for a, b in itertools.pairwise(points)):
        raise invalid_input("Values must be unique, monotonically increasing and not NaN.")
