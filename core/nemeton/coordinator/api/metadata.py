"""``/druid/coordinator/v1/metadata``: the used segments, whether served or not (Druid's MetadataResource)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nemeton.common.errors import DruidException, invalid_input
from nemeton.coordinator.api.common import interval_of_path
from nemeton.coordinator.status import ReplicationStatus
from nemeton.json import Json
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.model import DataSegment
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import Request, Resource, Response, datasource_read, datasource_write, in_handler, internal, route
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
from nemeton.time import ETERNITY, Interval, format_datetime

BASE = "/druid/coordinator/v1/metadata"
_ONE = f"{BASE}/datasources/{{dataSource}}"
_READ = datasource_read("dataSource")
#: Druid takes the action from the method: what is posted needs WRITE, even when it only reads.
_WRITE = datasource_write("dataSource")


class MetadataResource(Resource):
    """Druid's class of the same name."""

    def __init__(
        self,
        segments: SegmentsMetadataManager,
        store: IndexerMetadataStorageCoordinator,
        status: ReplicationStatus,
        json: Json,
    ) -> None:
        self._segments = segments
        self._store = store
        self._status = status
        self._json = json

    @route("GET", f"{BASE}/datasources", access=in_handler)
    def data_sources(self, request: Request) -> Any:
        """Data sources with used segments, or with any (``includeUnused``); ``full`` with their segments."""
        snapshot = self._segments.snapshot()
        if request.has_query("includeUnused"):
            names: Iterable[str] = sorted(self._segments.retrieve_all_data_source_names())
        else:
            names = snapshot.data_sources
        allowed = request.filter_authorized(names, lambda name: [ResourceAction.datasource(name, Action.READ)])
        if request.has_query("full") and not request.has_query("includeUnused"):
            return [self._full(name, snapshot.segments[name]) for name in allowed]
        return allowed

    @route("GET", _ONE, access=_READ)
    def data_source(self, request: Request) -> Any:
        """A data source with its used segments; 404 without any."""
        name = request.path_params["dataSource"]
        segments = self._used(name)
        return self._full(name, segments) if segments else Response(404)

    def _full(self, name: str, segments: Iterable[DataSegment]) -> dict[str, Any]:
        created = format_datetime(self._segments.snapshot().taken_at)
        return {"name": name, "properties": {"created": created}, "segments": list(segments)}

    def _used(self, name: str) -> tuple[DataSegment, ...]:
        return self._segments.snapshot().segments.get(name, ())

    @route("GET", f"{BASE}/segments", access=in_handler)
    def segments(self, request: Request) -> Any:
        """All used segments, on request of some data sources only, and with whether they are overshadowed."""
        snapshot = self._segments.snapshot()
        wanted = set(request.query_all("datasources")) or set(snapshot.data_sources)
        allowed = request.filter_authorized(
            [name for name in snapshot.data_sources if name in wanted],
            lambda name: [ResourceAction.datasource(name, Action.READ)],
        )
        segments = [segment for name in allowed for segment in snapshot.segments[name]]
        if not request.has_query("includeOvershadowedStatus"):
            return segments
        return [self._with_status(segment, segment in snapshot.overshadowed) for segment in segments]

    def _with_status(self, segment: DataSegment, overshadowed: bool) -> dict[str, Any]:
        return {
            "overshadowed": overshadowed,
            "replicationFactor": self._status.replication_factor(segment),
            "numRows": None,
            "realtime": False,
            **self._json.unstructure(segment),
        }

    @route("GET", f"{_ONE}/segments", access=_READ)
    def used_segments(self, request: Request) -> Any:
        """The used segments of a data source: ids, or with ``full`` themselves; 404 without any."""
        segments = self._used(request.path_params["dataSource"])
        return self._listed(request, segments) if segments else Response(404)

    @route("POST", f"{_ONE}/segments", access=_WRITE)
    def used_segments_in_intervals(self, request: Request) -> Any:
        """The used segments of some intervals, as they are in the store now."""
        try:
            intervals = [Interval.parse(text) for text in request.json(list[str])]
        except DruidException as failure:
            raise invalid_input(f"Expected a list of intervals: {failure.message}") from failure
        found = self._store.retrieve_used_segments(
            request.path_params["dataSource"], intervals, "INCLUDING_OVERSHADOWED"
        )
        return self._listed(request, sorted(found))

    @staticmethod
    def _listed(request: Request, segments: Iterable[DataSegment]) -> Any:
        return list(segments) if request.has_query("full") else [str(segment.id) for segment in segments]

    @route("GET", f"{_ONE}/segments/{{segment}}", access=_READ)
    def segment(self, request: Request) -> Any:
        """One used segment (with ``includeUnused=true`` an unused one too); 404 when it is not there."""
        name, segment_id = request.path_params["dataSource"], request.path_params["segment"]
        for segment in self._used(name):
            if str(segment.id) == segment_id:
                return segment
        if request.query("includeUnused") == "true":
            found = self._store.retrieve_segments_by_id(name, [segment_id])
            if found:
                return found[0]
        return Response(404)

    @route("GET", f"{_ONE}/unusedSegments", access=_READ)
    def unused_segments(self, request: Request) -> Any:
        """The unused segments of a data source, by interval; ``limit`` and ``sortOrder`` as in Druid."""
        limit = _limit(request)
        given = request.query("interval")
        interval = interval_of_path(given) if given else ETERNITY
        found = sorted(self._store.retrieve_unused_segments(request.path_params["dataSource"], interval))
        if (request.query("sortOrder") or "").upper() == "DESC":
            found.reverse()
        return found[:limit]

    @route("POST", f"{BASE}/bootstrapSegments", access=internal)
    def bootstrap_segments(self, request: Request) -> Any:
        """The segments that a data server must have before it serves anything: none without broadcast rules."""
        return []


def _limit(request: Request) -> int | None:
    text = request.query("limit")
    if text is None:
        return None
    try:
        limit = int(text)
    except ValueError:
        raise invalid_input(f"limit: expected a whole number, not [{text}]") from None
    if limit <= 0:
        raise invalid_input(f"Invalid limit[{limit}] specified. Limit must be > 0.")
    return limit
