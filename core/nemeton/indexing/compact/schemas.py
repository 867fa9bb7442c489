"""One ingestion for each stretch of time that is compacted by itself: its interval and its schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define, evolve

from nemeton.common.errors import invalid_input
from nemeton.indexing.compact.analysis import ExistingSegments
from nemeton.indexing.compact.spec import ClientCompactionTaskGranularitySpec
from nemeton.indexing.input.pulling import pulled_segment
from nemeton.ingest.schema import DataSchema, GranularitySpec, TimestampSpec, TransformSpec
from nemeton.model.timeline import SegmentTimeline
from nemeton.time import ETERNITY, Granularity, Interval, Period, umbrella

if TYPE_CHECKING:
    from nemeton.indexing.compact.task import CompactionTask
    from nemeton.model import DataSegment
    from nemeton.spi.indexing import TaskToolbox

_MILLIS = TimestampSpec(column="__time", format="millis")
#: by unit (years … seconds): which numbers of it are a granularity; None: any number stands for one of it
_GRANULARITIES: tuple[dict[int | None, str], ...] = (
    {None: "YEAR"},
    {3: "QUARTER", 1: "MONTH"},
    {None: "WEEK"},
    {None: "DAY"},
    {8: "EIGHT_HOUR", 6: "SIX_HOUR", 1: "HOUR"},
    {30: "THIRTY_MINUTE", 15: "FIFTEEN_MINUTE", 10: "TEN_MINUTE", 5: "FIVE_MINUTE", 1: "MINUTE"},
    {None: "SECOND"},
)


@define
class SchemaMaker:
    """Makes the schemas of a compaction task: what its spec says, and for the rest what the segments say."""

    task: CompactionTask
    toolbox: TaskToolbox

    def schemas(self, used: list[DataSegment]) -> dict[Interval, DataSchema]:
        """By the interval to read. Without a segment granularity each of the segments' intervals keeps its own."""
        whole = self.task.io_config.input_spec.find_interval(self.task.data_source)
        segments = SegmentTimeline.of(used).find_visible(whole)
        granularity = self.task.granularity_spec or ClientCompactionTaskGranularitySpec()
        if not segments:
            return {}
        if granularity.segment_granularity is not None:
            return {whole: self._schema(umbrella(s.interval for s in segments), segments, granularity)}
        return {
            interval: self._schema(interval, group, evolve(granularity, segment_granularity=granularity_of(interval)))
            for interval, group in by_united_interval(segments).items()
        }

    def _schema(
        self, interval: Interval, segments: list[DataSegment], granularity: ClientCompactionTaskGranularitySpec
    ) -> DataSchema:
        task, rollup, query_granularity = self.task, granularity.rollup, granularity.query_granularity
        existing = ExistingSegments(self.toolbox.json, lambda segment: pulled_segment(segment, self.toolbox))
        if None in (rollup, query_granularity, task.dimensions_spec, task.metrics_spec):
            existing.look_at(segments)
        query_granularity = query_granularity or existing.query_granularity
        transform = task.transform_spec
        assert granularity.segment_granularity is not None
        return DataSchema(
            data_source=task.data_source,
            timestamp_spec=_MILLIS,
            dimensions_spec=existing.dimensions_spec if task.dimensions_spec is None else task.dimensions_spec,
            metrics_spec=existing.metrics if task.metrics_spec is None else task.metrics_spec,
            granularity_spec=GranularitySpec(
                segment_granularity=granularity.segment_granularity,
                query_granularity=query_granularity or Granularity.parse("NONE"),
                rollup=existing.rollup if rollup is None else rollup,
                intervals=[interval],
            ),
            transform_spec=TransformSpec() if transform is None else TransformSpec(filter=transform.filter),
        )


def by_united_interval(segments: Iterable[DataSegment]) -> dict[Interval, list[DataSegment]]:
    """Segments by interval, those of intervals that overlap together; ascending."""
    out: dict[Interval, list[DataSegment]] = {}
    last: Interval | None = None
    for segment in sorted(segments, key=lambda s: (s.interval.start, s.interval.end)):
        united = segment.interval
        group: list[DataSegment] = []
        if last is not None and last.overlaps(united):
            united, group = last.union(united), out.pop(last)
        out[united] = [*group, segment]
        last = united
    return out


def granularity_of(interval: Interval) -> Granularity:
    """The granularity of segments that have this interval."""
    if interval == ETERNITY:
        return Granularity.parse("ALL")
    period = Period.between(interval.start, interval.end)
    units = [(unit, count) for unit, count in enumerate(period.units) if count]
    if len(units) == 1 and units[0][0] < len(_GRANULARITIES):
        unit, count = units[0]
        names = _GRANULARITIES[unit]
        name = names.get(None) or names.get(count)
        if name is not None:
            return Granularity.parse(name)
    raise invalid_input(f"Granularity is not supported. [{period}]")
