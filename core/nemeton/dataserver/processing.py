"""The bounded pool that reads segments for queries, more important queries first."""

from __future__ import annotations

import concurrent.futures
import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nemeton.dataserver.config import DruidProcessingConfig
from nemeton.dataserver.query_run import QueryRun
from nemeton.lifecycle import lifecycle_stop
from nemeton.segment.cache import DecodedColumnCache

T = TypeVar("T")

_ENDS_WITHIN_S = 10.0
"""What has begun of a query that has failed looks between blocks whether it should go on."""


class ProcessingPool:
    """Reads at most ``druid.processing.numThreads`` segments at a time, by priority, then by age. Thread-safe.

    Who waits for its own work takes part in it while not all of these are busy: handing work to a sleeping thread and
    back takes longer than many a segment. The rest is done by daemon threads, of which there are as many. The queue
    has no bound of its own: each query adds its segments, and queries are bounded where they come in. Kernels release
    the GIL, hence threads.
    """

    def __init__(self, config: DruidProcessingConfig) -> None:
        """Threads are made when there is work; the process's cache of decoded columns gets its size now."""
        DecodedColumnCache.shared().resize(int(config.decoded_column_cache_bytes))
        self._config = config
        self._heap: list[tuple[int, int, _Batch]] = []
        self._order = itertools.count()
        self._ready = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._reading = 0
        self._stopped = False

    @property
    def num_threads(self) -> int:
        """How many segments are read at a time."""
        return self._config.num_threads

    def run_all(self, works: Sequence[Callable[[], T]], priority: int, run: QueryRun) -> list[T]:
        """What all of them give, in their order. The first failure, or the run's deadline, ends the others."""
        if not works:
            return []
        batch = _Batch(works, priority)
        with self._ready:
            mine = self._add(batch)
        while mine is not None:
            batch.run(mine)
            mine = self._next_of(batch)
        try:
            if not batch.ended.wait(run.seconds_left()):
                raise run.timeout()
            if batch.failure is not None:
                raise batch.failure
        except BaseException:
            with self._ready:
                batch.drop()
            run.cancelled.set()
            # what has begun must end before the segments are let go
            batch.idle.wait(_ENDS_WITHIN_S)
            raise
        return batch.results

    @lifecycle_stop
    def stop(self) -> None:
        """Begin no more work; what waits is cancelled."""
        with self._ready:
            self._stopped = True
            waiting, self._heap = self._heap, []
            for _, _, batch in waiting:
                if batch.has_more:  # or else all of it has begun, and may end
                    batch.cancel()
            self._ready.notify_all()

    def _add(self, batch: _Batch) -> int | None:
        """Queue it; the place of what its caller is to do first, if anything. With the lock held."""
        if self._stopped:
            raise RuntimeError("the processing pool is stopped")
        heapq.heappush(self._heap, (-batch.priority, next(self._order), batch))
        mine = None
        if self._reading < self._config.num_threads and self._head() is batch:
            self._reading += 1
            mine = batch.take()
        self._wake(batch.left)
        return mine

    def _next_of(self, batch: _Batch) -> int | None:
        """What its caller does next; None when there is nothing, or something more important is to be done."""
        with self._ready:
            if self._head() is batch:
                return batch.take()
            self._reading -= 1
            self._wake(1)
            return None

    def _head(self) -> _Batch | None:
        """The most important batch of which something has not begun."""
        while self._heap:
            batch = self._heap[0][2]
            if batch.has_more:
                return batch
            heapq.heappop(self._heap)
        return None

    def _wake(self, most: int) -> None:
        """See that up to so many threads look for work."""
        free = min(most, self._config.num_threads - self._reading)
        if free <= 0 or self._head() is None:
            return
        for _ in range(min(free, self._config.num_threads - len(self._threads))):
            name = self._config.format_string.replace("%s", str(len(self._threads)))
            thread = threading.Thread(target=self._loop, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._ready.notify(free)

    def _loop(self) -> None:
        while (work := self._take()) is not None:
            batch, place = work
            batch.run(place)
            with self._ready:
                self._reading -= 1
            # an idle thread keeps no query's data alive
            del work, batch

    def _take(self) -> tuple[_Batch, int] | None:
        with self._ready:
            while not self._stopped:
                head = self._head()
                if head is not None and self._reading < self._config.num_threads:
                    self._reading += 1
                    return head, head.take()
                self._ready.wait()
        return None


class _Batch:
    """Works of one query. What begins of it is decided with the pool's lock held, what is done has its own."""

    def __init__(self, works: Sequence[Callable[[], Any]], priority: int) -> None:
        self.priority = priority
        self.results: list[Any] = [None] * len(works)
        self.failure: BaseException | None = None
        self.ended = threading.Event()
        """All is done, or something has failed."""
        self.idle = threading.Event()
        """Nothing of it runs, and nothing will."""
        self._works = works
        self._lock = threading.Lock()
        self._begun = 0
        self._done = 0

    @property
    def has_more(self) -> bool:
        """Whether something has not begun."""
        return self._begun < len(self._works)

    @property
    def left(self) -> int:
        """How many have not begun."""
        return len(self._works) - self._begun

    def take(self) -> int:
        """The place of the next one to run."""
        place = self._begun
        self._begun += 1
        return place

    def run(self, place: int) -> None:
        """Run the work of that place, unless another has failed."""
        failure = None
        if self.failure is None:
            try:
                self.results[place] = self._works[place]()
            except BaseException as raised:  # noqa: BLE001 - it belongs to who waits for the batch
                failure = raised
        with self._lock:
            self._done += 1
            self.failure = self.failure or failure
            self._tell()

    def drop(self) -> None:
        """Begin no more of it."""
        with self._lock:
            self._works = self._works[: self._begun]
            self._tell()

    def cancel(self) -> None:
        """As `drop`; who waits gets a `CancelledError`."""
        with self._lock:
            self.failure = self.failure or concurrent.futures.CancelledError()
        self.drop()

    def _tell(self) -> None:
        if self._done == len(self._works):
            self.idle.set()
        if self.failure is not None or self._done == len(self._works):
            self.ended.set()
