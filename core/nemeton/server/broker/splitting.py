"""Which segments a query reads, by the Broker's view, and what is said to a data server of its part of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from nemeton.model import SegmentDescriptor
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.data_sources import TableDataSource
from nemeton.query.model.queries import GroupByQuery
from nemeton.query.model.segment_spec import QuerySegmentSpec
from nemeton.server.broker.selector import ServerSelector
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.time import AllGranularity, Interval


@frozen
class Wanted:
    """One segment, or a part of its interval, that a query reads."""

    table: str
    descriptor: SegmentDescriptor
    selector: ServerSelector

    @property
    def key(self) -> tuple[str, SegmentDescriptor]:
        """What tells it from the others: tables of a union may have equal descriptors."""
        return self.table, self.descriptor

    @property
    def segment_id(self) -> str:
        """The id of the whole segment."""
        return str(self.selector.segment.id)

    @property
    def is_published(self) -> bool:
        """Whether a Historical has it, so that it stays what it is."""
        return any(server.metadata.is_replicatable for server in self.selector.servers)


def split(view: BrokerServerView, query: BaseQuery) -> list[Wanted]:
    """All segments that a query over tables reads."""
    return [each for table in sorted(query.data_sources()) for each in _of_table(view, query, table)]


def _of_table(view: BrokerServerView, query: BaseQuery, table: str) -> list[Wanted]:
    timeline = view.timeline(table)
    if timeline is None:
        return []
    if query.intervals.segments is not None:
        found = [(each, view.selector(table, each)) for each in query.intervals.segments]
        return [Wanted(table, each, selector) for each, selector in found if selector is not None]
    return [
        Wanted(table, SegmentDescriptor(holder.interval, holder.version, chunk.partition_num), chunk.object)
        for interval in query.interval_list
        for holder in timeline.lookup(interval)
        for chunk in holder.chunks
        if not chunk.object.segment.is_tombstone
    ]


def uncovered_intervals(view: BrokerServerView, query: BaseQuery, limit: int) -> tuple[list[Interval], bool]:
    """The first parts of the query's intervals that no segment covers, at most so many, and whether there are more."""
    gaps = [gap for table in sorted(query.data_sources()) for gap in _gaps(view, query, table)]
    return gaps[:limit], len(gaps) > limit


def _gaps(view: BrokerServerView, query: BaseQuery, table: str) -> list[Interval]:
    timeline = view.timeline(table)
    gaps = []
    for interval in query.interval_list if timeline is not None else ():
        at = interval.start
        for holder in timeline.lookup(interval) if timeline is not None else ():
            if holder.interval.start > at:
                gaps.append(Interval(at, holder.interval.start))
            at = holder.interval.end
        if at < interval.end:
            gaps.append(Interval(at, interval.end))
    return gaps


def sub_query(query: BaseQuery, table: str, batch: Sequence[Wanted], context: dict[str, Any]) -> BaseQuery:
    """What one data server is asked: its segments of one table, with aggregates left unfinished."""
    fudge = {}
    is_one_bucket = isinstance(query, GroupByQuery) and isinstance(query.granularity, AllGranularity)
    if is_one_bucket and query.interval_list and "fudgeTimestamp" not in query.context:
        # rows of the one bucket carry the start of the whole query, which data servers do not see
        fudge = {"fudgeTimestamp": str(query.interval_list[0].start)}
    return evolve(
        query,
        data_source=query.data_source.with_base(TableDataSource(table)),
        intervals=QuerySegmentSpec.of_segments([each.descriptor for each in batch]),
        context={**query.context, "finalize": False, **fudge, **context},
    )
