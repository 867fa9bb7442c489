"""What the cache of a role does."""

from __future__ import annotations

from attrs import asdict

from nemeton.plugins import json_type
from nemeton.query.cache.segments import CachePopulatorStats
from nemeton.spi.cache import Cache, CacheStats
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("cache", "CacheMonitor")
class CacheMonitor(Monitor):
    """``query/cache/delta/*`` and ``query/cache/total/*`` (Druid's class of the same name)."""

    roles = ("broker", "historical")

    def __init__(self, cache: Cache, stats: CachePopulatorStats) -> None:
        self._cache = cache
        self._stats = stats
        self._told = CacheStats()
        self._told_puts = dict.fromkeys(stats.snapshot(), 0)

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        now, puts = self._cache.stats(), self._stats.snapshot()
        new = CacheStats(**{name: value - getattr(self._told, name) for name, value in asdict(now).items()})
        new_puts = {name: count - self._told_puts[name] for name, count in puts.items()}
        _emit_delta(metrics, new, new_puts)
        _emit_total(metrics, now, puts)
        self._told, self._told_puts = now, puts
        self._cache.monitor(metrics)


def _emit_delta(metrics: MetricSink, stats: CacheStats, puts: dict[str, int]) -> None:
    for kind, value in _values(stats).items():
        metrics.emit_metric(f"query/cache/delta/{kind}", value)
    for kind, count in puts.items():
        metrics.emit_metric(f"query/cache/delta/put/{kind}", count)


def _emit_total(metrics: MetricSink, stats: CacheStats, puts: dict[str, int]) -> None:
    for kind, value in _values(stats).items():
        metrics.emit_metric(f"query/cache/total/{kind}", value)
    for kind, count in puts.items():
        metrics.emit_metric(f"query/cache/total/put/{kind}", count)


def _values(stats: CacheStats) -> dict[str, float]:
    asked = stats.hits + stats.misses
    return {
        "numEntries": stats.entries,
        "sizeBytes": stats.size_in_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "evictions": stats.evictions,
        "hitRate": stats.hits / asked if asked else 0.0,
        "averageBytes": stats.size_in_bytes // stats.entries if stats.entries else 0,
        "timeouts": stats.timeouts,
        "errors": stats.errors,
    }
