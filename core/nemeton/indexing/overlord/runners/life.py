"""The threads of a runner, from one start to the next stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter import ServiceEmitter
from nemeton.http.pool import HandlerPool, PoolFullError
from nemeton.indexing.overlord.runners.assigner import Assigner
from nemeton.indexing.overlord.runners.cleanups import WorkerCleanups

log = logging.getLogger(__name__)

_BACKGROUND_THREADS = 8
_BACKGROUND_QUEUE = 10_000


class Life:
    """What a started runner has going on. Thread-safe; `end` and `close` may be called more than once."""

    def __init__(self, name: str, assigner: Assigner, emitter: ServiceEmitter, clock: Clock) -> None:
        self.assigner = assigner
        self.ended = threading.Event()
        self.timers = ScheduledExecutor(f"{name}-timers", clock)
        self.cleanups = WorkerCleanups(ScheduledExecutor(f"{name}-cleanup", clock), emitter)
        self.listener_thread = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-listeners")
        self._background = HandlerPool(f"{name}-background", _BACKGROUND_THREADS, _BACKGROUND_QUEUE)
        self._lock = threading.Lock()
        self._under_way: set[Hashable] = set()

    def in_background(self, key: Hashable, work: Callable[[], object]) -> None:
        """Do work that may wait for others, on a thread of a few; not twice at a time for the same key."""
        with self._lock:
            if key in self._under_way:
                return
            self._under_way.add(key)

        def run() -> None:
            try:
                work()
            except Exception:
                log.exception("Background work for %s failed", key)
            finally:
                with self._lock:
                    self._under_way.discard(key)

        try:
            self._background.submit(run)
        except PoolFullError as failure:
            with self._lock:
                self._under_way.discard(key)
            log.warning("Background work for %s is dropped: %s", key, failure)

    def end(self) -> None:
        """Begin nothing any more."""
        self.ended.set()
        self.assigner.stop()
        self.timers.shutdown()

    def close(self) -> None:
        """Give the threads back; those that wait for somebody end when they have the answer."""
        self.cleanups.close()
        self._background.close()
        self.listener_thread.shutdown(wait=False)
