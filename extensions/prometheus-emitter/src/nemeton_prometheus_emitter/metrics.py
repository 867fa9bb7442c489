"""The metrics of a process in prometheus_client's terms, fed with Druid's events."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from typing import Any

from attrs import define, evolve, field
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import Metric as Family

from nemeton.common.clock import Clock
from nemeton.spi import MetricEvent
from nemeton_prometheus_emitter.config import PrometheusEmitterConfig
from nemeton_prometheus_emitter.metric_map import MappedMetric, MetricKind, MetricMap, prometheus_name

HOST_LABEL = "host_name"
SERVICE_LABEL = "druid_service"
#: Combinations of label values that one metric may have at a time; each costs memory here and in Prometheus.
MOST_LABEL_SETS = 10_000
_NOT_IN_VALUES = re.compile(r"[^a-zA-Z0-9_]+")
log = logging.getLogger(__name__)


@define
class _Tracked:
    """One metric and when each of its label sets was last written."""

    name: str
    mapped: MappedMetric
    labels: tuple[str, ...]
    collector: Counter | Gauge | Histogram
    written: dict[tuple[str, ...], float] = field(factory=dict)
    is_full: bool = False


class Metrics:
    """Keeps the newest state of all mapped metrics. Thread-safe.

    A metric shows up with its first event: what a process never measures is absent, where Druid shows a zero. Label
    sets that were not written for ``ttl_s`` seconds vanish (None: never).
    """

    def __init__(
        self, config: PrometheusEmitterConfig, metric_map: MetricMap, clock: Clock, ttl_s: float | None = None
    ) -> None:
        self.registry: CollectorRegistry = _Registry(self)
        self._config = config
        self._map = metric_map
        self._clock = clock
        self._ttl_s = ttl_s
        self._tracked: dict[str, _Tracked] = {}
        self._lock = threading.Lock()

    def is_like(self, other: Metrics) -> bool:
        """Whether both have the same names and labels, so that one can stand for the other."""
        mine, others = evolve(self._config, port=None), evolve(other._config, port=None)
        return (mine, self._map) == (others, other._map)

    def record(self, event: MetricEvent) -> None:
        """Take in one event; what the map does not have is left out."""
        with self._lock:
            tracked = self._find(event)
            if tracked is None:
                log.debug("Metric [%s] is not mapped", event.metric)
                return
            values = tuple(self._label_value(label, event) for label in tracked.labels)
            if values not in tracked.written and not self._has_room(tracked):
                return
            if self._write(tracked, values, event.value):
                tracked.written[values] = self._clock.monotonic()

    def expire(self) -> None:
        """Drop the label sets whose time is over."""
        if self._ttl_s is None:
            return
        with self._lock:
            oldest = self._clock.monotonic() - self._ttl_s
            for tracked in list(self._tracked.values()):
                for values in [values for values, written in tracked.written.items() if written < oldest]:
                    self._forget(tracked, values)

    def _find(self, event: MetricEvent) -> _Tracked | None:
        for name in (event.metric, f"{event.service}_{event.metric}"):
            if name in self._map:
                return self._tracked.get(name) or self._track(name, self._map[name])
        return None

    def _track(self, name: str, mapped: MappedMetric) -> _Tracked:
        extra = [HOST_LABEL] * self._config.add_host_as_label + [SERVICE_LABEL] * self._config.add_service_as_label
        labels = tuple(sorted({*mapped.dimensions, *extra, *self._config.extra_labels}))
        options: dict[str, Any] = {"namespace": self._config.namespace, "registry": self.registry}
        text = mapped.help or f"Druid's metric {name}."
        collector: Counter | Gauge | Histogram
        if mapped.type is MetricKind.COUNT:
            collector = Counter(prometheus_name(name), text, labels, **options)
        elif mapped.type is MetricKind.GAUGE:
            collector = Gauge(prometheus_name(name), text, labels, **options)
        else:
            collector = Histogram(prometheus_name(name), text, labels, buckets=mapped.buckets, **options)
        tracked = self._tracked[name] = _Tracked(name, mapped, labels, collector)
        return tracked

    def _label_value(self, label: str, event: MetricEvent) -> str:
        given = event.dimensions.get(label)
        if given is not None:
            text = str(given).lower() if isinstance(given, bool) else str(given)
            return _NOT_IN_VALUES.sub("_", text)
        if label == HOST_LABEL and self._config.add_host_as_label:
            return event.host
        if label == SERVICE_LABEL and self._config.add_service_as_label:
            return event.service
        return self._config.extra_labels.get(label, "unknown")

    def _has_room(self, tracked: _Tracked) -> bool:
        if len(tracked.written) < MOST_LABEL_SETS:
            return True
        if not tracked.is_full:
            tracked.is_full = True
            log.warning(
                "Metric [%s] has %d combinations of the labels %s; further ones are dropped. "
                "Map it with fewer dimensions, or set flushPeriod so that old ones vanish.",
                tracked.name,
                MOST_LABEL_SETS,
                list(tracked.labels),
            )
        return False

    def _write(self, tracked: _Tracked, values: tuple[str, ...], value: float) -> bool:
        collector = tracked.collector
        if isinstance(collector, Counter) and value < 0:
            log.warning(
                "Metric [%s] is mapped to a counter and cannot fall by [%s]; map it to a gauge", tracked.name, value
            )
            return False
        child = collector.labels(*values) if values else collector
        if isinstance(child, Counter):
            child.inc(value)
        elif isinstance(child, Gauge):
            child.set(value)
        else:
            child.observe(value / tracked.mapped.conversion_factor)
        return True

    def _forget(self, tracked: _Tracked, values: tuple[str, ...]) -> None:
        del tracked.written[values]
        tracked.is_full = False
        if values:
            tracked.collector.remove(*values)
        else:  # without labels there is no child to remove; it comes back with its next event
            self.registry.unregister(tracked.collector)
            del self._tracked[tracked.name]


class _Registry(CollectorRegistry):
    """A registry that is tidied before it is read, so that nothing has to run in between."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(auto_describe=True)
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        """What is to be shown."""
        self._metrics.expire()
        yield from super().collect()
