"""``/druid/coordinator/v1/servers`` and ``/tiers``: the data servers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from nemeton.coordinator.api.common import by_interval_newest_first, size_and_count
from nemeton.model import DataSegment, SegmentId
from nemeton.rpc.server_inventory import DruidServer, HttpServerInventoryView
from nemeton.spi.http import Request, Resource, Response, route, state_read

BASE = "/druid/coordinator/v1"


class ServersResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, inventory: HttpServerInventoryView) -> None:
        """The Coordinator's inventory."""
        self._inventory = inventory

    @route("GET", f"{BASE}/servers", access=state_read)
    def servers(self, request: Request) -> Any:
        """All data servers: names, sizes (``simple``) or with their segments (``full``)."""
        servers = self._inventory.servers
        if request.has_query("full"):
            return [_full(server) for server in servers]
        if request.has_query("simple"):
            return [_simple(server) for server in servers]
        return [server.name for server in servers]

    @route("GET", f"{BASE}/servers/{{server}}", access=state_read)
    def server(self, request: Request) -> Any:
        """One data server; 404 when it is not known."""
        server = self._inventory.server(request.path_params["server"])
        if server is None:
            return Response(404)
        return _simple(server) if request.has_query("simple") else _full(server)

    @route("GET", f"{BASE}/servers/{{server}}/segments", access=state_read)
    def segments(self, request: Request) -> Any:
        """What it serves: ids, or with ``full`` the segments."""
        server = self._inventory.server(request.path_params["server"])
        if server is None:
            return Response(404)
        segments = server.segments
        return list(segments.values()) if request.has_query("full") else [str(each) for each in segments]

    @route("GET", f"{BASE}/servers/{{server}}/segments/{{segment}}", access=state_read)
    def segment(self, request: Request) -> Any:
        """One of its segments; 404 when it does not serve it."""
        server = self._inventory.server(request.path_params["server"])
        found = server and _find(server, request.path_params["segment"])
        return found or Response(404)


class TiersResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, inventory: HttpServerInventoryView) -> None:
        """The Coordinator's inventory."""
        self._inventory = inventory

    def _tiers(self) -> dict[str, list[DruidServer]]:
        tiers: dict[str, list[DruidServer]] = defaultdict(list)
        for server in self._inventory.servers:
            tiers[server.metadata.tier].append(server)
        return tiers

    @route("GET", f"{BASE}/tiers", access=state_read)
    def tiers(self, request: Request) -> Any:
        """The tiers: names, or with ``simple`` sizes."""
        tiers = self._tiers()
        if not request.has_query("simple"):
            return list(tiers)
        return {
            tier: {
                "currSize": sum(server.current_size for server in servers),
                "maxSize": sum(server.metadata.max_size for server in servers),
            }
            for tier, servers in tiers.items()
        }

    @route("GET", f"{BASE}/tiers/{{tier}}", access=state_read)
    def tier(self, request: Request) -> Any:
        """The data sources of a tier; with ``simple`` bytes and number of segments by interval."""
        servers = self._tiers().get(request.path_params["tier"], [])
        by_source: dict[str, list[DataSegment]] = defaultdict(list)
        for server in servers:
            for segment in server.segments.values():
                by_source[segment.data_source].append(segment)
        if not request.has_query("simple"):
            return list(by_source)
        return {
            name: {
                str(interval): size_and_count(group) for interval, group in by_interval_newest_first(segments).items()
            }
            for name, segments in by_source.items()
        }


def _find(server: DruidServer, text: str) -> DataSegment | None:
    for segment_id in SegmentId.parse_all(text):
        found = server.get(segment_id)
        if found is not None:
            return found
    return None


def _simple(server: DruidServer) -> dict[str, Any]:
    metadata = server.metadata
    return {
        "host": metadata.host,
        "tier": metadata.tier,
        "type": metadata.type,
        "priority": metadata.priority,
        "currSize": server.current_size,
        "maxSize": metadata.max_size,
    }


def _full(server: DruidServer) -> dict[str, Any]:
    metadata = server.metadata
    return {
        "host": metadata.host,
        "maxSize": metadata.max_size,
        "type": metadata.type,
        "tier": metadata.tier,
        "priority": metadata.priority,
        "segments": {str(segment_id): segment for segment_id, segment in server.segments.items()},
        "currSize": server.current_size,
    }
