"""The emitter that posts events to a URL, in batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.emitter.batches import Batch, BatchQueue
from nemeton.emitter.http_config import HttpEmitterConfig, HttpEmittingConfig
from nemeton.emitter.limited import RateLimitedWarning
from nemeton.emitter.posting import EmissionError, Poster
from nemeton.json import Json
from nemeton.plugins import json_type
from nemeton.spi.emitter import Emitter, Event

log = logging.getLogger(__name__)

_CLOSE_S = 4.0
"""How long the last batches get at the end of the process."""

_LEAST_TIMEOUT_S, _MOST_TIMEOUT_S = 1.0, 120.0
_MANY_WAITING, _TOO_MANY_WAITING = 5, 10
_KEEPING_PACE, _CATCHING_UP = 0.9, 0.5


@define
class TimeCounter:
    """Durations in milliseconds since it was last asked."""

    count: int = 0
    total: float = 0.0
    least: float | None = None
    most: float | None = None

    def add(self, millis: float) -> None:
        """Count one."""
        self.count += 1
        self.total += millis
        self.least = millis if self.least is None else min(self.least, millis)
        self.most = millis if self.most is None else max(self.most, millis)


@define
class EmissionStats:
    """What an emitter of this kind has done since it was last asked, and what waits in it now."""

    emitted_events: int = 0
    failed_sends: int = 0
    dropped_batches: int = 0
    batch_filling: TimeCounter = field(factory=TimeCounter)
    successful_sending: TimeCounter = field(factory=TimeCounter)
    failed_sending: TimeCounter = field(factory=TimeCounter)
    waiting_events: int = 0
    waiting_batches: int = 0


class BatchedHttpEmitter(Emitter):
    """Posts events to one URL (Druid's HttpPostEmitter). `emit` never waits for the receiver.

    A batch goes out when it has ``flushCount`` events or ``maxBatchSize`` bytes, or ``flushMillis`` after its first
    event. One thread sends, the oldest batch first, and tries again with growing pauses until the receiver takes it.
    What would never be taken (413 and the like) is dropped; and when ``batchQueueSizeLimit`` batches wait, the oldest
    is dropped for a new one. Drops are warned of and counted.
    """

    def __init__(self, url: str, config: HttpEmittingConfig, json: Json, clock: Clock) -> None:
        self._config = config
        self._json = json
        self._clock = clock
        self._poster = Poster(url, config)
        self._queue = BatchQueue(config.flush_count, config.max_batch_size, config.batch_queue_size_limit)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._close_by = float("inf")
        self._backoff = Backoff(0.5, 60.0)
        self._stats = EmissionStats()
        self._reported_drops = 0
        self._failed = RateLimitedWarning(log, clock)
        self._dropped = RateLimitedWarning(log, clock)
        self._thread = threading.Thread(target=self._loop, name="http-emitter", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def emit(self, event: Event) -> None:
        """Take the event into a batch."""
        self.emit_fields(event.to_json())

    def emit_fields(self, fields: Mapping[str, Any]) -> None:
        """As `emit`, of an event that is in its JSON form already."""
        written = self._json.dumps(fields)
        with self._lock:
            if not self._queue.fits(written):
                self._dropped.warn("An event of %d bytes is beyond maxBatchSize and dropped", len(written))
                return
            began = self._queue.filling_since is None
            dropped = self._queue.dropped
            sealed = self._queue.add(written, self._clock.monotonic())
            dropped = self._queue.dropped - dropped
        if dropped:
            limit = self._config.batch_queue_size_limit
            self._dropped.warn("%s does not keep up: of %d batches the oldest is dropped", self._poster.url, limit)
        if sealed or began:
            self._wake.set()

    def close(self) -> None:
        """Send what is there, for some seconds at most; what is left then is lost, and told."""
        self._close_by = self._clock.monotonic() + min(_CLOSE_S, self._config.flush_time_out / 1000)
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_S + 1.0)
        self._poster.close()

    def take_stats(self) -> EmissionStats:
        """What has happened since the last call."""
        with self._lock:
            stats, self._stats = self._stats, EmissionStats()
            stats.waiting_events, stats.waiting_batches = self._queue.events, len(self._queue)
            stats.dropped_batches = self._queue.dropped - self._reported_drops
            self._reported_drops = self._queue.dropped
        return stats

    def http_emitters(self) -> Iterator[tuple[Mapping[str, str], BatchedHttpEmitter]]:
        """Itself; for the monitor of emitters."""
        yield {}, self

    # ---- sending

    def _loop(self) -> None:
        while True:
            self._wake.clear()
            stopping = self._stopping.is_set()
            batch = self._next(everything=stopping)
            if batch is None:
                if stopping:
                    return
                self._clock.wait(self._wake, self._until_flush())
            elif not self._send(batch) and self._gives_up():
                return

    def _next(self, *, everything: bool) -> Batch | None:
        with self._lock:
            since = self._queue.filling_since
            now = self._clock.monotonic()
            if since is not None and (everything or now - since >= self._config.flush_millis / 1000):
                self._queue.seal(now)
            return self._queue.oldest()

    def _until_flush(self) -> float:
        with self._lock:
            since = self._queue.filling_since
        if since is None:
            return 3600.0
        return max(0.0, since + self._config.flush_millis / 1000 - self._clock.monotonic())

    def _send(self, batch: Batch) -> bool:
        started = self._clock.monotonic()
        try:
            self._poster.post(self._config.batching_strategy.body_of(batch.events), self._timeout_s(batch))
        except EmissionError as failure:
            self._note_failure(batch, failure, started)
            return False
        with self._lock:
            self._queue.done(batch)
            self._stats.emitted_events += len(batch.events)
            self._stats.batch_filling.add(batch.filled_s * 1000)
            self._stats.successful_sending.add((self._clock.monotonic() - started) * 1000)
        self._backoff.reset()
        return True

    def _note_failure(self, batch: Batch, failure: EmissionError, started: float) -> None:
        with self._lock:
            self._stats.failed_sends += 1
            self._stats.failed_sending.add((self._clock.monotonic() - started) * 1000)
            if failure.for_good:
                self._queue.done(batch)
                self._queue.dropped += 1
        ending = "; the batch is dropped" if failure.for_good else ""
        self._failed.warn("Sending %d events to %s failed: %s%s", len(batch.events), self._poster.url, failure, ending)

    def _gives_up(self) -> bool:
        """Pause after a failure; whether the process ends and its time is over."""
        self._clock.wait(self._stopping, self._backoff.next_delay())
        if not self._stopping.is_set():
            return False
        left_s = self._close_by - self._clock.monotonic()
        if left_s > 0:
            self._clock.sleep(min(left_s, 0.2))
            return False
        with self._lock:
            lost = self._queue.drop_all()
        if lost:
            log.warning("%d events could not be sent to %s before the end", lost, self._poster.url)
        return True

    def _timeout_s(self, batch: Batch) -> float:
        """See `HttpEmittingConfig`; at the end of the process no more than what is left of its time."""
        waiting = len(self._queue)
        factor = self._config.http_timeout_allowance_factor
        if waiting >= _MANY_WAITING:
            factor = _CATCHING_UP if waiting >= _TOO_MANY_WAITING else _KEEPING_PACE
        least = max(_LEAST_TIMEOUT_S, self._config.min_http_timeout_millis / 1000)
        timeout = min(_MOST_TIMEOUT_S, max(least, batch.filled_s * factor))
        return max(0.1, min(timeout, self._close_by - self._clock.monotonic()))


@json_type("http")
class HttpPostEmitter(BatchedHttpEmitter):
    """Posts events to ``druid.emitter.http.recipientBaseUrl``."""

    def __init__(self, config: HttpEmitterConfig, json: Json, clock: Clock) -> None:
        """Raises `DruidException` when there is no URL."""
        if not config.recipient_base_url:
            raise invalid_input("druid.emitter.http.recipientBaseUrl must be set: an emitter is http")
        super().__init__(config.recipient_base_url, config, json, clock)
