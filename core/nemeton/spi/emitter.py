"""Emitters: where metrics and alerts go."""

from __future__ import annotations

import abc
import enum
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from nemeton.plugins import extension_point


class Severity(enum.StrEnum):
    """How bad an alert is; the values are Druid's."""

    ANOMALY = "anomaly"
    COMPONENT_FAILURE = "component-failure"
    SERVICE_FAILURE = "service-failure"


@frozen
class Event(abc.ABC):
    """Something to tell the operators; becomes a flat JSON object."""

    created_ms: int
    service: str
    host: str

    @property
    @abc.abstractmethod
    def feed(self) -> str:
        """``metrics``, ``alerts`` or ``segment_metadata``."""

    @abc.abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Druid's flat JSON form, the time as ISO-8601."""


@frozen
class MetricEvent(Event):
    """One measurement: a name (``query/time``), a number, and dimensions."""

    metric: str
    value: float
    dimensions: Mapping[str, Any] = field(factory=dict)
    version: str = ""

    @property
    def feed(self) -> str:
        """``metrics``."""
        return "metrics"

    def to_json(self) -> dict[str, Any]:
        """As Druid's ServiceMetricEvent."""
        return {
            "feed": self.feed,
            "timestamp": _iso(self.created_ms),
            "metric": self.metric,
            "value": self.value,
            "service": self.service,
            "host": self.host,
            "version": self.version,
            **self.dimensions,
        }


@frozen
class AlertEvent(Event):
    """Something that an operator should look at."""

    description: str
    severity: Severity = Severity.COMPONENT_FAILURE
    data: Mapping[str, Any] = field(factory=dict)

    @property
    def feed(self) -> str:
        """``alerts``."""
        return "alerts"

    def to_json(self) -> dict[str, Any]:
        """As Druid's AlertEvent."""
        return {
            "feed": self.feed,
            "timestamp": _iso(self.created_ms),
            "severity": str(self.severity),
            "service": self.service,
            "host": self.host,
            "description": self.description,
            "data": dict(self.data),
        }


@frozen
class SegmentMetadataEvent(Event):
    """A segment was published: ``start_ms`` and ``end_ms`` of its interval, its version."""

    data_source: str
    start_ms: int
    end_ms: int
    segment_version: str
    is_compacted: bool = False

    @property
    def feed(self) -> str:
        """``segment_metadata``."""
        return "segment_metadata"

    def to_json(self) -> dict[str, Any]:
        """As Druid's SegmentMetadataEvent, which does not tell who emits it."""
        return {
            "feed": self.feed,
            "dataSource": self.data_source,
            "createdTime": _iso(self.created_ms),
            "startTime": _iso(self.start_ms),
            "endTime": _iso(self.end_ms),
            "version": self.segment_version,
            "isCompacted": self.is_compacted,
        }


def _iso(ms: int) -> str:
    from nemeton.time import format_datetime

    return format_datetime(ms)


@frozen
class ExtraServiceDimensions:
    """Dimensions of all metrics that the process emits; modules add theirs with ``bind_set`` (as Druid's annotation).

    A metric's own dimension of the same name goes before them.
    """

    dimensions: Mapping[str, str]


@extension_point(hook="emitters", name="emitter", default="noop")
class Emitter(abc.ABC):
    """Where events go (``druid.emitter``). Called from one thread, which may be blocked; exceptions are logged."""

    def start(self) -> None:  # noqa: B027 - optional
        """Called once before the first event."""

    @abc.abstractmethod
    def emit(self, event: Event) -> None:
        """Take one event; it may be held back until `flush`."""

    def flush(self) -> None:  # noqa: B027 - optional
        """Pass on whatever is held back; called when there is nothing more to emit for now, and at the end."""

    def close(self) -> None:  # noqa: B027 - optional
        """Called once, after the last event."""
