"""timeBoundary and dataSourceMetadata: the first and last time there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define

from nemeton.query.engines.local import refuse_unreduced
from nemeton.query.engines.timeseries import clip_to_data
from nemeton.query.model.queries import DataSourceMetadataQuery, TimeBoundaryQuery
from nemeton.query.source import SegmentSource
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import format_datetime, parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


@define
class TimeBounds:
    """The first and the last time; None when there is no row."""

    first: int | None = None
    last: int | None = None

    def include(self, first: int | None, last: int | None) -> None:
        """Widen."""
        if first is not None:
            self.first = first if self.first is None else min(self.first, first)
        if last is not None:
            self.last = last if self.last is None else max(self.last, last)


class TimeBoundaryToolChest(QueryToolChest):
    """Runs `TimeBoundaryQuery`."""

    def run_segment(
        self, query: TimeBoundaryQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> TimeBounds:
        """The bounds of the segment's rows; with a filter, its first and last blocks are read."""
        source = SegmentSource(segment, query.virtual_columns)
        bounds = TimeBounds()
        if source.column("__time") is None:
            return bounds
        if query.filter is None and source.sorted_by_time:
            for start, stop in source.row_ranges(clip_to_data(source, scope)):
                bounds.include(int(source.times(start, start + 1)[0]), int(source.times(stop - 1, stop)[0]))
            return bounds
        for block in source.blocks(scope.intervals, query.filter, control):
            times = block.times()
            bounds.include(int(times.min()), int(times.max()))
        return bounds

    def check_local(self, query: TimeBoundaryQuery) -> None:
        """Of one interval only."""
        refuse_unreduced(query)

    def merge(self, query: TimeBoundaryQuery, partials: Sequence[TimeBounds], control: QueryControl) -> TimeBounds:
        """The widest."""
        out = TimeBounds()
        for partial in partials:
            out.include(partial.first, partial.last)
        return out

    def is_cacheable(self, query: TimeBoundaryQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Always."""
        return True

    def to_wire(self, query: TimeBoundaryQuery, partial: TimeBounds) -> Iterable[Any]:
        """As `finalise`."""
        return self.finalise(query, partial)

    def from_wire(self, query: TimeBoundaryQuery, rows: Iterable[Any]) -> TimeBounds:
        """Read result objects."""
        bounds = TimeBounds()
        for row in rows:
            found = {key: parse_datetime(value) for key, value in row["result"].items() if value is not None}
            bounds.include(found.get("minTime"), found.get("maxTime"))
        return bounds

    def finalise(self, query: TimeBoundaryQuery, partial: TimeBounds) -> Iterator[Any]:
        """One object, or none when there are no rows."""
        if partial.first is None and partial.last is None:
            return
        result = {}
        if partial.last is not None and query.bound != "minTime":
            result["maxTime"] = format_datetime(partial.last)
        if partial.first is not None and query.bound != "maxTime":
            result["minTime"] = format_datetime(partial.first)
        stamp = partial.first if query.bound != "maxTime" and partial.first is not None else partial.last
        assert stamp is not None
        yield {"timestamp": format_datetime(stamp), "result": result}


class DataSourceMetadataToolChest(QueryToolChest):
    """Runs `DataSourceMetadataQuery`."""

    def run_segment(
        self, query: DataSourceMetadataQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> TimeBounds:
        """The segment's last time."""
        bounds = SegmentSource(segment).time_bounds
        return TimeBounds() if bounds is None else TimeBounds(*bounds)

    def merge(
        self, query: DataSourceMetadataQuery, partials: Sequence[TimeBounds], control: QueryControl
    ) -> TimeBounds:
        """The latest."""
        out = TimeBounds()
        for partial in partials:
            out.include(partial.first, partial.last)
        return out

    def to_wire(self, query: DataSourceMetadataQuery, partial: TimeBounds) -> Iterable[Any]:
        """As `finalise`."""
        return self.finalise(query, partial)

    def from_wire(self, query: DataSourceMetadataQuery, rows: Iterable[Any]) -> TimeBounds:
        """Read result objects."""
        bounds = TimeBounds()
        for row in rows:
            last = parse_datetime(row["result"]["maxIngestedEventTime"])
            bounds.include(last, last)
        return bounds

    def finalise(self, query: DataSourceMetadataQuery, partial: TimeBounds) -> Iterator[Any]:
        """One object, or none when there are no rows."""
        if partial.last is not None:
            stamp = format_datetime(partial.last)
            yield {"timestamp": stamp, "result": {"maxIngestedEventTime": stamp}}
