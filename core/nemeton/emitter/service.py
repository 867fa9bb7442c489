"""The emitter that all parts use: a bounded buffer in front of the configured kind."""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nemeton.common.clock import Clock, SystemClock
from nemeton.emitter.limited import RateLimitedWarning
from nemeton.emitter.noop import NoopEmitter
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.spi.emitter import AlertEvent, Emitter, Event, MetricEvent, SegmentMetadataEvent, Severity

if TYPE_CHECKING:
    from nemeton.model import DataSegment

log = logging.getLogger(__name__)


class ServiceEmitter:
    """Emits a service's metrics and alerts (Druid's ServiceEmitter). Thread-safe.

    `emit_metric` and `alert` return at once and raise nothing, whatever is passed: what cannot be an event is warned
    of, what comes too fast is dropped, both with warnings that are limited in rate. One daemon thread hands the events
    to the configured `Emitter`. ``dimensions`` are part of every metric. Before the start, and when the kind is
    ``noop``, metrics go nowhere; alerts are always logged too.
    """

    def __init__(
        self,
        emitter: Emitter | None = None,
        *,
        service: str = "",
        host: str = "",
        version: str = "",
        dimensions: Mapping[str, str] | None = None,
        buffer_size: int = 10_000,
        clock: Clock | None = None,
    ) -> None:
        self._emitter = emitter or NoopEmitter()
        self._service = service
        self._host = host
        self._version = version
        self._dimensions = dict(dimensions or {})
        self._buffer_size = buffer_size
        self._clock = clock or SystemClock()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._dropped = RateLimitedWarning(log, self._clock)
        self._invalid = RateLimitedWarning(log, self._clock)
        self._failed = RateLimitedWarning(log, self._clock)

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        """Emit a measurement with its dimensions; dimensions that are None are left out."""
        if self._thread is None:
            return
        try:
            if not isinstance(name, str) or not name:
                raise ValueError("a metric needs a name")
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError("a value must be a finite number")
            number = value if isinstance(value, int | float) else float(value)
            given = self._dimensions | {key: _dimension(each) for key, each in dims.items() if each is not None}
            self._offer(MetricEvent(self._clock.now(), self._service, self._host, name, number, given, self._version))
        except Exception as failure:  # noqa: BLE001 - emitting must never be the reason why something fails
            self._invalid.warn("Metric [%r] = [%r] cannot be emitted: %s", name, value, failure)

    def segment_published(self, segment: DataSegment) -> None:
        """Emit what streams of segment metadata want to know of a segment, on the feed ``segment_metadata``."""
        if self._thread is not None:
            times = segment.interval.start, segment.interval.end
            known = segment.data_source, *times, segment.version, segment.last_compaction_state is not None
            self._offer(SegmentMetadataEvent(self._clock.now(), self._service, self._host, *known))

    def alert(
        self,
        message: str,
        severity: Severity | str = Severity.COMPONENT_FAILURE,
        data: Mapping[str, Any] | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """Emit and log something that an operator should look at."""
        try:
            details = dict(data or {})
            if exception is not None:
                details |= {"exceptionType": type(exception).__name__, "exceptionMessage": str(exception)}
            log.error("Alert: %s %s", message, details or "", exc_info=exception)
            if self._thread is not None:
                level = Severity(severity)
                self._offer(AlertEvent(self._clock.now(), self._service, self._host, str(message), level, details))
        except Exception as failure:  # noqa: BLE001 - see emit_metric
            self._invalid.warn("Alert [%r] cannot be emitted: %s", message, failure)

    def _offer(self, event: Event) -> None:
        if self._events.qsize() >= self._buffer_size:
            self._dropped.warn("The buffer of %d events is full; [%s] is dropped", self._buffer_size, event.feed)
            return
        self._events.put(event)

    @property
    def emits(self) -> bool:
        """Whether events go anywhere, once it has started."""
        return not isinstance(self._emitter, NoopEmitter)

    @lifecycle_start
    def start(self) -> None:
        """Begin to pass events on."""
        if self._thread is not None or not self.emits:
            return
        self._emitter.start()
        self._thread = threading.Thread(target=self._drain, name="emitter", daemon=True)
        self._thread.start()

    @lifecycle_stop
    def close(self, timeout_s: float = 5.0) -> None:
        """Pass on what is buffered, within the timeout; what is left then is lost."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._events.put(None)
        thread.join(timeout_s)
        if thread.is_alive():
            log.warning("The emitter did not pass on its last %d events in %.1f s", self._events.qsize(), timeout_s)

    def _drain(self) -> None:
        while (event := self._events.get()) is not None:
            self._safely(lambda event=event: self._emitter.emit(event))
            if self._events.empty():
                self._safely(self._emitter.flush)
        self._safely(self._emitter.flush)
        self._safely(self._emitter.close)

    def _safely(self, step: Any) -> None:
        try:
            step()
        except Exception as failure:  # noqa: BLE001 - one event lost is no reason to lose the next
            self._failed.warn("%s failed: %r", type(self._emitter).__name__, failure)


def _dimension(value: Any) -> Any:
    """Dimensions are texts, numbers, booleans, lists of texts, or JSON objects such as a task's tags."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [str(item) for item in value]
    return str(value)
