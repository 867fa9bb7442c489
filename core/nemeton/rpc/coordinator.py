"""The Coordinator as its clients see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from nemeton.model import DataSegment, SegmentDescriptor
from nemeton.rpc.client import RetryPolicy, ServiceClient
from nemeton.rpc.errors import HttpResponseError
from nemeton.time import Interval

_BASE = "/druid/coordinator/v1"


class CoordinatorClient:
    """Typed calls of the Coordinator's API (Druid's CoordinatorClient). Thread-safe; failures as in `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    def with_policy(self, policy: RetryPolicy) -> CoordinatorClient:
        """The same with other patience."""
        return CoordinatorClient(self.client.with_policy(policy))

    def find_current_leader(self) -> str:
        """The leader's base URL."""
        return self.client.request("GET", f"{_BASE}/leader").text.strip().strip('"')

    def is_handoff_complete(self, data_source: str, descriptor: SegmentDescriptor) -> bool:
        """Whether the segment is served by a historical, or will never be."""
        query = urlencode(
            {
                "interval": str(descriptor.interval),
                "partitionNumber": descriptor.partition_number,
                "version": descriptor.version,
            }
        )
        answer = self.client.request(
            "GET", f"{_BASE}/datasources/{quote(data_source, safe='')}/handoffComplete?{query}"
        )
        return bool(answer.json())

    def fetch_segment(self, data_source: str, segment_id: str, *, include_unused: bool = False) -> DataSegment | None:
        """A segment's metadata; None when there is none."""
        path = f"{_BASE}/metadata/datasources/{quote(data_source, safe='')}/segments/{quote(segment_id, safe='')}"
        try:
            answer = self.client.request("GET", f"{path}?includeUnused={'true' if include_unused else 'false'}")
        except HttpResponseError as failure:
            if failure.status == 404:
                return None
            raise
        found: DataSegment = answer.json(DataSegment)
        return found

    def fetch_used_segments(self, data_source: str, intervals: Sequence[Interval]) -> list[DataSegment]:
        """The used segments of a data source in some intervals."""
        path = f"{_BASE}/metadata/datasources/{quote(data_source, safe='')}/segments?full"
        answer = self.client.request("POST", path, json=[str(interval) for interval in intervals])
        found: list[DataSegment] = answer.json(list[DataSegment])
        return found

    def load_status(self) -> dict[str, Any]:
        """Per data source, the percentage of its segments that are loaded."""
        return dict(self.client.request("GET", f"{_BASE}/loadstatus").json())

    def fetch_lookups_for_tier(self, tier: str) -> dict[str, Any] | None:
        """The specifications of a tier's lookups by name, as plain JSON; None when there are none (404)."""
        path = f"{_BASE}/lookups/config/{quote(tier, safe='')}?detailed=true"
        try:
            return dict(self.client.request("GET", path).json())
        except HttpResponseError as failure:
            if failure.status == 404:
                return None
            raise
