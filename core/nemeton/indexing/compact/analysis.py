"""What the segments to compact say of themselves; a compaction keeps what its spec does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.common.errors import runtime_failure, unsupported
from nemeton.ingest.schema.dimensions import DimensionSchema, DimensionsSpec, MultiValueHandling
from nemeton.segment import QueryableIndex
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.columns import StringColumn, UnsupportedColumn
from nemeton.segment.errors import unsupported_column
from nemeton.segment.object_columns import ObjectColumn
from nemeton.spi.query import AggregatorFactory
from nemeton.time import Granularity

if TYPE_CHECKING:
    from nemeton.json import Json
    from nemeton.model import DataSegment
    from nemeton.segment.metadata import SegmentIndexMetadata

_TIME = "__time"
_NO_CACHE = 1 << 20


@define
class ExistingSegments:
    """Looks into segments, one after the other, from the latest to the earliest: the latest decides on types.

    ``pulled`` brings a segment's files for a while.
    """

    json: Json
    pulled: Callable[[DataSegment], AbstractContextManager[Path]]
    rollup: bool = field(init=False, default=True)
    query_granularity: Granularity | None = field(init=False, default=None)
    _dimensions: dict[str, DimensionSchema | None] = field(init=False, factory=dict)
    _metrics: dict[str, AggregatorFactory] = field(init=False, factory=dict)
    _cache: DecodedColumnCache = field(init=False, factory=lambda: DecodedColumnCache(_NO_CACHE))

    def look_at(self, segments: Iterable[DataSegment]) -> None:
        """Take these in; tombstones have nothing to say."""
        for segment in sorted(segments, key=lambda s: (s.interval.start, s.interval.end), reverse=True):
            if segment.is_tombstone:
                continue
            with self.pulled(segment) as folder:
                index = QueryableIndex.open(folder, self._cache)
                try:
                    self._add(segment, index)
                finally:
                    index.close()

    def _add(self, segment: DataSegment, index: QueryableIndex) -> None:
        metadata = index.metadata
        if metadata is None:
            raise runtime_failure(
                f"Index metadata doesn't exist for segment [{segment.id}]. Try providing explicit rollup, "
                "queryGranularity, dimensionsSpec, and metricsSpec."
            )
        self.rollup = self.rollup and metadata.rollup is True
        self._add_granularity(metadata)
        self._add_dimensions(index)
        self._add_metrics(metadata)

    def _add_granularity(self, metadata: SegmentIndexMetadata) -> None:
        """The finest counts; a segment that says nothing does not."""
        if metadata.query_granularity is not None:
            found = Granularity.parse(metadata.query_granularity)
            if self.query_granularity is None or found.is_finer_than(self.query_granularity):
                self.query_granularity = found

    def _add_dimensions(self, index: QueryableIndex) -> None:
        if not index.is_time_ordered:
            raise unsupported("Segments whose rows are not ordered by time cannot be compacted yet")
        for name in [*_sort_order(index), *index.dimensions]:
            if name != _TIME and self._dimensions.get(name) is None:
                self._dimensions[name] = _schema_of(index, name)

    def _add_metrics(self, metadata: SegmentIndexMetadata) -> None:
        for factory in self.json.structure(metadata.aggregators or [], list[AggregatorFactory]):
            combining = factory.combining_factory()
            if self._metrics.setdefault(combining.name, combining) != combining:
                raise runtime_failure(
                    "Failed to merge existing aggregators when generating metricsSpec; "
                    "try providing explicit metricsSpec"
                )

    @property
    def dimensions_spec(self) -> DimensionsSpec:
        """All dimensions, those of the latest segment first."""
        return DimensionsSpec(dimensions=(schema for schema in self._dimensions.values() if schema is not None))

    @property
    def metrics(self) -> tuple[AggregatorFactory, ...]:
        """All metrics, as aggregators of values that are aggregates already."""
        return tuple(self._metrics.values())


def _sort_order(index: QueryableIndex) -> list[str]:
    ordering = index.metadata.ordering if index.metadata is not None else None
    return [str(by["columnName"]) for by in ordering or ()]


def _schema_of(index: QueryableIndex, name: str) -> DimensionSchema | None:
    """How to write the column again: values of a row stay in the order in which they are."""
    column = index.column(name)
    if column is None:
        return None
    if column.is_auto:
        return DimensionSchema(name, "auto", cast_to=column.type if column.is_cast else None)
    if isinstance(column, UnsupportedColumn | ObjectColumn):
        raise unsupported_column(name, str(column.type))
    has_bitmaps = isinstance(column, StringColumn) and column.has_bitmap_index
    handling = MultiValueHandling.ARRAY if isinstance(column, StringColumn) else MultiValueHandling.SORTED_ARRAY
    return DimensionSchema(name, str(column.type).lower(), handling, has_bitmaps)
