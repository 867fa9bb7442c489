"""``/druid/v2/datasources``, ``/druid/v2/candidates`` and ``/druid/broker/v1``: what the Broker knows."""

from __future__ import annotations

from typing import Any

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.model import VersionedIntervalTimeline
from nemeton.query.model.base import BaseQuery
from nemeton.server.broker.selector import ServerSelector
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import (
    Request,
    Resource,
    Response,
    datasource_read,
    in_handler,
    route,
    state_read,
    state_write,
    unsecured,
)
from nemeton.spi.query import Query
from nemeton.time import ETERNITY, Interval

_WEEK_MS = 7 * 24 * 3_600_000


class ClientInfoResource(Resource):
    """The data sources that are served, with their columns (Druid's class of the same name)."""

    def __init__(self, view: BrokerServerView, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    @route("GET", "/druid/v2/datasources", access=in_handler)
    def data_sources(self, request: Request) -> list[str]:
        """Names of the data sources that the caller may read."""
        return request.filter_authorized(
            self._view.data_sources, lambda name: [ResourceAction.datasource(name, Action.READ)]
        )

    @route("GET", "/druid/v2/datasources/{name}", access=datasource_read("name"))
    def data_source(self, request: Request) -> dict[str, Any]:
        """Dimensions and metrics; with ``full`` by interval."""
        if not request.has_query("full"):
            return {"dimensions": self._columns(request, "dimensions"), "metrics": self._columns(request, "metrics")}
        timeline = self._view.timeline(request.path_params["name"])
        if timeline is None:
            return {}
        by_interval: dict[str, dict[str, list[str]]] = {}
        for holder in timeline.lookup(_interval(request, self._clock.now())):
            columns = by_interval.setdefault(str(holder.interval), {"dimensions": [], "metrics": []})
            for selector in holder.objects:
                _add_new(columns["dimensions"], selector.segment.dimensions)
                _add_new(columns["metrics"], selector.segment.metrics)
        return by_interval

    @route("GET", "/druid/v2/datasources/{name}/dimensions", access=datasource_read("name"))
    def dimensions(self, request: Request) -> list[str]:
        """Dimensions of the visible segments in ``interval``, in order of their first appearance."""
        return self._columns(request, "dimensions")

    @route("GET", "/druid/v2/datasources/{name}/metrics", access=datasource_read("name"))
    def metrics(self, request: Request) -> list[str]:
        """Metrics of the visible segments in ``interval``, in order of their first appearance."""
        return self._columns(request, "metrics")

    def _columns(self, request: Request, kind: str) -> list[str]:
        timeline = self._view.timeline(request.path_params["name"])
        found: list[str] = []
        if timeline is not None:
            for selector in timeline.find_visible(_interval(request, self._clock.now())):
                _add_new(found, getattr(selector.segment, kind))
        return found

    @route("GET", "/druid/v2/datasources/{name}/candidates", access=datasource_read("name"))
    def candidates(self, request: Request) -> list[dict[str, Any]]:
        """The segments in some intervals and who serves them."""
        intervals = [Interval.parse(text) for text in (request.query("intervals") or str(ETERNITY)).split(",")]
        return _locations(self._view.timeline(request.path_params["name"]), intervals, _limit(request))


class BrokerQueryCandidatesResource(Resource):
    """Which servers a query would be sent to."""

    def __init__(self, view: BrokerServerView) -> None:
        self._view = view

    @route("POST", "/druid/v2/candidates", access=state_write)
    def candidates(self, request: Request) -> list[dict[str, Any]]:
        """The segments that the query reads and who serves them."""
        query: Any = request.json(Query)
        if not isinstance(query, BaseQuery):
            raise invalid_input("not a query that reads segments")
        return [
            location
            for table in sorted(query.data_sources())
            for location in _locations(self._view.timeline(table), query.interval_list, _limit(request))
        ]


class BrokerResource(Resource):
    """Whether the Broker's view is complete (Druid's class of the same name)."""

    def __init__(self, view: BrokerServerView) -> None:
        self._view = view

    @route("GET", "/druid/broker/v1/loadstatus", access=state_read)
    def load_status(self, request: Request) -> dict[str, bool]:
        """Whether the first view is complete."""
        return {"inventoryInitialized": self._view.is_initialized}

    @route("GET", "/druid/broker/v1/readiness", access=unsecured, produces=None)
    def readiness(self, request: Request) -> Response:
        """200 when the first view is complete, otherwise 503."""
        return Response(200 if self._view.is_initialized else 503)


def _locations(
    timeline: VersionedIntervalTimeline[ServerSelector] | None, intervals: Any, limit: int
) -> list[dict[str, Any]]:
    if timeline is None:
        return []
    return [
        {
            "interval": str(holder.interval),
            "version": holder.version,
            "partitionNumber": chunk.partition_num,
            "size": chunk.object.segment.size,
            "locations": [
                server.metadata.as_druid_server() for server in chunk.object.servers[: limit if limit >= 0 else None]
            ],
        }
        for interval in intervals
        for holder in timeline.lookup(interval)
        for chunk in holder.chunks
    ]


def _limit(request: Request) -> int:
    text = request.query("numCandidates", "-1")
    try:
        return int(text)
    except ValueError:
        raise invalid_input(f"numCandidates: expected a whole number, not [{text}]") from None


def _interval(request: Request, now: int) -> Interval:
    """The interval that is asked for; without one the last week, as in Druid."""
    text = request.query("interval")
    return Interval.parse(text) if text else Interval(now - _WEEK_MS, now)


def _add_new(found: list[str], names: tuple[str, ...]) -> None:
    found.extend(name for name in names if name not in found)
