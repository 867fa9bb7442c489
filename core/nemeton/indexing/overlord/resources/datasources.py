"""Marking segments used and unused on the Overlord, as Druid 33 does."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nemeton.indexing.overlord.resources.common import text
from nemeton.model import SegmentId
from nemeton.spi.http import JSON, Request, Resource, datasource_write, route
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
from nemeton.time import Interval

_BASE = "/druid/indexer/v1/datasources/{dataSource}"
_INVALID = (
    "Invalid request payload. Specify either 'interval' or 'segmentIds', but not both. "
    "Optionally, include 'versions' only when 'interval' is provided."
)


@frozen(kw_only=True)
class SegmentsToUpdateFilter:
    """Which segments to mark: those within an interval (of some versions), or those named."""

    interval: Interval | None = None
    segment_ids: list[str] | None = None
    versions: list[str] | None = None

    @property
    def is_valid(self) -> bool:
        """Exactly one of the two ways."""
        if self.interval is not None:
            return self.segment_ids is None
        return bool(self.segment_ids) and self.versions is None


class OverlordDataSourcesResource(Resource):
    """Below ``/druid/indexer/v1/datasources``."""

    def __init__(self, metadata: IndexerMetadataStorageCoordinator) -> None:
        self._metadata = metadata

    @route("POST", _BASE, access=datasource_write("dataSource"))
    def mark_all_used(self, request: Request) -> object:
        """All segments that nothing overshadows become used."""
        return _changed(self._metadata.mark_non_overshadowed_segments_as_used(request.path_params["dataSource"]))

    @route("DELETE", _BASE, access=datasource_write("dataSource"))
    def mark_all_unused(self, request: Request) -> object:
        """All segments become unused."""
        return _changed(self._metadata.mark_segments_as_unused(request.path_params["dataSource"], None))

    @route("POST", _BASE + "/markUsed", access=datasource_write("dataSource"))
    def mark_used(self, request: Request) -> object:
        """Those that nothing overshadows become used."""
        data_source = request.path_params["dataSource"]
        chosen = request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return text(400, _INVALID, JSON)
        if chosen.interval is not None:
            count = self._metadata.mark_non_overshadowed_segments_as_used(data_source, chosen.interval, chosen.versions)
        else:
            count = self._metadata.mark_segment_ids_as_used(data_source, chosen.segment_ids or [])
        return _changed(count)

    @route("POST", _BASE + "/markUnused", access=datasource_write("dataSource"))
    def mark_unused(self, request: Request) -> object:
        """They become unused."""
        data_source = request.path_params["dataSource"]
        chosen = request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return text(400, _INVALID, JSON)
        if chosen.interval is not None:
            count = self._metadata.mark_segments_as_unused(data_source, chosen.interval, chosen.versions)
        else:
            count = self._metadata.mark_segment_ids_as_unused(data_source, chosen.segment_ids or [])
        return _changed(count)

    @route("POST", _BASE + "/segments/{segmentId}", access=datasource_write("dataSource"))
    def mark_segment_used(self, request: Request) -> object:
        """One becomes used."""
        return self._mark_one(request, used=True)

    @route("DELETE", _BASE + "/segments/{segmentId}", access=datasource_write("dataSource"))
    def mark_segment_unused(self, request: Request) -> object:
        """One becomes unused."""
        return self._mark_one(request, used=False)

    def _mark_one(self, request: Request, *, used: bool) -> object:
        data_source, segment_id = request.path_params["dataSource"], request.path_params["segmentId"]
        if SegmentId.try_parse(data_source, segment_id) is None:
            return text(400, f"Could not parse Segment ID[{segment_id}] for DataSource[{data_source}]")
        mark = self._metadata.mark_segment_ids_as_used if used else self._metadata.mark_segment_ids_as_unused
        return _changed(mark(data_source, [segment_id]))


def _changed(count: int) -> dict[str, Any]:
    return {"numChangedSegments": count, "segmentStateChanged": count > 0}
