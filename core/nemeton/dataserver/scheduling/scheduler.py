"""Lets so many queries run at a time, and says which go first (Druid's QueryScheduler)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.scheduling.config import QuerySchedulerConfig
from nemeton.dataserver.scheduling.strategies import DEFAULT, TOTAL
from nemeton.http.config import ServerConfig
from nemeton.model import SegmentDescriptor
from nemeton.query.model.base import Q
from nemeton.spi.scheduling import QueryLaningStrategy, QueryPrioritizationStrategy

_CAPACITY_CLASS = "org.apache.druid.query.QueryCapacityExceededException"


class QueryScheduler:
    """Thread-safe. Nothing waits: a query beyond a limit fails at once with 429, for its client to try again later.

    ``druid.query.scheduler.numThreads`` limits all queries if it is less than ``druid.server.http.numThreads``; lanes
    are parts of it.
    """

    def __init__(
        self,
        config: QuerySchedulerConfig,
        laning: QueryLaningStrategy,
        prioritization: QueryPrioritizationStrategy,
        server: ServerConfig,
        metrics: QueryMetrics,
    ) -> None:
        limited = 0 < config.num_threads < server.num_threads
        total = config.num_threads if limited else server.num_threads
        self._laning = laning
        self._prioritization = prioritization
        self._metrics = metrics
        self._limits = dict(laning.lane_limits(total))
        if limited:
            self._limits[TOTAL] = total
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def admit(self, query: Q, segments: Sequence[SegmentDescriptor], run: QueryRun) -> Q:
        """The query with its priority and lane; its place is held until the run is closed.

        Raises Druid's error for a capacity that is exceeded. A run that was admitted stays so: parts of a nested query
        share its place.
        """
        priority = self._prioritization.compute_priority(query, segments)
        if priority is not None:
            query = query.with_context(priority=priority)
        lane = self._laning.compute_lane(query, segments)
        if lane is not None:
            query = query.with_context(lane=lane)
        if not run.admitted:
            self._metrics.lane_chosen(query, lane or DEFAULT, priority or 0)
            self._enter(run, lane)
        return query

    def running(self, lane: str = TOTAL) -> int:
        """How many queries run in the lane, of those that count."""
        return self._running[lane]

    def _enter(self, run: QueryRun, lane: str | None) -> None:
        with self._lock:
            places = [name for name in (lane, TOTAL) if name is not None and name in self._limits]
            for name in places:
                if self._running[name] >= self._limits[name]:
                    raise _exceeded(name, self._limits[name])
            self._running.update(places)
        run.admitted = True
        run.resources.callback(self._leave, places)

    def _leave(self, places: Sequence[str]) -> None:
        with self._lock:
            self._running.subtract(places)


def _exceeded(lane: str, limit: int) -> QueryException:
    what = (
        f"Too many concurrent queries, total query capacity of {limit} exceeded."
        if lane == TOTAL
        else f"Too many concurrent queries for lane '{lane}', query capacity of {limit} exceeded."
    )
    return QueryException(
        QueryException.CAPACITY, f"{what} Please try your query again later.", error_class=_CAPACITY_CLASS
    )
