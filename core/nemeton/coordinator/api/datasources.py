"""``/druid/coordinator/v1/datasources``: what is served of each data source, and marking segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.coordinator.api.common import (
    by_interval_newest_first,
    interval_of_path,
    segment_summary,
    size_and_count,
)
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.coordinator.status import ReplicationStatus, percentage
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.model import DataSegment, DruidServerMetadata, SegmentDescriptor, SegmentId, SegmentTimeline
from nemeton.rpc.overlord import OverlordClient
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import (
    JSON,
    Request,
    Resource,
    Response,
    datasource_read,
    datasource_write,
    in_handler,
    route,
)
from nemeton.time import ETERNITY, Interval

BASE = "/druid/coordinator/v1/datasources"
_ONE = f"{BASE}/{{dataSource}}"
_READ = datasource_read("dataSource")
_WRITE = datasource_write("dataSource")
_BAD_FILTER = (
    "Invalid request payload. Specify either 'interval' or 'segmentIds', but not both. Optionally, include 'versions' "
    "only when 'interval' is provided."
)
_TWO_WEEKS_MS = 14 * 24 * 3_600_000


@frozen
class SegmentsToUpdateFilter:
    """Which segments are to be marked: those of an interval (and of some versions), or those with some ids."""

    interval: Interval | None = None
    segment_ids: list[str] | None = None
    versions: list[str] | None = field(default=None)

    @property
    def is_valid(self) -> bool:
        """Druid's rule."""
        if self.interval is not None:
            return self.segment_ids is None
        return bool(self.segment_ids) and self.versions is None


@frozen
class SegmentUpdateResponse:
    """How many segments changed."""

    num_changed_segments: int

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """Druid's form."""
        return {
            "numChangedSegments": self.num_changed_segments,
            "segmentStateChanged": self.num_changed_segments > 0,
        }


class ServedSegments:
    """The segments that data servers serve, by data source and tier."""

    def __init__(self, inventory: HttpServerInventoryView) -> None:
        """The Coordinator's inventory."""
        self._inventory = inventory

    def data_sources(self) -> list[str]:
        """Names, sorted."""
        return sorted(
            {segment.data_source for server in self._inventory.servers for segment in server.segments.values()}
        )

    def segments(self, data_source: str) -> dict[SegmentId, DataSegment]:
        """The segments of a data source, once each; what historicals say of them is better than what tasks say."""
        found: dict[SegmentId, DataSegment] = {}
        for server in sorted(self._inventory.servers, key=lambda each: each.metadata.is_replicatable):
            found.update((key, each) for key, each in server.segments.items() if each.data_source == data_source)
        return dict(sorted(found.items()))

    def tiers(self, data_source: str) -> dict[str, dict[str, int]]:
        """Bytes and number of segments by tier, with and without counting copies."""
        tiers: dict[str, dict[str, int]] = {}
        seen: set[tuple[str, SegmentId]] = set()
        for server in self._inventory.servers:
            tier = server.metadata.tier
            for key, segment in server.segments.items():
                if segment.data_source != data_source:
                    continue
                sizes = tiers.setdefault(tier, {"size": 0, "replicatedSize": 0, "segmentCount": 0})
                sizes["replicatedSize"] += segment.size
                if (tier, key) not in seen:
                    seen.add((tier, key))
                    sizes["size"] += segment.size
                    sizes["segmentCount"] += 1
        return tiers

    def servers_of(self, segment_id: SegmentId) -> list[str]:
        """Who serves a segment."""
        return [server.name for server in self.metadata_of_servers(segment_id)]

    def metadata_of_servers(self, segment_id: SegmentId) -> list[DruidServerMetadata]:
        """The same, with all that is known of the servers."""
        return [server.metadata for server in self._inventory.servers if server.get(segment_id) is not None]


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


class MarkSegmentsResource(Resource):
    """Druid's DataSourcesResource: marking segments as used and unused."""

    def __init__(
        self, segments: SegmentsMetadataManager, coordinator: DruidCoordinator, overlord: OverlordClient
    ) -> None:
        """All are this role's."""
        self._segments = segments
        self._coordinator = coordinator
        self._overlord = overlord

    def _changed(self, change: Callable[[], int]) -> SegmentUpdateResponse:
        answer = SegmentUpdateResponse(change())
        if answer.num_changed_segments:
            self._segments.poll_soon()
            self._coordinator.nudge()
        return answer

    @route("POST", f"{_ONE}/markUnused", access=_WRITE)
    def mark_unused(self, request: Request) -> Any:
        """Mark the segments that the filter names as unused."""
        name, chosen = request.path_params["dataSource"], _filter(request)
        if chosen is None:
            return Response(400, body=_BAD_FILTER)
        if chosen.interval is not None:
            interval = chosen.interval
            return self._changed(lambda: self._segments.mark_interval_as_unused(name, interval, chosen.versions))
        return self._changed(lambda: self._segments.mark_as_unused(name, chosen.segment_ids or []))

    @route("POST", f"{_ONE}/markUsed", access=_WRITE)
    def mark_used(self, request: Request) -> Any:
        """Mark the segments that the filter names, and that nothing overshadows, as used."""
        name, chosen = request.path_params["dataSource"], _filter(request)
        if chosen is None:
            return Response(400, body=_BAD_FILTER)
        if chosen.interval is not None:
            interval = chosen.interval
            return self._changed(lambda: self._segments.mark_interval_as_used(name, interval, chosen.versions))
        return self._changed(lambda: self._segments.mark_as_used(name, chosen.segment_ids or []))

    @route("DELETE", _ONE, access=_WRITE)
    def delete(self, request: Request) -> Any:
        """Mark all segments as unused; with ``kill=true`` have the unused ones of an interval removed by a task."""
        name = request.path_params["dataSource"]
        if request.query("kill") == "true":
            return self._kill(name, request.query("interval") or "")
        return self._changed(lambda: self._segments.mark_interval_as_unused(name, ETERNITY))

    @route("POST", _ONE, access=_WRITE)
    def enable(self, request: Request) -> Any:
        """Mark all segments that nothing overshadows as used."""
        name = request.path_params["dataSource"]
        return self._changed(lambda: self._segments.mark_interval_as_used(name))

    @route("DELETE", f"{_ONE}/segments/{{segment}}", access=_WRITE)
    def delete_segment(self, request: Request) -> Any:
        """Mark one segment as unused."""
        name, segment_id = request.path_params["dataSource"], request.path_params["segment"]
        if SegmentId.try_parse(name, segment_id) is None:
            return _unparsable(name, segment_id)
        return self._changed(lambda: self._segments.mark_as_unused(name, [segment_id]))

    @route("POST", f"{_ONE}/segments/{{segment}}", access=_WRITE)
    def enable_segment(self, request: Request) -> Any:
        """Mark one segment as used."""
        name, segment_id = request.path_params["dataSource"], request.path_params["segment"]
        if SegmentId.try_parse(name, segment_id) is None:
            return _unparsable(name, segment_id)
        return self._changed(lambda: self._segments.mark_as_used(name, [segment_id]))

    @route("DELETE", f"{_ONE}/intervals/{{interval}}", access=_WRITE)
    def kill_interval(self, request: Request) -> Response:
        """Have the unused segments of an interval removed by a task."""
        return self._kill(request.path_params["dataSource"], request.path_params["interval"])

    def _kill(self, name: str, interval: str) -> Response:
        task = {"type": "kill", "dataSource": name, "interval": str(interval_of_path(interval))}
        self._overlord.run_task({"id": f"api-issued_kill_{name}_{interval.replace('/', '_')}", **task})
        return Response(200, media_type=JSON)


def _filter(request: Request) -> SegmentsToUpdateFilter | None:
    found: SegmentsToUpdateFilter = request.json(SegmentsToUpdateFilter)
    return found if found.is_valid else None


def _unparsable(name: str, segment_id: str) -> Response:
    text = f"Could not parse Segment ID[{segment_id}] for DataSource[{name}]"
    return Response(400, body=text, media_type="text/plain")


class IntervalsResource(Resource):
    """Druid's class of the same name: what is served, by interval and data source."""

    def __init__(self, served: ServedSegments) -> None:
        """What is served."""
        self._served = served

    def _allowed(self, request: Request) -> list[str]:
        return request.filter_authorized(
            self._served.data_sources(), lambda name: [ResourceAction.datasource(name, Action.READ)]
        )

    @route("GET", "/druid/coordinator/v1/intervals", access=in_handler)
    def intervals(self, request: Request) -> Any:
        """Bytes and number of segments by interval and data source, the latest interval first."""
        segments = [each for name in self._allowed(request) for each in self._served.segments(name).values()]
        return {str(interval): _by_source(group) for interval, group in by_interval_newest_first(segments).items()}

    @route("GET", "/druid/coordinator/v1/intervals/{interval}", access=in_handler)
    def interval(self, request: Request) -> Any:
        """The same within an interval; without ``simple`` and ``full`` the sums."""
        within = interval_of_path(request.path_params["interval"])
        segments = [
            each
            for name in self._allowed(request)
            for each in self._served.segments(name).values()
            if within.contains(each.interval)
        ]
        grouped = by_interval_newest_first(segments)
        if request.has_query("full"):
            return {str(interval): _by_source(group) for interval, group in grouped.items()}
        if request.has_query("simple"):
            return {str(interval): size_and_count(group) for interval, group in grouped.items()}
        return size_and_count(segments)


def _by_source(segments: list[DataSegment]) -> dict[str, Any]:
    names = dict.fromkeys(segment.data_source for segment in segments)
    return {name: size_and_count(each for each in segments if each.data_source == name) for name in names}
