"""search: in which dimensions which values match, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.dimensions import (
    DefaultDimensionSpec,
    FilteredDimensionSpec,
    numbers_as_strings,
    texts_of_aggregates,
)
from nemeton.query.engines.buckets import is_all
from nemeton.query.engines.local import refuse_several_intervals, refuse_types
from nemeton.query.filters.texts import ColumnComparisonDimFilter
from nemeton.query.model.comparators import lexicographic_key, sort_key
from nemeton.query.model.search import MAX_LIMIT, SearchQuery
from nemeton.query.source import RowBlock, SegmentSource
from nemeton.query.vectors import (
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    strings_vector,
)
from nemeton.spi.query import DimensionSpec, DimFilter, QueryControl, QueryToolChest, SegmentScope
from nemeton.time import format_datetime, parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment

Hits = dict[tuple[str, str | None], int]
"""Counts by dimension and value."""

SearchPartial = dict[int, Hits]
"""Hits by the start of their bucket."""


class SearchToolChest(QueryToolChest):
    """Runs `SearchQuery`; rows are bucketed by the start of their segment, as Druid does, not by their own time."""

    def run_segment(
        self, query: SearchQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> SearchPartial:
        """The hits of one segment."""
        source = SegmentSource(segment, query.virtual_columns, is_row_by_row=True)
        specs = query.search_dimensions or tuple(DefaultDimensionSpec(name) for name in segment.dimensions)
        specs = tuple(spec for spec in specs if source.column_type(spec.dimension) is not None)
        for spec in specs:
            refuse_types(source, spec, "ARRAY", "COMPLEX")
        hits: Hits = {}
        by_index = query.filter is None or has_indexes(source, query.filter)
        if by_index:
            specs = tuple(_unfiltered(source, spec) for spec in specs)
        for block in source.blocks(scope.intervals, query.filter, control):
            for spec in specs:
                virtual = source.virtual_columns.get(spec.dimension)
                has_index = virtual is None or getattr(virtual, "is_by_index", False)
                _count(query, block, spec, hits, once=by_index and has_index)
        interval = getattr(segment, "interval", None)
        start = interval.start if interval is not None else scope.intervals[0].start if scope.intervals else 0
        return {start: _first(query, hits)}

    def check_local(self, query: SearchQuery) -> None:
        """Of one interval only."""
        refuse_several_intervals(query, "Should only have one interval", "org.apache.druid.java.util.common.IAE")

    def merge(self, query: SearchQuery, partials: Sequence[SearchPartial], control: QueryControl) -> SearchPartial:
        """Counts of equal hits added up; the bucket ALL takes the earliest time."""
        control.check()
        starts = [start for partial in partials for start in partial]
        whole = min(starts) if starts and is_all(query.granularity) else None
        buckets: dict[int, list[tuple[int, Hits]]] = {}
        for partial in partials:
            for start, hits in partial.items():
                bucket = query.granularity.bucket_start(start) if whole is None else whole
                buckets.setdefault(bucket, []).append((start, hits))
        merged: SearchPartial = {}
        for bucket, found in buckets.items():
            # only where there is something to merge Druid looks for the start of the bucket
            total = merged.setdefault(bucket if len(found) > 1 else found[0][0], {})
            for _, hits in found:
                for hit, count in hits.items():
                    total[hit] = total.get(hit, 0) + count
        return {start: _first(query, hits) for start, hits in sorted(merged.items())}

    def is_cacheable(self, query: SearchQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Always."""
        return True

    def to_wire(self, query: SearchQuery, partial: SearchPartial) -> Iterable[Any]:
        """As `finalise`."""
        return self.finalise(query, partial)

    def from_wire(self, query: SearchQuery, rows: Iterable[Any]) -> SearchPartial:
        """Read `{timestamp, result: [{dimension, value, count}]}`."""
        return {
            parse_datetime(row["timestamp"]): {
                (hit["dimension"], hit["value"]): int(hit["count"]) for hit in row["result"]
            }
            for row in rows
        }

    def finalise(self, query: SearchQuery, partial: SearchPartial) -> Iterator[Any]:
        """`{timestamp, result: [{dimension, value, count}]}` by time."""
        for start, hits in partial.items():
            found = [{"dimension": name, "value": value, "count": count} for (name, value), count in hits.items()]
            yield {"timestamp": format_datetime(start), "result": found}


def _unfiltered(source: SegmentSource, spec: DimensionSpec) -> DimensionSpec:
    """What Druid reads from the index of a column: all its values, whatever the dimension spec leaves out."""
    while isinstance(spec, FilteredDimensionSpec) and source.is_indexed(spec.dimension):
        spec = spec.delegate
    return spec


def has_indexes(source: SegmentSource, condition: DimFilter) -> bool:
    """Whether Druid would answer the filter from bitmap indexes alone: it counts by them then."""
    columns = condition.required_columns()
    if any(name in source.virtual_columns for name in columns) or isinstance(condition, ColumnComparisonDimFilter):
        return False
    found = [source.column(name) for name in columns]
    return all(column is None or getattr(column, "has_bitmap_index", False) for column in found)


def _count(query: SearchQuery, block: RowBlock, spec: DimensionSpec, hits: Hits, *, once: bool) -> None:
    """Add the block's matching values; a value that a row has twice counts `once`, as in a bitmap index, or twice."""
    vector: Any = spec.selected(block)
    if isinstance(vector, NumericVector):
        vector = numbers_as_strings(vector)
    if isinstance(vector, ObjectVector):
        if vector.text is None:  # automatic columns of several types: as texts
            return
        vector = strings_vector(texts_of_aggregates(vector))
    rows: Array | None = None
    if isinstance(vector, MultiStringVector):
        rows, vector = vector.explode()
    assert isinstance(vector, StringVector)
    codes, dictionary = vector.codes.astype(np.int64), vector.dictionary
    if rows is not None and once:
        codes = np.unique(rows * dictionary.size + codes) % dictionary.size
    matching: Array = block.cached(("search", id(dictionary)), lambda: (_matching(query, dictionary), dictionary))[0]
    counts = np.bincount(codes, minlength=dictionary.size)
    for code in np.flatnonzero(matching & (counts > 0)).tolist():
        hit = (spec.name, dictionary.values[code])
        hits[hit] = hits.get(hit, 0) + int(counts[code])


def _matching(query: SearchQuery, dictionary: Dictionary) -> Array:
    values = dictionary.values.tolist()
    return np.fromiter((query.query.accept(value) for value in values), dtype=bool, count=len(values))


def _first(query: SearchQuery, hits: Hits) -> Hits:
    """The first hits in order of value and dimension."""
    by_value = sort_key(query.sort)

    def place(hit: tuple[str, str | None]) -> Any:
        return by_value(hit[1]), lexicographic_key(hit[0])

    return {hit: hits[hit] for hit in sorted(hits, key=place)[: min(query.limit, MAX_LIMIT)]}
