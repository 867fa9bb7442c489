"""From what the tables of a query give to result objects: merged, or one for each segment (``bySegment``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Protocol

from attrs import frozen

from nemeton.dataserver.query_run import QueryRun
from nemeton.query.engine import Partial, QueryEngine, is_of_tables
from nemeton.query.model.base import BaseQuery
from nemeton.time import Interval, format_datetime


@frozen
class SegmentPartial:
    """The partial of one segment. ``interval`` is the part of it that was read, ``start`` where the segment begins."""

    segment_id: str
    interval: Interval
    start: int
    partial: Partial


class Tables(Protocol):
    """Who reads the tables of queries."""

    def merged(self, query: BaseQuery, run: QueryRun) -> Partial:
        """One partial of all segments."""
        ...

    def by_segment(self, query: BaseQuery, run: QueryRun) -> Iterable[SegmentPartial]:
        """One partial of each segment."""
        ...


def answer(engine: QueryEngine, query: BaseQuery, run: QueryRun, tables: Tables) -> Iterable[Any]:
    """Result objects; or unfinished rows for merging, where the context says ``finalize: false``.

    Blocks of bytes instead of these, which the run then says, or `ResultColumns`, where the caller takes them and the
    query type has them.
    """
    read = partial(tables.merged, run=run)
    if query.query_context.get_bool("bySegment", False):
        query = engine.resolved(query, read, run.deadline, run.cancelled)
        if is_of_tables(query):
            return _by_segment(engine, query, run, tables)
    found = engine.execute_partial(query, read, run.deadline, run.cancelled)
    blocks = engine.to_blocks(query, found) if run.takes_blocks and query.query_context.finalize is False else None
    run.gives_blocks = blocks is not None
    return _results(engine, query, run, found) if blocks is None else blocks


def _results(engine: QueryEngine, query: BaseQuery, run: QueryRun, found: Partial) -> Iterable[Any]:
    if run.takes_columns and query.query_context.finalize is not False:
        columns = engine.result_columns(query, found)
        if columns is not None:
            return columns
    return _rows(engine, query, found)


def _rows(engine: QueryEngine, query: BaseQuery, found: Partial) -> Iterable[Any]:
    if query.query_context.finalize is False:
        return engine.to_wire(query, found)
    return engine.finalise(query, found)


def _by_segment(engine: QueryEngine, query: BaseQuery, run: QueryRun, tables: Tables) -> Iterator[Any]:
    """Druid's BySegmentResultValue, in order of time and segment."""
    for each in sorted(tables.by_segment(query, run), key=lambda each: (each.start, each.segment_id, each.interval)):
        rows = list(_rows(engine, query, each.partial))
        result = {"results": rows, "segment": each.segment_id, "interval": str(each.interval)}
        yield {"timestamp": format_datetime(each.start), "result": result}
