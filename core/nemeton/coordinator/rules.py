"""Druid's load and drop rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.plugins import json_type
from nemeton.spi.coordinator import Rule, SegmentActionHandler
from nemeton.time import Interval, Period

DEFAULT_TIER = "_default_tier"
_DEFAULT_REPLICANTS = 2


def _check_replicants(instance: Any, attribute: Any, value: Mapping[str, int] | None) -> None:
    for tier, count in (value or {}).items():
        if count < 0:
            raise invalid_input(f"Invalid number of replicas for tier [{tier}]. Value [{count}] must be positive.")


def eligible_by_period(interval: Interval, period: Period, include_future: bool, now: int) -> bool:
    """Whether the interval shares time with the period that ends now, or, with the future, with all that follows."""
    start = period.add_to(now, -1)
    return start < interval.end if include_future else Interval(start, now).overlaps(interval)


@frozen(kw_only=True)
class LoadRule(Rule):
    """Have copies in tiers. Without ``tiered_replicants`` two in the default tier, unless that default is off."""

    tiered_replicants: dict[str, int] | None = field(default=None, validator=_check_replicants)
    use_default_tier_for_null: bool = True

    @property
    def replicants(self) -> dict[str, int]:
        """How many copies in which tier."""
        if self.tiered_replicants is not None:
            return self.tiered_replicants
        return {DEFAULT_TIER: _DEFAULT_REPLICANTS} if self.use_default_tier_for_null else {}

    def run(self, segment: DataSegment, handler: SegmentActionHandler) -> None:
        """Ask for the copies that `replicants` says."""
        handler.replicate(segment, self.replicants)

    @property
    def keeps(self) -> bool:
        """Unless it asks for no copy anywhere."""
        return any(self.replicants.values())

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form: the defaults are written out."""
        body: dict[str, Any] = json.unstructure_fields(self)
        return body | {"tieredReplicants": self.replicants}


class DropRule(Rule):
    """Have no copy anywhere; deep storage keeps the segment."""

    def run(self, segment: DataSegment, handler: SegmentActionHandler) -> None:
        """Mark the segment as unused: nobody serves it any more."""
        handler.delete(segment)

    @property
    def keeps(self) -> bool:
        """Never."""
        return False


class BroadcastRule(Rule):
    """Have a copy on every data server."""

    def run(self, segment: DataSegment, handler: SegmentActionHandler) -> None:
        """Ask for a copy on every data server."""
        handler.broadcast(segment)


class _Forever:
    def applies_to(self, interval: Interval, now: int) -> bool:
        """To every segment."""
        return True


@frozen(kw_only=True, slots=False)
class _ByInterval:
    interval: Interval

    def applies_to(self, interval: Interval, now: int) -> bool:
        """To segments that lie within the rule's interval."""
        return self.interval.contains(interval)


@frozen(kw_only=True, slots=False)
class _ByOverlap:
    interval: Interval

    def applies_to(self, interval: Interval, now: int) -> bool:
        """To segments that share time with the rule's interval."""
        return self.interval.overlaps(interval)


def _no_period() -> Period:
    return Period()


@frozen(kw_only=True, slots=False)
class _ByPeriod:
    period: Period = field(factory=_no_period)
    include_future: bool = True

    def applies_to(self, interval: Interval, now: int) -> bool:
        """To segments of the last period, and of the future unless it is left out."""
        return eligible_by_period(interval, self.period, self.include_future, now)


@json_type("loadForever")
@frozen(kw_only=True)
class ForeverLoadRule(_Forever, LoadRule):
    """Load every segment."""


@json_type("loadByInterval")
@frozen(kw_only=True)
class IntervalLoadRule(_ByOverlap, LoadRule):
    """Load what shares time with an interval."""


@json_type("loadByPeriod")
@frozen(kw_only=True)
class PeriodLoadRule(_ByPeriod, LoadRule):
    """Load what is of the last period."""


@json_type("broadcastForever")
@frozen(kw_only=True)
class ForeverBroadcastRule(_Forever, BroadcastRule):
    """Broadcast every segment."""


@json_type("broadcastByInterval")
@frozen(kw_only=True)
class IntervalBroadcastRule(_ByOverlap, BroadcastRule):
    """Broadcast what shares time with an interval."""


@json_type("broadcastByPeriod")
@frozen(kw_only=True)
class PeriodBroadcastRule(_ByPeriod, BroadcastRule):
    """Broadcast what is of the last period."""


@json_type("dropForever")
@frozen(kw_only=True)
class ForeverDropRule(_Forever, DropRule):
    """Drop every segment; the last of the rules where nothing else is to be served."""


@json_type("dropByInterval")
@frozen(kw_only=True)
class IntervalDropRule(_ByInterval, DropRule):
    """Drop what lies within an interval."""


@json_type("dropByPeriod")
@frozen(kw_only=True)
class PeriodDropRule(DropRule):
    """Drop what lies within the last period, and in the future unless it is left out."""

    period: Period
    include_future: bool = True

    def applies_to(self, interval: Interval, now: int) -> bool:
        """To segments that lie within the period."""
        start = self.period.add_to(now, -1)
        return start <= interval.start if self.include_future else Interval(start, now).contains(interval)


@json_type("dropBeforeByPeriod")
@frozen(kw_only=True)
class PeriodDropBeforeRule(DropRule):
    """Drop what ended before the last period."""

    period: Period

    def applies_to(self, interval: Interval, now: int) -> bool:
        """To segments that end at or before the start of the period."""
        return interval.end <= self.period.add_to(now, -1)
