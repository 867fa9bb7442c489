"""Loads and drops segments as the Coordinator asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from functools import partial

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.common.locks import KeyedLocks
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.change_requests import (
    SUCCESS,
    ChangeAction,
    ChangeStatus,
    DataSegmentChangeRequest,
    failed,
)
from nemeton.dataserver.config import SegmentLoaderConfig
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.http.pool import HandlerPool
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import DataSegment, SegmentId

log = logging.getLogger(__name__)

_BOOTSTRAP_TIMEOUT_S = 3600.0
_MAX_WAITING_LOADS = 100_000


class SegmentLoadDropHandler:
    """Does what change requests say (Druid's class of the same name). Thread-safe.

    A segment is announced after it is loaded, and unannounced before it is dropped; its files stay for
    ``dropSegmentDelayMillis``, so that running queries end well, and a load in between keeps them.
    """

    def __init__(
        self,
        config: SegmentLoaderConfig,
        cache: SegmentCacheManager,
        segments: SegmentManager,
        announcer: DataSegmentAnnouncer,
        clock: Clock,
    ) -> None:
        """Loading threads are made with the first load."""
        self._config = config
        self._cache = cache
        self._segments = segments
        self._announcer = announcer
        self._executor = ScheduledExecutor("segment-drop", clock)
        self._pool = HandlerPool("segment-load", config.num_loading_threads, _MAX_WAITING_LOADS)
        self._running: dict[SegmentId, Future[ChangeStatus]] = {}
        self._to_delete: set[SegmentId] = set()
        self.is_started = False
        """Whether everything that the cache held at the start was loaded, or has failed to."""
        self._lock = threading.Lock()
        self._locks = KeyedLocks()

    @property
    def num_loading_threads(self) -> int:
        """How many segments are loaded at a time."""
        return self._config.num_loading_threads

    @lifecycle_start
    def start(self) -> None:
        """Serve what the cache holds from the last run; returns when all of it is loaded or has failed."""
        cached = self._cache.cached_segments()
        threads = self._config.num_bootstrap_threads or self._config.num_loading_threads
        pool = HandlerPool("segment-bootstrap", threads, max(1, len(cached)))
        futures = [pool.submit(partial(self._load, segment)) for segment in cached]
        wait(futures, _BOOTSTRAP_TIMEOUT_S)
        pool.close()
        self.is_started = True
        if cached:
            log.info("Serving %d of %d cached segments", len(self._segments.all_segments()), len(cached))

    @lifecycle_stop
    def stop(self) -> None:
        """Load no more, and close what is served."""
        self._executor.shutdown()
        self._pool.close()
        for segment in self._segments.all_segments():
            self._segments.drop(segment)

    def segments_to_delete(self) -> list[DataSegment]:
        """What was dropped, and whose files are still there."""
        waiting = set(self._to_delete)
        return [segment for segment in self._segments.all_segments() if segment.id in waiting]

    def submit(self, request: DataSegmentChangeRequest) -> Future[ChangeStatus]:
        """Begin to do what is asked; the same request again, while it runs, gives the same future."""
        segment = request.segment
        if segment is None or request.action is ChangeAction.NOOP:
            return _done(SUCCESS)
        if request.action is ChangeAction.DROP:
            return _done(self._drop(segment))
        with self._lock:
            running = self._running.get(segment.id)
            if running is not None:
                return running
            future = self._running[segment.id] = self._pool.submit(partial(self._load, segment), always=True)
        future.add_done_callback(lambda _: self._forget(segment.id))
        return future

    def submit_all(self, requests: Sequence[DataSegmentChangeRequest]) -> list[Future[ChangeStatus]]:
        """`submit` each, in order."""
        return [self.submit(request) for request in requests]

    def _forget(self, segment_id: SegmentId) -> None:
        with self._lock:
            self._running.pop(segment_id, None)

    def _load(self, segment: DataSegment) -> ChangeStatus:
        with self._locks.holding(segment.id):
            self._to_delete.discard(segment.id)
            return self._load_locked(segment)

    def _load_locked(self, segment: DataSegment) -> ChangeStatus:
        try:
            if not self._segments.is_loaded(segment):
                opened = self._cache.open(segment)
                self._cache.store_info(segment)
                self._segments.add(ReferenceCountedSegment(segment, opened))
            self._announcer.announce([segment])
        except (DruidException, OSError) as failure:
            log.warning("Cannot load segment [%s]: %s", segment.id, failure)
            self._cache.cleanup(segment)
            return failed(str(failure))
        except Exception as failure:
            log.exception("Loading segment [%s] failed", segment.id)
            self._cache.cleanup(segment)
            return failed(f"{type(failure).__name__}: {failure}")
        return SUCCESS

    def _drop(self, segment: DataSegment) -> ChangeStatus:
        self._announcer.unannounce([segment])
        self._to_delete.add(segment.id)
        self._executor.schedule(partial(self._delete, segment), self._config.drop_segment_delay_millis / 1000)
        return SUCCESS

    def _delete(self, segment: DataSegment) -> None:
        with self._locks.holding(segment.id):
            if segment.id in self._to_delete:
                self._to_delete.remove(segment.id)
                self._segments.drop(segment)
                self._cache.cleanup(segment)


def _done(status: ChangeStatus) -> Future[ChangeStatus]:
    future: Future[ChangeStatus] = Future()
    future.set_result(status)
    return future
