"""Runs native queries over the segments of this process (Druid's ServerManager)."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.model import SegmentDescriptor
from nemeton.query.engine import Partial, QueryEngine
from nemeton.query.model.base import BaseQuery


def answer(
    engine: QueryEngine, query: BaseQuery, run: QueryRun, run_tables: Callable[[BaseQuery], Partial]
) -> Iterable[Any]:
    """Result objects; or unfinished rows for merging, where the context says ``finalize: false``."""
    merged = engine.execute_partial(query, run_tables, run.deadline, run.cancelled)
    if query.query_context.finalize is False:
        return engine.to_wire(query, merged)
    return engine.finalise(query, merged)


class ServerManager:
    """A `QuerySegmentWalker` over a `SegmentManager`. Thread-safe.

    Segments that the query names and that are not here are noted in the run's ``missing``. With ``finalize: false`` in
    the context, as Brokers send it, the answer is unfinished rows for merging.
    """

    def __init__(self, segments: SegmentManager, engine: QueryEngine, pool: ProcessingPool) -> None:
        self._segments = segments
        self._engine = engine
        self._pool = pool

    def run(self, query: BaseQuery, run: QueryRun) -> Iterable[Any]:
        """See `QuerySegmentWalker`."""
        return answer(self._engine, query, run, partial(self._run_tables, run=run))

    def _run_tables(self, query: BaseQuery, run: QueryRun) -> Partial:
        priority = query.query_context.priority
        futures = [
            self._pool.submit(partial(self._run_segment, query, found, descriptor, run), priority)
            for found, descriptor in self._acquire(query, run)
            if found.segment is not None
        ]
        return self._engine.merge(query, _results(futures, run), run.deadline, run.cancelled)

    def _run_segment(
        self, query: BaseQuery, found: ReferenceCountedSegment, descriptor: SegmentDescriptor, run: QueryRun
    ) -> Partial:
        assert found.segment is not None
        return self._engine.run_segment(
            query,
            found.segment,
            run.deadline,
            run.cancelled,
            segment_id=str(found.data_segment.id),
            interval=descriptor.interval,
        )

    def _acquire(self, query: BaseQuery, run: QueryRun) -> list[tuple[ReferenceCountedSegment, SegmentDescriptor]]:
        """The segments to read, held until the run is closed."""
        acquired = []
        for table in sorted(query.data_sources()):
            named = query.intervals.segments
            descriptors = self._segments.visible(table, query.interval_list) if named is None else named
            for descriptor in descriptors:
                found = self._segments.find(table, descriptor)
                if found is None or not found.acquire():
                    run.missing.append(descriptor)
                    continue
                run.resources.callback(found.release)
                acquired.append((found, descriptor))
        return acquired


def _results(futures: Sequence[Future[Partial]], run: QueryRun) -> list[Partial]:
    """What the futures give; the first failure, or the deadline, stops the others."""
    try:
        return [future.result(run.seconds_left()) for future in futures]
    except BaseException as failure:
        for future in futures:
            future.cancel()
        # what has begun looks at the event between blocks; it must end before the segments are let go
        run.cancelled.set()
        concurrent.futures.wait([future for future in futures if not future.cancelled()], timeout=10.0)
        if isinstance(failure, concurrent.futures.TimeoutError):
            raise run.timeout() from None
        raise
