"""Runs native queries over the segments of this process (Druid's ServerManager)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import field, frozen

from nemeton.dataserver.answering import SegmentPartial, answer
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.scheduling.scheduler import QueryScheduler
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.dataserver.shares import Part, evened, shares
from nemeton.model import SegmentDescriptor
from nemeton.query.cache.segments import SegmentCache, SegmentQueryCache
from nemeton.query.control import Control
from nemeton.query.engine import Partial, QueryEngine
from nemeton.query.model.base import BaseQuery

T = TypeVar("T")


class ServerManager:
    """A `QuerySegmentWalker` over a `SegmentManager`. Thread-safe.

    Segments that the query names and that are not here are noted in the run's ``missing``. With ``finalize: false`` in
    the context, as Brokers send it, the answer is unfinished rows for merging; with ``bySegment`` each segment's rows
    stand by themselves.
    """

    def __init__(
        self,
        segments: SegmentManager,
        engine: QueryEngine,
        pool: ProcessingPool,
        cache: SegmentCache,
        scheduler: QueryScheduler,
        metrics: QueryMetrics,
    ) -> None:
        self._segments = segments
        self._engine = engine
        self._pool = pool
        self._cache = cache
        self._scheduler = scheduler
        self._metrics = metrics

    def run(self, query: BaseQuery, run: QueryRun) -> Iterable[Any]:
        """See `QuerySegmentWalker`."""
        query = self._scheduler.admit(query, [], run)
        return answer(self._engine, query, run, self)

    # ---- see `nemeton.dataserver.answering.Tables`

    def by_segment(self, query: BaseQuery, run: QueryRun) -> list[SegmentPartial]:
        """The partials of all segments that the query reads, from the pool's threads."""
        return self._from_each(query, run, lambda place, read: read)

    def merged(self, query: BaseQuery, run: QueryRun) -> Partial:
        """One partial of all segments. They are merged as they come, so that no more of them is held than may be."""
        merger = self._engine.merger(query, run.deadline, run.cancelled)
        run.resources.callback(merger.close)
        self._from_each(
            query, run, lambda place, read: merger.add(place, read.partial), self._engine.reads_parts(query)
        )
        return self._engine.result_of(merger)

    def _from_each(
        self, query: BaseQuery, run: QueryRun, use: Callable[[int, SegmentPartial], T], in_parts: bool = False
    ) -> list[T]:
        """What `use` gives, in several threads, for the place and the partial of each segment that is read.

        With `in_parts` also of parts of one, where no whole ones are to be kept in the cache.
        """
        priority = query.query_context.priority
        cache = self._cache.for_query(query)
        works: list[Callable[[], list[T]]] = []
        place = 0
        given = list(shares(self._acquire(query, run)))
        for share in evened(given, self._pool.num_threads) if in_parts and cache is None else given:
            readings = [_Reading(query, each, run, cache) for each in share]
            works.append(partial(self._run_segments, place, readings, use))
            place += len(share)
        return [each for some in self._pool.run_all(works, priority, run) for each in some]

    def _run_segments(
        self, place: int, readings: Sequence[_Reading], use: Callable[[int, SegmentPartial], T]
    ) -> list[T]:
        return [use(at, self._run_segment(reading)) for at, reading in enumerate(readings, place)]

    def _run_segment(self, reading: _Reading) -> SegmentPartial:
        began, cpu = time.monotonic(), time.thread_time_ns()
        segment_id = reading.segment_id
        found = None if reading.cache is None else reading.cache.get(segment_id, reading.descriptor)
        from_cache = found is not None
        if found is None:
            found = self._read(reading)
            if reading.cache is not None:
                reading.cache.put(segment_id, reading.descriptor, found)
        reading.run.add_cpu_time(time.thread_time_ns() - cpu)
        self._metrics.segment_read(reading.query, segment_id, reading.submitted, began, from_cache)
        start = reading.found.data_segment.interval.start
        return SegmentPartial(segment_id, reading.descriptor.interval, start, found)

    def _read(self, reading: _Reading) -> Partial:
        assert reading.found.segment is not None
        run, deadline = reading.run, reading.run.segment_deadline(reading.query)
        found = self._engine.run_segment(
            reading.query,
            reading.found.segment,
            deadline,
            run.cancelled,
            segment_id=reading.segment_id,
            interval=reading.descriptor.interval,
            rows=reading.part.rows,
        )
        Control(deadline, run.cancelled, run.query_id).check()  # the last block may have taken long
        return found

    def _acquire(self, query: BaseQuery, run: QueryRun) -> list[Part]:
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
                acquired.append(Part(found, descriptor))
        return acquired


@frozen
class _Reading:
    """One segment, or a part of it, that is to be read for a query."""

    query: BaseQuery
    part: Part
    run: QueryRun
    cache: SegmentQueryCache | None
    submitted: float = field(factory=time.monotonic)

    @property
    def found(self) -> ReferenceCountedSegment:
        return self.part.found

    @property
    def descriptor(self) -> SegmentDescriptor:
        return self.part.descriptor

    @property
    def segment_id(self) -> str:
        return str(self.found.data_segment.id)
