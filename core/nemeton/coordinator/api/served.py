"""What data servers serve, as the resources below ``/druid/coordinator/v1`` show it."""

from __future__ import annotations

from nemeton.model import DataSegment, DruidServerMetadata, SegmentId
from nemeton.rpc.server_inventory import HttpServerInventoryView


class ServedSegments:
    """The segments that data servers serve, by data source and tier."""

    def __init__(self, inventory: HttpServerInventoryView) -> None:
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
