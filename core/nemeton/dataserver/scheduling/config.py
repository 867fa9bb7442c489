"""``druid.query.scheduler.*``."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.time import Period


@frozen(kw_only=True)
class QuerySchedulerConfig:
    """``druid.query.scheduler.*``: how many queries run at a time; 0: as many as the server has threads."""

    num_threads: int = 0


def _numbers(lanes: dict[str, Any]) -> dict[str, int]:
    return {name: int(limit) for name, limit in lanes.items()}


@frozen(kw_only=True)
class LaningConfig:
    """``druid.query.scheduler.laning.*``, of the strategies ``hilo`` (the percentage) and ``manual`` (the rest)."""

    max_low_percent: int | None = None
    lanes: dict[str, int] = field(factory=dict, converter=_numbers)
    is_limit_percent: bool = False


@frozen(kw_only=True)
class PrioritizationConfig:
    """``druid.query.scheduler.prioritization.*`` of the strategy ``threshold``."""

    period_threshold: Period | None = None
    duration_threshold: Period | None = None
    segment_count_threshold: int | None = None
    segment_range_threshold: Period | None = None
    adjustment: int = 5
