"""The dimensions of a data source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.model import ColumnType

_TYPES = ("string", "long", "float", "double", "auto", "json")
_LATER = ("spatial",)
_FORMAT_VERSION = 5
_NO_HANDLING = {"multiValueHandling": "SORTED_ARRAY"}
_VALUE_TYPES = ("auto", "json")


class MultiValueHandling(StrEnum):
    """What is done to the values of one row: sort, sort and drop doubles, nothing."""

    SORTED_ARRAY = "SORTED_ARRAY"
    SORTED_SET = "SORTED_SET"
    ARRAY = "ARRAY"


@frozen
class DimensionSchema:
    """A dimension; in JSON its bare name stands for a string dimension."""

    name: str
    type: str = "string"
    multi_value_handling: MultiValueHandling = MultiValueHandling.SORTED_ARRAY
    create_bitmap_index: bool = True
    cast_to: ColumnType | None = None

    @property
    def column_type(self) -> str:
        """``STRING``, ``LONG``, ``FLOAT`` or ``DOUBLE``; ``AUTO`` for values of any type (`auto`, `json`)."""
        return "AUTO" if self.type in _VALUE_TYPES else self.type.upper()

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> DimensionSchema:
        """From a name or an object; what is known to Druid and not here yet is refused as unsupported."""
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, Mapping):
            raise invalid_input(f"dimensions: a name or an object is expected, not [{value}]")
        name, kind = value.get("name"), str(value.get("type") or "string").lower()
        if not isinstance(name, str):
            raise invalid_input(f"dimensions: name is required in [{dict(value)}]")
        if kind in _LATER:
            raise unsupported(f"dimension[{name}]: type[{kind}] is not supported, use one of {list(_TYPES)}")
        if kind not in _TYPES:
            raise invalid_input(f"dimension[{name}]: unknown type[{kind}], known are {[*_TYPES, *_LATER]}")
        if value.get("maxStringLength") is not None:
            raise unsupported(f"dimension[{name}]: maxStringLength is not supported yet")
        if kind in _VALUE_TYPES:
            return cls(name, kind, cast_to=_cast(value, name) if kind == "auto" else None)
        return cls(name, kind, _handling(value, name), bool(value.get("createBitmapIndex", kind == "string")))

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        if self.type in _VALUE_TYPES:
            own: dict[str, Any] = {"formatVersion": _FORMAT_VERSION} if self.type == "json" else {}
            if self.cast_to is not None:
                own = {"castToType": str(self.cast_to)}
            return {"type": self.type, "name": self.name, **_NO_HANDLING, "createBitmapIndex": True, **own}
        return {
            "type": self.type,
            "name": self.name,
            "multiValueHandling": str(self.multi_value_handling),
            "createBitmapIndex": self.create_bitmap_index and self.type == "string",
        }


def _cast(value: Mapping[str, Any], name: str) -> ColumnType | None:
    """The type that an `auto` dimension is to have; as in Druid floats are doubles, and `COMPLEX<json>` is none."""
    given = value.get("castToType")
    if given is None:
        return None
    kind = ColumnType.parse(str(given).replace("FLOAT", "DOUBLE").replace("float", "double"))
    if kind.is_complex or (kind.element is not None and kind.element.kind in ("ARRAY", "COMPLEX")):
        return None
    return kind


def _handling(value: Mapping[str, Any], name: str) -> MultiValueHandling:
    given = value.get("multiValueHandling") or "SORTED_ARRAY"
    try:
        return MultiValueHandling(str(given).upper())
    except ValueError:
        raise invalid_input(
            f"dimension[{name}]: multiValueHandling[{given}] is none of {[str(h) for h in MultiValueHandling]}"
        ) from None


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _dimensions(given: Iterable[DimensionSchema]) -> tuple[DimensionSchema, ...]:
    return tuple(given)


@frozen(kw_only=True)
class DimensionsSpec:
    """The dimensions in their order; when there are none, or with ``include_all_dimensions``, also what the input has.

    Columns found in the input become dimensions in the order in which they are first seen: strings, or with
    ``use_schema_discovery`` whatever they hold (`auto`).
    """

    dimensions: tuple[DimensionSchema, ...] = field(default=(), converter=_dimensions)
    dimension_exclusions: tuple[str, ...] = field(default=(), converter=_distinct)
    include_all_dimensions: bool = False
    use_schema_discovery: bool = False
    spatial_dimensions: list[Any] | None = None
    force_segment_sort_by_time: bool | None = None

    def __attrs_post_init__(self) -> None:
        names = [dimension.name for dimension in self.dimensions]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise invalid_input(f"Cannot specify a column more than once: dimensions {duplicates}")
        if both := sorted(set(names) & set(self.dimension_exclusions)):
            raise invalid_input(f"dimensions and dimensions exclusions cannot overlap: {both}")
        for spatial in self.spatial_dimensions or ():
            name = spatial.get("dimName") if isinstance(spatial, Mapping) else spatial
            raise unsupported(f"dimension[{name}]: spatial dimensions are not supported (spatialDimensions)")
        if self.force_segment_sort_by_time is False:
            raise unsupported("forceSegmentSortByTime = false is not supported yet (dimensionsSpec)")

    @property
    def discovers(self) -> bool:
        """Whether columns of the input become dimensions."""
        return self.include_all_dimensions or self.use_schema_discovery or not self.dimensions

    def found(self, name: str) -> DimensionSchema:
        """What a column of the input becomes that is not listed."""
        return DimensionSchema(name, "auto" if self.use_schema_discovery else "string")

    def without(self, names: frozenset[str]) -> DimensionsSpec:
        """With more exclusions."""
        return evolve(self, dimension_exclusions=(*self.dimension_exclusions, *names))

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "dimensions": [dimension.to_json() for dimension in self.dimensions],
            "dimensionExclusions": list(self.dimension_exclusions),
            "includeAllDimensions": self.include_all_dimensions,
            "useSchemaDiscovery": self.use_schema_discovery,
        }

    @classmethod
    def from_json(cls, value: Any, json: Any) -> DimensionsSpec:
        """From its object."""
        spec: DimensionsSpec = json.structure_fields(value, cls)
        return spec
