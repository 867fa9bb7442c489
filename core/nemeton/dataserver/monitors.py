"""What data servers hold, and how queries end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidServerConfig
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.dataserver.query_run import QueryCounts
from nemeton.dataserver.segments import SegmentManager
from nemeton.model import DataSegment
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("historical")
class HistoricalMetricsMonitor(Monitor):
    """The size and number of segments by data source (Druid's class of the same name)."""

    roles = ("historical",)

    def __init__(
        self,
        config: DruidServerConfig,
        cache: SegmentCacheManager,
        segments: SegmentManager,
        handler: SegmentLoadDropHandler,
    ) -> None:
        self._max_size = int(config.max_size) or cache.max_size
        self._dims = {"tier": config.tier, "priority": str(config.priority)}
        self._segments = segments
        self._handler = handler

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        metrics.emit_metric("segment/max", self._max_size, **self._dims)
        for name, size in _sizes(self._handler.segments_to_delete()).items():
            metrics.emit_metric("segment/pendingDelete", size, dataSource=name, **self._dims)
        served = self._segments.all_segments()
        for name, size in _sizes(served).items():
            metrics.emit_metric("segment/used", size, dataSource=name, **self._dims)
            part = size / self._max_size if self._max_size else 0.0
            metrics.emit_metric("segment/usedPercent", part, dataSource=name, **self._dims)
        for name, count in Counter(segment.data_source for segment in served).items():
            metrics.emit_metric("segment/count", count, dataSource=name, **self._dims)


def _sizes(segments: Iterable[DataSegment]) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for segment in segments:
        sizes[segment.data_source] += segment.size
    return sizes


@json_type("queryCount")
class QueryCountStatsMonitor(Monitor):
    """How many native queries have succeeded and failed since the last look (Druid's class of the same name)."""

    roles = ("broker", "historical")

    def __init__(self, counts: QueryCounts) -> None:
        self._counts = counts
        self._told: dict[str, int] = {}

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        now = self._counts.by_outcome()
        new = {name: count - self._told.get(name, 0) for name, count in now.items()}
        self._told = now
        metrics.emit_metric("query/count", sum(new.values()))
        for name, count in new.items():
            metrics.emit_metric(f"query/{name}/count", count)
