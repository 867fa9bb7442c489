"""Druid's strategies of laning and prioritization."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.dataserver.scheduling.config import LaningConfig, PrioritizationConfig
from nemeton.model import SegmentDescriptor
from nemeton.plugins import json_type
from nemeton.query.model.context import QueryContext
from nemeton.spi.scheduling import QueryLaningStrategy, QueryPrioritizationStrategy

LANING = "druid.query.scheduler.laning"
PRIORITIZATION = "druid.query.scheduler.prioritization"
TOTAL, DEFAULT = "total", "default"
_LOW = "low"


@json_type("none")
class NoQueryLaningStrategy(QueryLaningStrategy):
    """No lanes but those that queries name, which have no limits."""

    def lane_limits(self, total: int) -> Mapping[str, int]:
        """None."""
        return {}

    def compute_lane(self, query: Any, segments: Sequence[SegmentDescriptor]) -> str | None:
        """What the context says."""
        return QueryContext(query.context).lane


@json_type("hilo")
class HiLoQueryLaningStrategy(QueryLaningStrategy):
    """Queries of a negative priority share the lane ``low``."""

    def __init__(self, config: LaningConfig) -> None:
        percent = config.max_low_percent
        if percent is None or not 0 < percent <= 100:
            raise invalid_input(f"{LANING}.maxLowPercent must be set, in the range 1 to 100")
        self._percent = percent

    def lane_limits(self, total: int) -> Mapping[str, int]:
        """See `QueryLaningStrategy`."""
        return {_LOW: _part(total, self._percent)}

    def compute_lane(self, query: Any, segments: Sequence[SegmentDescriptor]) -> str | None:
        """See `QueryLaningStrategy`."""
        context = QueryContext(query.context)
        return context.lane or (_LOW if context.priority < 0 else None)


@json_type("manual")
class ManualQueryLaningStrategy(QueryLaningStrategy):
    """Lanes by name, numbers or percentages; queries name theirs."""

    def __init__(self, config: LaningConfig) -> None:
        most = 100 if config.is_limit_percent else math.inf
        if not config.lanes:
            raise invalid_input(f"{LANING}.lanes must define at least one lane")
        if not all(0 < limit <= most for limit in config.lanes.values()):
            wanted = "in the range 1 to 100" if config.is_limit_percent else "greater than 0"
            raise invalid_input(f"All limits of {LANING}.lanes must be {wanted}")
        reserved = {TOTAL, DEFAULT}.intersection(config.lanes)
        if reserved:
            raise invalid_input(f"A lane of {LANING}.lanes cannot be named [{min(reserved)}]")
        self._config = config

    def lane_limits(self, total: int) -> Mapping[str, int]:
        """See `QueryLaningStrategy`."""
        if not self._config.is_limit_percent:
            return self._config.lanes
        return {name: _part(total, percent) for name, percent in self._config.lanes.items()}

    def compute_lane(self, query: Any, segments: Sequence[SegmentDescriptor]) -> str | None:
        """See `QueryLaningStrategy`."""
        return QueryContext(query.context).lane


@json_type("manual")
class ManualQueryPrioritizationStrategy(QueryPrioritizationStrategy):
    """What the query says."""

    def compute_priority(self, query: Any, segments: Sequence[SegmentDescriptor]) -> int | None:
        """None."""
        return None


@json_type("threshold")
class ThresholdBasedQueryPrioritizationStrategy(QueryPrioritizationStrategy):
    """Takes priority from queries that look far back, or read much."""

    def __init__(self, config: PrioritizationConfig, clock: Clock) -> None:
        thresholds = (
            config.period_threshold,
            config.duration_threshold,
            config.segment_count_threshold,
            config.segment_range_threshold,
        )
        if all(each is None for each in thresholds):
            names = "periodThreshold, durationThreshold, segmentCountThreshold or segmentRangeThreshold"
            raise invalid_input(f"{names} of {PRIORITIZATION} must be set")
        self._config = config
        self._clock = clock

    def compute_priority(self, query: Any, segments: Sequence[SegmentDescriptor]) -> int | None:
        """See `QueryPrioritizationStrategy`."""
        if not self._exceeds(query, segments):
            return None
        return QueryContext(query.context).priority - self._config.adjustment

    def _exceeds(self, query: Any, segments: Sequence[SegmentDescriptor]) -> bool:
        config, intervals = self._config, query.intervals.intervals
        if config.period_threshold is not None:
            oldest = self._clock.now() - int(config.period_threshold.to_seconds() * 1000)
            if any(interval.start < oldest for interval in intervals):
                return True
        if config.duration_threshold is not None:
            asked = sum(interval.end - interval.start for interval in intervals)
            if asked > config.duration_threshold.to_seconds() * 1000:
                return True
        if config.segment_range_threshold is not None:
            covered = sum(interval.end - interval.start for interval in {each.interval for each in segments})
            if covered > config.segment_range_threshold.to_seconds() * 1000:
                return True
        return config.segment_count_threshold is not None and len(segments) > config.segment_count_threshold


def _part(total: int, percent: int) -> int:
    """Druid's rule: rounded up, at least one."""
    return max(1, math.ceil(total * percent / 100))
