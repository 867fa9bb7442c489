"""Core's load rules and Coordinator duties."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy

_RULES = "nemeton.coordinator.rules:"
_DUTIES = "nemeton.coordinator.duties:"


@hookimpl
def load_rules() -> list[type | LazyType]:
    """Druid's rules."""
    return [
        lazy("loadForever", _RULES + "ForeverLoadRule"),
        lazy("loadByInterval", _RULES + "IntervalLoadRule"),
        lazy("loadByPeriod", _RULES + "PeriodLoadRule"),
        lazy("broadcastForever", _RULES + "ForeverBroadcastRule"),
        lazy("broadcastByInterval", _RULES + "IntervalBroadcastRule"),
        lazy("broadcastByPeriod", _RULES + "PeriodBroadcastRule"),
        lazy("dropForever", _RULES + "ForeverDropRule"),
        lazy("dropByInterval", _RULES + "IntervalDropRule"),
        lazy("dropByPeriod", _RULES + "PeriodDropRule"),
        lazy("dropBeforeByPeriod", _RULES + "PeriodDropBeforeRule"),
    ]


@hookimpl
def coordinator_duties() -> list[type | LazyType]:
    """The duties that keep segments where the rules want them."""
    return [
        lazy("runRules", _DUTIES + "RunRules"),
        lazy("unloadUnusedSegments", _DUTIES + "UnloadUnusedSegments"),
        lazy("markOvershadowedSegmentsAsUnused", _DUTIES + "MarkOvershadowedSegmentsAsUnused"),
    ]
