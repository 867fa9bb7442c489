"""The bounded pool that reads segments for queries, more important queries first."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from nemeton.dataserver.config import DruidProcessingConfig
from nemeton.lifecycle import lifecycle_stop
from nemeton.segment.cache import DecodedColumnCache

T = TypeVar("T")
_Work = tuple[int, int, "Future[Any]", Callable[[], Any]]


class ProcessingPool:
    """``druid.processing.numThreads`` daemon threads; waiting work is taken by priority, then by age. Thread-safe.

    The queue has no bound of its own: each query adds its segments, and queries are bounded where they come in.
    Kernels release the GIL, hence threads.
    """

    def __init__(self, config: DruidProcessingConfig) -> None:
        """Threads are made when there is work; the process's cache of decoded columns gets its size now."""
        DecodedColumnCache.shared().resize(int(config.decoded_column_cache_bytes))
        self._config = config
        self._heap: list[_Work] = []
        self._order = itertools.count()
        self._ready = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stopped = False

    def submit(self, fn: Callable[[], T], priority: int = 0) -> Future[T]:
        """Run when a thread is free; a cancelled future that has not begun is passed over."""
        future: Future[T] = Future()
        with self._ready:
            if self._stopped:
                raise RuntimeError("the processing pool is stopped")
            heapq.heappush(self._heap, (-priority, next(self._order), future, fn))
            if self._idle < len(self._heap) and len(self._threads) < self._config.num_threads:
                name = self._config.format_string.replace("%s", str(len(self._threads)))
                thread = threading.Thread(target=self._loop, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._ready.notify()
        return future

    @lifecycle_stop
    def stop(self) -> None:
        """Begin no more work; what waits is cancelled."""
        with self._ready:
            self._stopped = True
            waiting, self._heap = self._heap, []
            self._ready.notify_all()
        for _, _, future, _ in waiting:
            future.cancel()

    def _loop(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                while not self._heap and not self._stopped:
                    self._ready.wait()
                self._idle -= 1
                if self._stopped:
                    return
                _, _, future, fn = heapq.heappop(self._heap)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn())
                except BaseException as failure:  # noqa: BLE001 - it belongs to who waits for the future
                    future.set_exception(failure)
            # an idle thread keeps no query's data alive
            del future, fn
