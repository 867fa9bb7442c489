"""Core's monitors of data servers."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def monitors() -> list[type | LazyType]:
    """Those of segments and of queries; the second names are Druid's."""
    return [
        lazy("historical", "nemeton.dataserver.monitors:HistoricalMetricsMonitor", "HistoricalMetricsMonitor"),
        lazy("queryCount", "nemeton.dataserver.monitors:QueryCountStatsMonitor", "QueryCountStatsMonitor"),
    ]
