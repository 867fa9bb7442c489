"""Decides which server loads or drops a copy (Druid's StrategicSegmentAssigner)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from attrs import define, field

from nemeton.model import DataSegment
from nemeton.spi.coordinator import ServerHolder


@define(eq=False)
class SegmentAssigner:
    """Does at once what rules say, and notes what is to be marked as unused. For one run, on one thread.

    The first copy of a segment always goes out; further ones only up to ``throttle`` in a run and tier. A copy goes to
    the server of the tier that holds the fewest bytes.
    """

    servers: Sequence[ServerHolder]
    throttle: int = 500
    deleted: dict[str, list[DataSegment]] = field(factory=lambda: defaultdict(list))
    required: dict[str, int] = field(factory=dict)
    missing: Counter[tuple[str, str]] = field(factory=Counter)
    """Copies that are not there yet, by tier and data source."""
    _throttled: Counter[str] = field(factory=Counter)
    _by_tier: dict[str, list[ServerHolder]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_tier = defaultdict(list)
        for server in self.servers:
            if server.metadata.is_replicatable:
                self._by_tier[server.metadata.tier].append(server)

    def replicate(self, segment: DataSegment, tiered_replicants: Mapping[str, int]) -> None:
        """See `SegmentActionHandler`."""
        if segment.is_tombstone and not tiered_replicants:
            return
        complete = True
        for tier, wanted in tiered_replicants.items():
            have = self._fill(segment, tier, wanted)
            self.missing[tier, segment.data_source] += max(0, wanted - have)
            complete &= have >= min(wanted, len(self._by_tier.get(tier, ())))
        if complete:
            for tier, servers in self._by_tier.items():
                self._drop_surplus(segment, servers, tiered_replicants.get(tier, 0))

    def _fill(self, segment: DataSegment, tier: str, wanted: int) -> int:
        """Ask for copies that the tier lacks; how many it has now, those on their way not counted."""
        servers = self._by_tier.get(tier, [])
        have = sum(server.has(segment) for server in servers)
        coming = sum(server.is_loading(segment) for server in servers)
        for copy in range(have + coming, wanted):
            if copy > 0 and self._throttled[tier] >= self.throttle:
                break
            # the list is short (servers of a tier); a heap would have to follow every change of bytes
            if not any(server.load(segment) for server in sorted(servers, key=lambda each: each.bytes_used)):
                break
            if copy > 0:
                self._throttled[tier] += 1
        return have

    def _drop_surplus(self, segment: DataSegment, servers: Sequence[ServerHolder], wanted: int) -> None:
        holding = [server for server in servers if server.has(segment)]
        # loads on their way that are no longer wanted are the cheapest to give up
        for server in servers:
            if server.is_loading(segment) and len(holding) >= wanted:
                server.drop(segment)
        fullest_first = sorted(holding, key=lambda each: -each.bytes_used)
        for server in fullest_first[: max(0, len(holding) - wanted)]:
            server.drop(segment)

    def broadcast(self, segment: DataSegment) -> None:
        """See `SegmentActionHandler`."""
        for server in self.servers:
            if server.metadata.is_replicatable:
                server.load(segment)

    def delete(self, segment: DataSegment) -> None:
        """See `SegmentActionHandler`."""
        self.deleted[segment.data_source].append(segment)
