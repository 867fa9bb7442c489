"""The requests that the Coordinator has for one data server, sent over HTTP (Druid's HttpLoadQueuePeon)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.coordinator.config import HttpLoadQueuePeonConfig
from nemeton.dataserver.change_requests import ChangeAction, ChangeResponse, ChangeState, DataSegmentChangeRequest
from nemeton.http.client import HttpClient, HttpClientError
from nemeton.json import Json
from nemeton.model import DataSegment, DruidServerMetadata, SegmentId

log = logging.getLogger(__name__)

_PATH = "/druid-internal/v1/segments/changeRequests"
_SETTLE_S = 30.0
_MAX_TRIES = 10


@frozen
class QueueState:
    """What a queue held at one moment. ``loaded`` was just acknowledged, and may not be in the inventory yet."""

    loading: Mapping[SegmentId, DataSegment]
    dropping: Mapping[SegmentId, DataSegment]
    loaded: Mapping[SegmentId, DataSegment]


class HttpLoadQueuePeon:
    """One data server's queue, worked off on a thread of its own while there is something in it. Thread-safe.

    Drops go first, since they make room. A request stays until the server acknowledges it; one that fails is forgotten,
    and the next run of the duties decides anew.
    """

    def __init__(
        self, server: DruidServerMetadata, client: HttpClient, config: HttpLoadQueuePeonConfig, json: Json, clock: Clock
    ) -> None:
        """Nothing is sent before the first request."""
        self.server = server
        self._client = client
        self._config = config
        self._json = json
        self._clock = clock
        self._loads: dict[SegmentId, DataSegment] = {}
        self._drops: dict[SegmentId, DataSegment] = {}
        self._loaded: dict[SegmentId, tuple[float, DataSegment]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._batch_size: int | None = config.batch_size

    def load(self, segment: DataSegment) -> None:
        """Have the segment loaded; a drop that waits is taken back."""
        with self._lock:
            self._drops.pop(segment.id, None)
            self._loads.setdefault(segment.id, segment)
            self._ensure_thread()

    def drop(self, segment: DataSegment) -> None:
        """Have the segment dropped; a load that waits is taken back."""
        with self._lock:
            self._loads.pop(segment.id, None)
            self._loaded.pop(segment.id, None)
            self._drops.setdefault(segment.id, segment)
            self._ensure_thread()

    def state(self) -> QueueState:
        """What is in the queue."""
        with self._lock:
            now = self._clock.monotonic()
            self._loaded = {key: each for key, each in self._loaded.items() if now - each[0] < _SETTLE_S}
            loaded = {key: segment for key, (_, segment) in self._loaded.items()}
            return QueueState(dict(self._loads), dict(self._drops), loaded)

    def stop(self) -> None:
        """Send nothing any more and forget what waits."""
        self._stopping.set()
        with self._lock:
            self._loads.clear()
            self._drops.clear()

    def _ensure_thread(self) -> None:
        if self._thread is None and not self._stopping.is_set():
            self._thread = threading.Thread(target=self._loop, name=f"load-queue-{self.server.name}", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        backoff = Backoff(initial_s=0.2, max_s=10)
        while not self._stopping.is_set():
            batch = self._next_batch()
            if not batch:
                return
            try:
                self._send(batch)
                backoff.reset()
            except Exception as failure:  # noqa: BLE001 - the server may be gone, restarting, or broken
                self._failed(failure, backoff)

    def _failed(self, failure: Exception, backoff: Backoff) -> None:
        delay = backoff.next_delay()
        log.warning("Requests for [%s] failed (try %d): %s", self.server.name, backoff.tries, failure)
        if backoff.tries >= _MAX_TRIES:
            # the duties see that nothing was loaded and find another place
            with self._lock:
                self._loads.clear()
                self._drops.clear()
        self._clock.wait(self._stopping, delay)

    def _next_batch(self) -> list[DataSegmentChangeRequest]:
        with self._lock:
            requests = [DataSegmentChangeRequest.drop(each) for each in self._drops.values()]
            requests += [DataSegmentChangeRequest.load(each) for each in self._loads.values()]
            if not requests:
                self._thread = None
        return requests[: self._size_of_batch()] if requests else []

    def _size_of_batch(self) -> int:
        if self._batch_size is None:
            self._batch_size = self._ask_batch_size()
        return self._batch_size or 1

    def _ask_batch_size(self) -> int | None:
        try:
            answer = self._client.request("GET", f"{self.server.base_url}/druid-internal/v1/segments/loadCapabilities")
            return max(1, int(answer.json()["numLoadingThreads"])) if answer.ok else 1
        except (HttpClientError, KeyError, ValueError):
            return None

    def _send(self, batch: list[DataSegmentChangeRequest]) -> None:
        seconds = self._config.host_timeout.to_seconds()
        url = f"{self.server.base_url}{_PATH}?timeout={int(seconds * 1000)}&loadingMode=NORMAL"
        answer = self._client.request("POST", url, json=batch, timeout_s=seconds + 10)
        if answer.status == 204:
            return
        if not answer.ok:
            raise RuntimeError(f"{url} answered {answer.status}: {answer.text[:300]}")
        for response in answer.json(list[ChangeResponse]):
            self._acknowledged(response)

    def _acknowledged(self, response: ChangeResponse) -> None:
        segment, status = response.request.segment, response.status
        if segment is None or status.state is ChangeState.PENDING:
            return
        if status.state is ChangeState.FAILED:
            action, cause = response.request.action, status.failure_cause
            log.warning("[%s] cannot %s [%s]: %s", self.server.name, action, segment, cause)
        with self._lock:
            if response.request.action is ChangeAction.DROP:
                self._drops.pop(segment.id, None)
            else:
                known = self._loads.pop(segment.id, None)
                if known is not None and status.state is ChangeState.SUCCESS:
                    self._loaded[segment.id] = (self._clock.monotonic(), known)


def queue_summary(state: QueueState) -> dict[str, Any]:
    """The queue as ``/druid/coordinator/v1/loadqueue?simple`` shows it."""
    return {
        "segmentsToLoad": len(state.loading),
        "segmentsToDrop": len(state.dropping),
        "segmentsToLoadSize": sum(segment.size for segment in state.loading.values()),
        "segmentsToDropSize": sum(segment.size for segment in state.dropping.values()),
        "expectedLoadTimeMillis": 0,
    }
