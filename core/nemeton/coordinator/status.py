"""How much of what should be served is served."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from nemeton.common.clock import Clock
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.coordinator.rules import LoadRule
from nemeton.metadata.poll import DataSourcesSnapshot, SegmentsMetadataManager
from nemeton.model import DataSegment, SegmentDescriptor, SegmentId
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.spi.coordinator import Rule
from nemeton.time import Interval


class ReplicationStatus:
    """Compares used segments with the inventory, at the moment of asking. Thread-safe."""

    def __init__(
        self,
        coordinator: DruidCoordinator,
        segments: SegmentsMetadataManager,
        inventory: HttpServerInventoryView,
        clock: Clock,
    ) -> None:
        self._coordinator = coordinator
        self._segments = segments
        self._inventory = inventory
        self._clock = clock

    def snapshot(self, *, refresh: bool = False) -> DataSourcesSnapshot:
        """The used segments, on request as they are in the store now."""
        return self._segments.poll() if refresh else self._segments.snapshot()

    def served(self) -> set[SegmentId]:
        """Ids of all segments that any data server serves."""
        return {segment_id for server in self._inventory.servers for segment_id in server.segments}

    def wanted(self, snapshot: DataSourcesSnapshot, data_source: str) -> list[DataSegment]:
        """The used segments that are not overshadowed and that the rules want served."""
        rules = self._coordinator.rules_of(data_source)
        now = self._clock.now()
        return [
            segment
            for segment in snapshot.segments.get(data_source, ())
            if segment not in snapshot.overshadowed and _keeps(_rule_of(rules, segment.interval, now))
        ]

    def percent_loaded(self) -> dict[str, float]:
        """By data source, how many percent of its segments are served."""
        snapshot, served = self.snapshot(), self.served()
        return {name: percentage(self.wanted(snapshot, name), served) for name in snapshot.data_sources}

    def unavailable(self) -> dict[str, int]:
        """By data source, how many segments are not served."""
        snapshot, served = self.snapshot(), self.served()
        return {
            name: sum(segment.id not in served for segment in self.wanted(snapshot, name))
            for name in snapshot.data_sources
        }

    def under_replicated(
        self, segments: Iterable[DataSegment] | None = None, *, using_cluster_view: bool = False
    ) -> dict[str, dict[str, int]]:
        """By tier and data source, how many copies are missing.

        With ``using_cluster_view`` no more copies count as wanted than the tier has servers.
        """
        if segments is None:
            snapshot = self.snapshot()
            segments = [each for name in snapshot.data_sources for each in self.wanted(snapshot, name)]
        now, missing = self._clock.now(), defaultdict[str, Counter[str]](Counter)
        historicals = [server for server in self._inventory.servers if server.metadata.is_replicatable]
        tier_sizes = Counter(server.metadata.tier for server in historicals)
        copies: Counter[tuple[str, SegmentId]] = Counter(
            (server.metadata.tier, segment_id) for server in historicals for segment_id in server.segments
        )
        for segment in segments:
            rule = _rule_of(self._coordinator.rules_of(segment.data_source), segment.interval, now)
            if not isinstance(rule, LoadRule):
                continue
            for tier, wanted in rule.replicants.items():
                enough = min(wanted, tier_sizes[tier]) if using_cluster_view else wanted
                missing[tier][segment.data_source] += max(0, enough - copies[tier, segment.id])
        return {tier: dict(counts) for tier, counts in missing.items()}

    def replication_factor(self, segment: DataSegment) -> int | None:
        """How many copies the rules want; None when no rule applies."""
        rule = _rule_of(self._coordinator.rules_of(segment.data_source), segment.interval, self._clock.now())
        if isinstance(rule, LoadRule):
            return sum(rule.replicants.values())
        return None if rule is None else 0

    def is_handoff_complete(self, data_source: str, descriptor: SegmentDescriptor) -> bool:
        """Whether a historical serves the segment (or a newer version of it), or the rules want it nowhere."""
        rule = _rule_of(self._coordinator.rules_of(data_source), descriptor.interval, self._clock.now())
        if rule is not None and not rule.keeps:
            return True
        return any(
            segment.data_source == data_source
            and segment.interval.contains(descriptor.interval)
            and segment.partition_num == descriptor.partition_number
            and segment.version >= descriptor.version
            for server in self._inventory.servers
            if server.metadata.is_replicatable
            for segment in server.segments.values()
        )


def percentage(wanted: Iterable[DataSegment], served: set[SegmentId]) -> float:
    """How many percent are served; of none all."""
    listed = list(wanted)
    if not listed:
        return 100.0
    return 100.0 * sum(segment.id in served for segment in listed) / len(listed)


def _rule_of(rules: Iterable[Rule], interval: Interval, now: int) -> Rule | None:
    return next((rule for rule in rules if rule.applies_to(interval, now)), None)


def _keeps(rule: Rule | None) -> bool:
    return rule is not None and rule.keeps
