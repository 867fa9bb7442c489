"""What is measured of queries, with the dimensions that Druid gives them."""

from __future__ import annotations

import time
from typing import Any

from nemeton.emitter.service import ServiceEmitter
from nemeton.query.cache.segments import query_type
from nemeton.query.model.base import BaseQuery


def dimensions(query: BaseQuery) -> dict[str, Any]:
    """Of all metrics of a query."""
    return {
        "id": query.id,
        "type": query_type(query),
        "dataSource": ",".join(sorted(query.data_sources())),
    }


class QueryMetrics:
    """Emits them. Thread-safe; never raises. Times in milliseconds, but CPU time in microseconds."""

    def __init__(self, emitter: ServiceEmitter) -> None:
        self._emitter = emitter

    def query_ended(
        self, query: BaseQuery | None, started: float, failure: BaseException | None, size: int | None, cpu_ns: int
    ) -> None:
        """A query was answered or has failed; ``started`` in seconds of `time.monotonic()`."""
        dims: dict[str, Any] = {"success": str(failure is None).lower()}
        if query is not None:
            dims |= dimensions(query)
            dims["interval"] = [str(interval) for interval in query.interval_list]
            dims["hasFilters"] = str(query.filter is not None).lower()
        self._emitter.emit_metric("query/time", _millis_since(started), **dims)
        if size is not None:
            self._emitter.emit_metric("query/bytes", size, **dims)
        if cpu_ns:
            self._emitter.emit_metric("query/cpu/time", cpu_ns // 1000, **dims)

    def segment_read(self, query: BaseQuery, segment_id: str, submitted: float, began: float, from_cache: bool) -> None:
        """A segment was read, or its answer was found in the cache."""
        dims = {**dimensions(query), "segment": segment_id}
        self._emitter.emit_metric("query/wait/time", (began - submitted) * 1000, **dims)
        taken = _millis_since(began)
        if not from_cache:
            self._emitter.emit_metric("query/segment/time", taken, **dims)
        self._emitter.emit_metric("query/segmentAndCache/time", taken, **dims)

    def segments_queried(self, query: BaseQuery, count: int) -> None:
        """A Broker has found out how many segments a query reads."""
        self._emitter.emit_metric("query/segments/count", count, **dimensions(query))

    def node_answered(
        self, query: BaseQuery, server: str, started: float, first_byte: float | None, size: int, failed: bool
    ) -> None:
        """A data server has answered a Broker, or has failed to."""
        dims = {**dimensions(query), "server": server, "status": "failed" if failed else "success"}
        if first_byte is not None:
            self._emitter.emit_metric("query/node/ttfb", (first_byte - started) * 1000, **dims)
        self._emitter.emit_metric("query/node/time", _millis_since(started), **dims)
        self._emitter.emit_metric("query/node/bytes", size, **dims)

    def result_cache_asked(self, query: BaseQuery, hit: bool) -> None:
        """The result-level cache was asked for an answer."""
        self._emitter.emit_metric("query/resultCache/hit", int(hit), **dimensions(query))

    def lane_chosen(self, query: BaseQuery, lane: str, priority: int) -> None:
        """A query was given its lane and priority."""
        dims = {"lane": lane, "dataSource": ",".join(sorted(query.data_sources())), "type": query_type(query)}
        self._emitter.emit_metric("query/priority", priority, **dims)


def _millis_since(start: float) -> float:
    return (time.monotonic() - start) * 1000
