"""The spatial filter: texts of coordinates (``"48.85,2.35"``) within bounds, in the arithmetic of Java's floats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import extension_point, json_type
from nemeton.query.expressions.failures import failed
from nemeton.query.filters.base import PredicateFilter
from nemeton.query.numbers import parse_java_double
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_EARTH = 6371000.0


@extension_point(hook="spatial_bounds", name="spatial bound")
class Bound(ABC):
    """A part of space. `limit` is read as Druid reads it: it changes no answer."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """How many coordinates it is about."""

    @abstractmethod
    def contains(self, points: Array) -> Array:
        """A bool per row of float32 coordinates, of which there may be more than it is about.

        Raises Druid's failure for points of too few coordinates, but for those that are outside by what they have.
        """


def _too_few(points: Array) -> Exception:
    width = points.shape[1]
    return failed(f"Index {width} out of bounds for length {width}", "java.lang.ArrayIndexOutOfBoundsException")


def _floats(values: Sequence[Any]) -> Array:
    with np.errstate(over="ignore"):
        return np.array(values, dtype=np.float64).astype(np.float32)


@json_type("rectangular")
@frozen(kw_only=True)
class RectangularBound(Bound):
    """Between two corners, edges included."""

    min_coords: tuple[float, ...]
    max_coords: tuple[float, ...]
    limit: int = 0

    def __attrs_post_init__(self) -> None:
        if len(self.min_coords) != len(self.max_coords):
            raise invalid_input("minCoords and maxCoords have to be of one length")

    @property
    def dimensions(self) -> int:
        """Those of the corners."""
        return len(self.min_coords)

    def contains(self, points: Array) -> Array:
        """Not outside by any coordinate (a NaN is not)."""
        inside = np.ones(len(points), dtype=bool)
        for i, (low, high) in enumerate(zip(_floats(self.min_coords), _floats(self.max_coords), strict=True)):
            if i < points.shape[1]:
                inside &= ~((points[:, i] < low) | (points[:, i] > high))
            elif inside.any():
                raise _too_few(points)
        return inside


METERS = {"meters": 1.0, "miles": 1609.344, "kilometers": 1000.0}
EUCLIDEAN = "euclidean"


@json_type("radius")
@frozen(kw_only=True)
class RadiusBound(Bound):
    """No further than `radius` from `coords`: in a plane, or over the earth where the radius has a unit of length."""

    coords: tuple[float, ...]
    radius: float = 0.0
    limit: int = 0
    radius_unit: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.radius_unit not in (None, EUCLIDEAN, *METERS):
            raise invalid_input(
                f"Unknown radiusUnit [{self.radius_unit}]; known are [{', '.join([*METERS, EUCLIDEAN])}]"
            )

    @property
    def dimensions(self) -> int:
        """Those of the middle."""
        return len(self.coords)

    def contains(self, points: Array) -> Array:
        """By distance; nothing is within a bound of fewer than two coordinates, nor are such points."""
        if points.shape[1] < 2 or len(self.coords) < 2:
            return np.zeros(len(points), dtype=bool)
        radius = _floats([self.radius])[0]
        meters = METERS.get(self.radius_unit or EUCLIDEAN)
        if meters is not None:
            return np.asarray(self._over_earth(points) <= float(radius * np.float32(meters)))
        if points.shape[1] < len(self.coords):
            raise _too_few(points)
        with np.errstate(over="ignore", invalid="ignore"):
            apart = points[:, : len(self.coords)] - _floats(self.coords)
            return np.asarray((apart.astype(np.float64) ** 2).sum(axis=1) <= float(radius) ** 2)

    def _over_earth(self, points: Array) -> Array:
        """Metres along great circles; coordinates are degrees of latitude and longitude."""
        latitude, longitude = np.radians(_floats(self.coords).astype(np.float64))[:2]
        with np.errstate(invalid="ignore"):
            latitudes, longitudes = np.radians(points[:, :2].astype(np.float64)).T
            half = np.sin((latitudes - latitude) / 2) ** 2
            half = half + np.cos(latitude) * np.cos(latitudes) * np.sin((longitudes - longitude) / 2) ** 2
            return np.asarray(_EARTH * 2 * np.arctan2(np.sqrt(half), np.sqrt(1 - half)))


@json_type("polygon")
@frozen(kw_only=True)
class PolygonBound(Bound):
    """Within a polygon of three corners or more, or on its edge."""

    abscissa: tuple[float, ...]
    ordinate: tuple[float, ...]
    limit: int = 0

    def __attrs_post_init__(self) -> None:
        if len(self.abscissa) != len(self.ordinate) or len(self.abscissa) < 3:
            raise invalid_input("abscissa and ordinate have to be of one length, and of three corners at least")

    @property
    def dimensions(self) -> int:
        """Two."""
        return 2

    def contains(self, points: Array) -> Array:
        """By how many edges are to the left."""
        if points.shape[1] < 2:
            if len(points):
                raise _too_few(points)
            return np.zeros(0, dtype=bool)
        x, y = points[:, 0], points[:, 1]
        xs, ys = _floats(self.abscissa), _floats(self.ordinate)
        on_edge = np.zeros(len(points), dtype=bool)
        odd = np.zeros(len(points), dtype=bool)
        with np.errstate(all="ignore"):
            for i in range(len(xs)):
                j = i - 1
                on_edge |= (x == xs[i]) & (y == ys[i])
                on_edge |= (ys[i] == ys[j]) & (y == ys[j]) & _between(xs[i], xs[j], x)
                crossed = xs[i] + (y - ys[i]) / (ys[j] - ys[i]) * (xs[j] - xs[i])
                beside = _between(ys[i], ys[j], y) & ((xs[j] <= x) | (xs[i] <= x))
                on_edge |= beside & (crossed == x)
                odd ^= beside & (crossed < x)
        return on_edge | odd


def _between(one: Any, other: Any, values: Array) -> Array:
    return np.asarray((values >= min(one, other)) & (values <= max(one, other)))


@frozen
class FilterTuning:
    """Whether a filter may go by indexes."""

    use_bitmap_index: bool | None = None


@json_type("spatial")
@frozen
class SpatialDimFilter(PredicateFilter):
    """Coordinates within a bound. A text that is none is not within; Druid's spatial dimensions hold such texts."""

    dimension: str
    bound: Bound
    filter_tuning: FilterTuning | None = field(default=None)

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """By value; a spatial dimension of Druid answers by its tree, which knows no unknown."""
        dimensions = self._tree_dimensions(block)
        if dimensions and dimensions != self.bound.dimensions:
            return np.zeros(block.num_rows, dtype=bool)
        return super().matches(block, include_unknown and not dimensions)

    def _tree_dimensions(self, block: Block) -> int:
        source: Any = getattr(block, "source", None)
        if source is None or self.dimension in source.virtual_columns:
            return 0
        if self.filter_tuning is not None and self.filter_tuning.use_bitmap_index is False:
            return 0
        return getattr(source.column(self.dimension), "spatial_dimensions", 0)

    def match_strings(self, values: Sequence[str]) -> Array:
        """Texts of one number of coordinates at a time."""
        out = np.zeros(len(values), dtype=bool)
        by_width: dict[int, list[int]] = {}
        decoded = [_decode(value) for value in values]
        for place, point in enumerate(decoded):
            if point is not None:
                by_width.setdefault(len(point), []).append(place)
        for places in by_width.values():
            out[places] = self.bound.contains(_floats([decoded[place] for place in places]))
        return out

    def match_numbers(self, values: Array, type_name: str) -> Array:
        """A number is no point."""
        return np.zeros(len(values), dtype=bool)

    def match_object(self, value: Any) -> bool:
        """Nor is a document; Druid asks no arrays."""
        if isinstance(value, list):
            raise failed("Predicate does not support ARRAY types", "org.apache.druid.java.util.common.UOE")
        return False


def _decode(text: str) -> list[float] | None:
    """The coordinates of a text, or None."""
    point = [parse_java_double(part) for part in text.split(",")]
    return None if None in point else [value for value in point if value is not None]
