"""What becomes of the events themselves."""

from __future__ import annotations

from collections.abc import Mapping

from nemeton.emitter.http_emitter import BatchedHttpEmitter, TimeCounter
from nemeton.plugins import json_type
from nemeton.spi.emitter import Emitter
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("httpEmitter", "HttpEmittingMonitor", "HttpPostEmitterMonitor", "ParametrizedUriEmitterMonitor")
class HttpEmittingMonitor(Monitor):
    """Batches and events of the emitters ``http`` and ``parametrized``, on their own or in a group; Druid's names."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        find = getattr(self._emitter, "http_emitters", None)
        for dims, emitter in find() if find is not None else ():
            _report(metrics, emitter, dims)


def _report(metrics: MetricSink, emitter: BatchedHttpEmitter, dims: Mapping[str, str]) -> None:
    stats = emitter.take_stats()
    metrics.emit_metric("emitter/events/emitted/delta", stats.emitted_events, **dims)
    metrics.emit_metric("emitter/buffers/dropped/delta", stats.dropped_batches, **dims)
    metrics.emit_metric("emitter/buffers/failed/delta", stats.failed_sends, **dims)
    metrics.emit_metric("emitter/events/emitQueue", stats.waiting_events, **dims)
    metrics.emit_metric("emitter/buffers/emitQueue", stats.waiting_batches, **dims)
    _report_times(metrics, "batchFilling", stats.batch_filling, dims)
    _report_times(metrics, "successfulSending", stats.successful_sending, dims)
    _report_times(metrics, "failedSending", stats.failed_sending, dims)


def _report_times(metrics: MetricSink, what: str, counter: TimeCounter, dims: Mapping[str, str]) -> None:
    if counter.least is None or counter.most is None:
        return
    metrics.emit_metric(f"emitter/{what}/timeMsSum", round(counter.total), **dims)
    metrics.emit_metric(f"emitter/{what}/count", counter.count, **dims)
    metrics.emit_metric(f"emitter/{what}/maxTimeMs", round(counter.most), **dims)
    metrics.emit_metric(f"emitter/{what}/minTimeMs", round(counter.least), **dims)
