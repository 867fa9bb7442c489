"""Marking segments used and unused below ``/druid/coordinator/v1/datasources``; the next run comes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nemeton.coordinator.api.common import (
    interval_of_path,
)
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.metadata.marking import INVALID_FILTER, SegmentsToUpdateFilter, SegmentUpdateResponse
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.model import SegmentId
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.http import (
    JSON,
    Request,
    Resource,
    Response,
    datasource_write,
    route,
)
from nemeton.time import ETERNITY

_ONE = "/druid/coordinator/v1/datasources/{dataSource}"
_WRITE = datasource_write("dataSource")


class MarkSegmentsResource(Resource):
    """The part of Druid's DataSourcesResource that changes which segments are used."""

    def __init__(
        self, segments: SegmentsMetadataManager, coordinator: DruidCoordinator, overlord: OverlordClient
    ) -> None:
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
        name, chosen = request.path_params["dataSource"], request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return Response(400, body=INVALID_FILTER)
        if chosen.interval is not None:
            interval = chosen.interval
            return self._changed(lambda: self._segments.mark_interval_as_unused(name, interval, chosen.versions))
        return self._changed(lambda: self._segments.mark_as_unused(name, chosen.segment_ids or []))

    @route("POST", f"{_ONE}/markUsed", access=_WRITE)
    def mark_used(self, request: Request) -> Any:
        """Mark the segments that the filter names, and that nothing overshadows, as used."""
        name, chosen = request.path_params["dataSource"], request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return Response(400, body=INVALID_FILTER)
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


def _unparsable(name: str, segment_id: str) -> Response:
    text = f"Could not parse Segment ID[{segment_id}] for DataSource[{name}]"
    return Response(400, body=text, media_type="text/plain")
