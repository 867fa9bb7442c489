"""The schema of a data source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.ingest.schema.dimensions import DimensionsSpec
from nemeton.ingest.schema.granularity_spec import GranularitySpec
from nemeton.ingest.schema.timestamp_spec import TimestampSpec
from nemeton.ingest.schema.transform_spec import TransformSpec
from nemeton.json import wire
from nemeton.spi.query import AggregatorFactory

TIME = "__time"


def _tuple(given: Iterable[AggregatorFactory]) -> tuple[AggregatorFactory, ...]:
    return tuple(given)


@frozen(kw_only=True)
class DataSchema:
    """What becomes of the input's columns (Druid: ``DataSchema``)."""

    data_source: str = ""
    timestamp_spec: TimestampSpec | None = None
    dimensions_spec: DimensionsSpec = field(factory=DimensionsSpec)
    metrics_spec: tuple[AggregatorFactory, ...] = field(default=(), converter=_tuple)
    granularity_spec: GranularitySpec = field(factory=GranularitySpec)
    transform_spec: TransformSpec = field(factory=TransformSpec)
    projections: list[Any] | None = field(default=None, metadata=wire(omit_none=True))

    def __attrs_post_init__(self) -> None:
        _check_data_source(self.data_source)
        if self.projections:
            raise unsupported("projections are not supported yet (dataSchema)")
        self._check_names()

    def _check_names(self) -> None:
        where: dict[str, str] = {}
        named = [("dimensions list", d.name) for d in self.dimensions_spec.dimensions]
        named += [("metricsSpec list", a.name) for a in self.metrics_spec]
        for kind, name in named:
            if not name:
                raise invalid_input(f"Encountered dimension or metric with null or empty name in {kind}")
            if name == TIME:
                raise invalid_input(
                    f"[{TIME}] is the name of the row's time and can be no dimension or metric ({kind})"
                )
            if name in where:
                raise invalid_input(f"Cannot specify a column more than once: [{name}] seen in {where[name]}, {kind}")
            where[name] = kind

    @property
    def time_column(self) -> str:
        """The input column that holds the time."""
        return (self.timestamp_spec or TimestampSpec()).column

    def timed_by(self, column: str | None) -> DataSchema:
        """With a column of milliseconds as its time, if one is given."""
        if column is None:
            return self
        return evolve(self, timestamp_spec=TimestampSpec(column=column, format="millis"))

    @property
    def excluded(self) -> frozenset[str]:
        """Columns of the input that are never found as dimensions: the time, what metrics read and are called."""
        names = {TIME, self.time_column, *self.dimensions_spec.dimension_exclusions}
        for aggregator in self.metrics_spec:
            names |= {aggregator.name, *aggregator.required_columns()}
        return frozenset(names) - {dimension.name for dimension in self.dimensions_spec.dimensions}

    @classmethod
    def from_json(cls, value: Any, json: Any) -> DataSchema:
        """From its object; the names that Druid's first versions used are not read."""
        if not isinstance(value, Mapping):
            raise invalid_input("dataSchema: an object is expected")
        if value.get("parser") is not None:
            raise unsupported(
                "Legacy parsers are not supported (dataSchema.parser); use timestampSpec, dimensionsSpec, inputFormat"
            )
        schema: DataSchema = json.structure_fields(value, cls)
        return evolve(schema, dimensions_spec=schema.dimensions_spec.without(schema.excluded))


def _check_data_source(name: str) -> None:
    if not name:
        raise invalid_input("Invalid value for field[dataSource]: must not be null")
    if name.startswith("."):
        raise invalid_input(f"Invalid value for field[dataSource]: Value [{name}] cannot start with '.'.")
    if "/" in name:
        raise invalid_input(f"Invalid value for field[dataSource]: Value [{name}] cannot contain '/'.")
    if any(character.isspace() and character != " " for character in name):
        raise invalid_input(
            f"Invalid value for field[dataSource]: Value [{name}] contains illegal whitespace characters. "
            "Only space is allowed."
        )
