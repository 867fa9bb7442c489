"""Core's monitors of data servers, and how queries are put in order."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy

_SCHEDULING = "nemeton.dataserver.scheduling.strategies"


@hookimpl
def laning_strategies() -> list[type | LazyType]:
    """Druid's."""
    return [
        lazy("none", f"{_SCHEDULING}:NoQueryLaningStrategy"),
        lazy("hilo", f"{_SCHEDULING}:HiLoQueryLaningStrategy"),
        lazy("manual", f"{_SCHEDULING}:ManualQueryLaningStrategy"),
    ]


@hookimpl
def prioritization_strategies() -> list[type | LazyType]:
    """Druid's."""
    return [
        lazy("manual", f"{_SCHEDULING}:ManualQueryPrioritizationStrategy"),
        lazy("threshold", f"{_SCHEDULING}:ThresholdBasedQueryPrioritizationStrategy"),
    ]


@hookimpl
def request_loggers() -> list[type | LazyType]:
    """Those that need nothing else."""
    return [
        lazy("noop", "nemeton.dataserver.request_log:NoopRequestLogger"),
        lazy("slf4j", "nemeton.dataserver.request_log:LoggingRequestLogger"),
        lazy("file", "nemeton.dataserver.request_log:FileRequestLogger"),
    ]


@hookimpl
def monitors() -> list[type | LazyType]:
    """Those of segments and of queries; the second names are Druid's."""
    return [
        lazy("historical", "nemeton.dataserver.monitors:HistoricalMetricsMonitor", "HistoricalMetricsMonitor"),
        lazy("queryCount", "nemeton.dataserver.monitors:QueryCountStatsMonitor", "QueryCountStatsMonitor"),
    ]
