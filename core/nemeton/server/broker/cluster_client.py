"""Runs native queries over the cluster: split by timeline and server, ask, merge (Druid's CachingClusteredClient)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nemeton.dataserver.answering import SegmentPartial, answer
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import IF_NONE_MATCH, QueryRun
from nemeton.dataserver.scheduling.scheduler import QueryScheduler
from nemeton.query.cache.segments import SegmentCache, SegmentQueryCache
from nemeton.query.engine import Partial, QueryEngine
from nemeton.query.model.base import BaseQuery
from nemeton.server.broker.data_server import ServerAnswer
from nemeton.server.broker.fan_out import FanOut
from nemeton.server.broker.result_cache import ResultLevelCache
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.server.broker.splitting import Wanted, split, uncovered_intervals
from nemeton.time import Interval


class CachingClusteredClient:
    """A `QuerySegmentWalker` over the cluster. Thread-safe.

    What the caches have is not asked for; see `FanOut` for segments that are lost. A query that need not be merged is
    streamed: no more of it is held than what has arrived and is not yet sent on.
    """

    def __init__(
        self,
        view: BrokerServerView,
        engine: QueryEngine,
        fan_out: FanOut,
        cache: SegmentCache,
        results: ResultLevelCache,
        scheduler: QueryScheduler,
        metrics: QueryMetrics,
    ) -> None:
        self._view = view
        self._engine = engine
        self._fan_out = fan_out
        self._cache = cache
        self._results = results
        self._scheduler = scheduler
        self._metrics = metrics
        view.on_change(self._segment_changed)

    def run(self, query: BaseQuery, run: QueryRun) -> Iterable[Any]:
        """See `QuerySegmentWalker`."""
        run.takes_blocks = False  # who asks a Broker gets Druid's forms
        known = query.context.get(IF_NONE_MATCH)
        if known is not None:
            query = query.without_context(IF_NONE_MATCH)
        kept = self._results.for_query(query, run, known)
        if kept.is_known:
            return ()
        if kept.rows is not None:
            return kept.rows
        run.takes_columns = run.takes_columns and not kept.is_to_keep
        return kept.keeping(answer(self._engine, query, run, self))

    def _segment_changed(self, segment: Any, added: bool) -> None:
        if not added:
            self._cache.forget(str(segment.id))

    # ---- see `nemeton.dataserver.answering.Tables`

    def merged(self, query: BaseQuery, run: QueryRun) -> Partial:
        """One partial of all segments that the query reads."""
        query, wanted = self._begin(query, run)
        cache = self._cache.for_query(query)
        if cache is None:
            partials = self._partials(query, wanted, run)
        else:
            partials = self._partials_and_cached(query, wanted, run, cache)
        merger = self._engine.merger(query, run.deadline, run.cancelled)
        run.resources.callback(merger.close)
        for place, partial in enumerate(partials):
            merger.add(place, partial)
        return self._engine.result_of(merger)

    def by_segment(self, query: BaseQuery, run: QueryRun) -> list[SegmentPartial]:
        """One partial of each segment that the query reads."""
        query, wanted = self._begin(query, run)
        return [found for _, found in self._of_segments(query, wanted, run, {})]

    def _begin(self, query: BaseQuery, run: QueryRun) -> tuple[BaseQuery, list[Wanted]]:
        """Find out what is read, and take a place among the running queries."""
        limit = query.query_context.get_int("uncoveredIntervalsLimit", 0)
        if limit > 0:
            run.uncovered, run.uncovered_overflowed = uncovered_intervals(self._view, query, limit)
        wanted = split(self._view, query)
        query = self._scheduler.admit(query, [each.descriptor for each in wanted], run)
        self._metrics.segments_queried(query, len(wanted))
        self._results.note_read(run, wanted)
        return query, wanted

    def _partials(self, query: BaseQuery, wanted: Sequence[Wanted], run: QueryRun) -> list[Partial]:
        asked = self._engine.for_data_server(query)
        stream, stream_long = self._engine.is_streamed(query), self._engine.merges_streams(query)
        parts = self._fan_out.ask(asked, wanted, run, {}, stream=stream, stream_long=stream_long, again=self._again)
        return [self._partial(query, part.answer) for part in parts if part.answer is not None]

    def _partial(self, query: BaseQuery, answer: ServerAnswer) -> Partial:
        read = self._engine.from_blocks if answer.are_blocks else self._engine.from_wire
        return read(query, answer.rows)

    def _partials_and_cached(
        self, query: BaseQuery, wanted: Sequence[Wanted], run: QueryRun, cache: SegmentQueryCache
    ) -> list[Partial]:
        found = cache.find([(each.segment_id, each.descriptor) for each in wanted])
        left = [each for place, each in enumerate(wanted) if place not in found]
        partials = list(found.values())
        if not left:
            return partials
        if not cache.writes:
            return partials + self._partials(query, left, run)
        for each, partial in self._of_segments(query, left, run, {"populateCache": False}):
            if each.is_published:
                cache.put(each.segment_id, each.descriptor, partial.partial)
            partials.append(partial.partial)
        return partials

    def _of_segments(
        self, query: BaseQuery, wanted: Sequence[Wanted], run: QueryRun, context: dict[str, Any]
    ) -> list[tuple[Wanted, SegmentPartial]]:
        """Each segment with its partial; segments for which a data server has nothing to say are left out."""
        found = []
        asked, context = self._engine.for_data_server(query), {**context, "bySegment": True}
        for part in self._fan_out.ask(asked, wanted, run, context, stream=False, again=self._again):
            by_name = {(each.segment_id, each.descriptor.interval): each for each in part.asked}
            for row in part.answer.rows if part.answer is not None else ():
                result = row["result"]
                each = by_name[result["segment"], Interval.parse(result["interval"])]
                partial = self._engine.from_wire(query, result["results"])
                start = each.selector.segment.interval.start
                found.append((each, SegmentPartial(each.segment_id, each.descriptor.interval, start, partial)))
        return found

    def _again(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Segments that were lost, as the view has them now."""
        found = [(each, self._view.selector(each.table, each.descriptor)) for each in wanted]
        return [each if selector is None else Wanted(each.table, each.descriptor, selector) for each, selector in found]
