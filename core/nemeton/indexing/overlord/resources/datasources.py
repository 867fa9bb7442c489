"""Marking segments used and unused on the Overlord, as Druid 33 does."""

from __future__ import annotations

from nemeton.indexing.overlord.resources.common import text
from nemeton.indexing.overlord.storage import OVERLORD
from nemeton.metadata.marking import INVALID_FILTER, SegmentsToUpdateFilter, SegmentUpdateResponse
from nemeton.model import SegmentId
from nemeton.spi.http import JSON, Request, Resource, datasource_write, route
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator

_BASE = "/druid/indexer/v1/datasources/{dataSource}"


class OverlordDataSourcesResource(Resource):
    """Below ``/druid/indexer/v1/datasources``."""

    def __init__(self, metadata: IndexerMetadataStorageCoordinator) -> None:
        self._metadata = metadata.acting_for(OVERLORD)

    @route("POST", _BASE, access=datasource_write("dataSource"))
    def mark_all_used(self, request: Request) -> object:
        """All segments that nothing overshadows become used."""
        return SegmentUpdateResponse(
            self._metadata.mark_non_overshadowed_segments_as_used(request.path_params["dataSource"])
        )

    @route("DELETE", _BASE, access=datasource_write("dataSource"))
    def mark_all_unused(self, request: Request) -> object:
        """All segments become unused."""
        return SegmentUpdateResponse(self._metadata.mark_segments_as_unused(request.path_params["dataSource"], None))

    @route("POST", _BASE + "/markUsed", access=datasource_write("dataSource"))
    def mark_used(self, request: Request) -> object:
        """Those that nothing overshadows become used."""
        data_source = request.path_params["dataSource"]
        chosen = request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return text(400, INVALID_FILTER, JSON)
        if chosen.interval is not None:
            count = self._metadata.mark_non_overshadowed_segments_as_used(data_source, chosen.interval, chosen.versions)
        else:
            count = self._metadata.mark_segment_ids_as_used(data_source, chosen.segment_ids or [])
        return SegmentUpdateResponse(count)

    @route("POST", _BASE + "/markUnused", access=datasource_write("dataSource"))
    def mark_unused(self, request: Request) -> object:
        """They become unused."""
        data_source = request.path_params["dataSource"]
        chosen = request.json(SegmentsToUpdateFilter)
        if chosen is None or not chosen.is_valid:
            return text(400, INVALID_FILTER, JSON)
        if chosen.interval is not None:
            count = self._metadata.mark_segments_as_unused(data_source, chosen.interval, chosen.versions)
        else:
            count = self._metadata.mark_segment_ids_as_unused(data_source, chosen.segment_ids or [])
        return SegmentUpdateResponse(count)

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
        return SegmentUpdateResponse(mark(data_source, [segment_id]))
