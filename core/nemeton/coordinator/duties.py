"""The duties that keep segments where the rules want them."""

from __future__ import annotations

import logging
from collections import defaultdict

from nemeton.coordinator.assigner import SegmentAssigner
from nemeton.model import DataSegment, SegmentTimeline
from nemeton.plugins import json_type
from nemeton.spi.coordinator import CoordinatorDuty, CoordinatorRunParams

log = logging.getLogger(__name__)


@json_type("runRules")
class RunRules(CoordinatorDuty):
    """Applies to each used segment the first rule that is about it; newest segments first."""

    def run(self, params: CoordinatorRunParams) -> None:
        """See `CoordinatorDuty`."""
        assigner = SegmentAssigner(params.servers, params.dynamic_config.replication_throttle_limit)
        without_rule: dict[str, int] = defaultdict(int)
        wanted = (each for each in params.used_segments.values() if each not in params.overshadowed)
        for segment in sorted(wanted, key=_newest_first):
            rules = params.rules_of(segment.data_source)
            rule = next((each for each in rules if each.applies_to(segment.interval, params.now)), None)
            if rule is None:
                without_rule[segment.data_source] += 1
            else:
                rule.run(segment, assigner)
        for data_source, count in without_rule.items():
            log.warning("No rule applies to %d segment(s) of data source [%s]", count, data_source)
        for data_source, segments in assigner.deleted.items():
            log.info("Rules drop %d segment(s) of data source [%s]", len(segments), data_source)
            params.mark_unused(data_source, segments)


def _newest_first(segment: DataSegment) -> tuple[int, int, str, int]:
    return (-segment.interval.end, -segment.interval.start, segment.data_source, segment.partition_num)


@json_type("unloadUnusedSegments")
class UnloadUnusedSegments(CoordinatorDuty):
    """Drops what is served and no longer used."""

    def run(self, params: CoordinatorRunParams) -> None:
        """See `CoordinatorDuty`."""
        for server in params.servers:
            if not server.metadata.is_replicatable:
                continue
            for segment_id, segment in server.served.items():
                if segment_id not in params.used_segments and server.drop(segment):
                    log.info("Segment [%s] is unused; [%s] drops it", segment_id, server.metadata.name)


@json_type("markOvershadowedSegmentsAsUnused")
class MarkOvershadowedSegmentsAsUnused(CoordinatorDuty):
    """Marks segments as unused that newer ones hide, once the newer ones are served.

    Not in the first minutes of a term (``millisToWaitBeforeDeleting``): what is served may not be known yet.
    """

    def run(self, params: CoordinatorRunParams) -> None:
        """See `CoordinatorDuty`."""
        if params.now - params.leader_since <= params.dynamic_config.millis_to_wait_before_deleting:
            return
        candidates = defaultdict(list)
        for segment in params.overshadowed:
            candidates[segment.data_source].append(segment)
        if not candidates:
            return
        served = self._served(params)
        for data_source, segments in candidates.items():
            timeline = served.get(data_source)
            hidden = [each for each in segments if timeline is not None and timeline.is_segment_overshadowed(each)]
            if hidden:
                log.info("Marking %d overshadowed segment(s) of [%s] as unused", len(hidden), data_source)
                params.mark_unused(data_source, hidden)

    @staticmethod
    def _served(params: CoordinatorRunParams) -> dict[str, SegmentTimeline]:
        """Timelines of the used segments that historicals serve, and of tombstones, which hide without being served."""
        timelines: dict[str, SegmentTimeline] = defaultdict(SegmentTimeline)
        ids = {
            segment_id for server in params.servers if server.metadata.is_replicatable for segment_id in server.served
        }
        for segment_id, segment in params.used_segments.items():
            if segment_id in ids or segment.is_tombstone:
                timelines[segment.data_source].add_segments([segment])
        return timelines
