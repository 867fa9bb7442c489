"""``/druid/coordinator/v1/datasources``: what is served of each data source."""

from __future__ import annotations

from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.coordinator.api.common import (
    by_interval_newest_first,
    interval_of_path,
    segment_summary,
    size_and_count,
)
from nemeton.coordinator.api.served import ServedSegments
from nemeton.coordinator.status import ReplicationStatus, percentage
from nemeton.model import DataSegment, SegmentDescriptor, SegmentId, SegmentTimeline
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import (
    Request,
    Resource,
    Response,
    datasource_read,
    datasource_write,
    in_handler,
    route,
)
from nemeton.time import Interval

BASE = "/druid/coordinator/v1/datasources"
_ONE = f"{BASE}/{{dataSource}}"
_READ = datasource_read("dataSource")
_WRITE = datasource_write("dataSource")
_TWO_WEEKS_MS = 14 * 24 * 3_600_000


class DataSourcesResource(Resource):
    """Druid's class of the same name: reading."""

    def __init__(self, served: ServedSegments, status: ReplicationStatus) -> None:
        """Both are this role's."""
        self._served = served
        self._status = status

    @route("GET", BASE, access=in_handler)
    def data_sources(self, request: Request) -> Any:
        """The served data sources: names, sizes (``simple``) or segments (``full``)."""
        names = request.filter_authorized(
            self._served.data_sources(), lambda name: [ResourceAction.datasource(name, Action.READ)]
        )
        if request.has_query("full"):
            return [{**self._full(name), "properties": {"client": "side"}} for name in names]  # what Druid says
        if request.has_query("simple"):
            return [{"name": name, "properties": self._summary(name)} for name in names]
        return names

    @route("GET", _ONE, access=_READ)
    def data_source(self, request: Request) -> Any:
        """One data source; 204 when nothing of it is served."""
        name = request.path_params["dataSource"]
        if not self._served.segments(name):
            return Response(204)
        return self._full(name) if request.has_query("full") else self._summary(name)

    def _full(self, name: str) -> dict[str, Any]:
        return {"name": name, "properties": {}, "segments": list(self._served.segments(name).values())}

    def _summary(self, name: str) -> dict[str, Any]:
        tiers = self._served.tiers(name)
        summary = segment_summary(self._served.segments(name).values())
        summary["replicatedSize"] = sum(sizes["replicatedSize"] for sizes in tiers.values())
        return {"tiers": tiers, "segments": summary}

    @route("GET", f"{_ONE}/tiers", access=_READ)
    def tiers(self, request: Request) -> Any:
        """The tiers that serve it."""
        return list(self._served.tiers(request.path_params["dataSource"]))

    @route("GET", f"{_ONE}/segments", access=_READ)
    def segments(self, request: Request) -> Any:
        """Its served segments: ids, or with ``full`` themselves; 204 without any."""
        segments = self._served.segments(request.path_params["dataSource"])
        if not segments:
            return Response(204)
        return list(segments.values()) if request.has_query("full") else [str(each) for each in segments]

    @route("GET", f"{_ONE}/segments/{{segment}}", access=_READ)
    def segment(self, request: Request) -> Any:
        """One segment with who serves it; 204 when nobody does."""
        name = request.path_params["dataSource"]
        segment_id = SegmentId.try_parse(name, request.path_params["segment"])
        found = self._served.segments(name).get(segment_id) if segment_id is not None else None
        return Response(204) if found is None else self._with_servers(found)

    def _with_servers(self, segment: DataSegment) -> dict[str, Any]:
        return {"metadata": segment, "servers": self._served.servers_of(segment.id)}

    @route("GET", f"{_ONE}/intervals", access=_READ)
    def intervals(self, request: Request) -> Any:
        """The intervals of its served segments, the latest first."""
        segments = self._served.segments(request.path_params["dataSource"])
        if not segments:
            return Response(204)
        grouped = by_interval_newest_first(segments.values())
        if request.has_query("simple") or request.has_query("full"):
            return self._by_interval(request, grouped)
        return [str(interval) for interval in grouped]

    @route("GET", f"{_ONE}/intervals/{{interval}}", access=_READ)
    def interval(self, request: Request) -> Any:
        """The served segments within an interval."""
        within = interval_of_path(request.path_params["interval"])
        segments = self._served.segments(request.path_params["dataSource"]).values()
        if not segments:
            return Response(204)
        inside = [segment for segment in segments if within.contains(segment.interval)]
        if request.has_query("simple") or request.has_query("full"):
            return self._by_interval(request, by_interval_newest_first(inside))
        return [str(segment.id) for segment in inside]

    @route("GET", f"{_ONE}/intervals/{{interval}}/serverview", access=_READ)
    def server_view(self, request: Request) -> list[dict[str, Any]]:
        """The segments that count in an interval, each with its servers; ``partial=true``: of incomplete ones too."""
        within = interval_of_path(request.path_params["interval"])
        segments = self._served.segments(request.path_params["dataSource"]).values()
        timeline = SegmentTimeline.of(segments)
        if request.query("partial") == "true":
            counting = [each for each in segments if not timeline.is_segment_overshadowed(each)]
        else:
            counting = timeline.find_visible(within)
        return [
            {"segment": segment, "servers": self._served.metadata_of_servers(segment.id)}
            for segment in counting
            if segment.interval.overlaps(within)
        ]

    def _by_interval(self, request: Request, grouped: dict[Interval, list[DataSegment]]) -> dict[str, Any]:
        if request.has_query("simple"):
            return {str(interval): size_and_count(group) for interval, group in grouped.items()}
        return {
            str(interval): {str(segment.id): self._with_servers(segment) for segment in group}
            for interval, group in grouped.items()
        }

    @route("GET", f"{_ONE}/loadstatus", access=_READ)
    def load_status(self, request: Request) -> Any:
        """How much of its used segments in an interval (the last two weeks) is served."""
        refresh = request.query("forceMetadataRefresh")
        if refresh is None:
            return Response(400, body="Invalid request. forceMetadataRefresh must be specified")
        name = request.path_params["dataSource"]
        snapshot = self._status.snapshot(refresh=refresh.lower() == "true")
        given = request.query("interval")
        interval = interval_of_path(given) if given else Interval(snapshot.taken_at - _TWO_WEEKS_MS, snapshot.taken_at)
        inside = [each for each in self._status.wanted(snapshot, name) if each.interval.overlaps(interval)]
        if not inside:
            return Response(200, body="No used segment found for the given datasource and interval")
        if request.has_query("full"):
            cluster = request.has_query("computeUsingClusterView")
            return self._status.under_replicated(inside, using_cluster_view=cluster)
        served = self._status.served()
        if request.has_query("simple"):
            return {name: sum(segment.id not in served for segment in inside)}
        return {name: percentage(inside, served)}

    @route("GET", f"{_ONE}/handoffComplete", access=_READ)
    def handoff_complete(self, request: Request) -> bool:
        """Whether a historical serves the segment, or none ever will."""
        try:
            descriptor = SegmentDescriptor(
                Interval.parse(request.query("interval", "")),
                request.query("version", ""),
                int(request.query("partitionNumber", "")),
            )
        except ValueError:
            raise invalid_input("partitionNumber: expected a whole number") from None
        return self._status.is_handoff_complete(request.path_params["dataSource"], descriptor)
