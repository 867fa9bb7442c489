"""Reading namespaces at their times, on a few threads (Druid: ``CacheScheduler``)."""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.lifecycle import lifecycle_stop
from nemeton.spi import LookupContext
from nemeton_lookups_cached_global.config import NamespaceExtractionConfig
from nemeton_lookups_cached_global.namespaces import Cached, ExtractionNamespace

log = logging.getLogger(__name__)

_RETRY_MAX_S = 60.0


class CacheScheduler:
    """Reads namespaces when it is time, one at a time each; a failure is logged, tried again, and changes nothing."""

    def __init__(self, config: NamespaceExtractionConfig, clock: Clock) -> None:
        self._clock = clock
        self._workers = ThreadPoolExecutor(config.num_extraction_threads, "lookup-extraction")
        self._timer = ScheduledExecutor("lookup-extraction-timer", clock)

    @lifecycle_stop
    def stop(self) -> None:
        """Read nothing more."""
        self._timer.shutdown()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def schedule(self, namespace: ExtractionNamespace, context: LookupContext) -> Entry:
        """Begin to read a namespace."""
        entry = Entry(namespace, context, self)
        self.later(entry, random.uniform(0, namespace.jitter_s))
        return entry

    def later(self, entry: Entry, pause_s: float) -> None:
        """Have an entry updated after a pause; not at all once this is stopped."""

        def begin() -> None:
            if not entry.is_closed:
                self._workers.submit(entry.update)

        if pause_s > 0:
            self._timer.schedule_if_running(begin, pause_s)
        else:
            begin()


class Entry:
    """One namespace that is read from time to time. Thread-safe."""

    def __init__(self, namespace: ExtractionNamespace, context: LookupContext, scheduler: CacheScheduler) -> None:
        self._namespace = namespace
        self._context = context
        self._scheduler = scheduler
        self._backoff = Backoff(initial_s=1.0, max_s=min(namespace.poll_s or _RETRY_MAX_S, _RETRY_MAX_S))
        self._closed = threading.Event()
        self._loaded = threading.Event()
        self._tried = threading.Event()
        self.cached: Cached | None = None
        """What was read last."""

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants it any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Read no more."""
        self._closed.set()

    def wait_for_first_try(self, timeout_s: float) -> bool:
        """Wait for the end of the first reading; whether it succeeded within the time."""
        self._tried.wait(timeout_s)
        return self._loaded.is_set()

    def wait_until_loaded(self, timeout_s: float) -> bool:
        """Wait until there are values; whether they came within the time."""
        return self._loaded.wait(timeout_s)

    def update(self) -> None:
        """Read, and see to the next time."""
        if self.is_closed:
            return
        pause_s = self._namespace.poll_s
        try:
            last = None if self.cached is None else self.cached.version
            found = self._namespace.load(last, self._context)
            if found is not None and not self.is_closed:
                self.cached = found
                self._loaded.set()
                log.info("Read %d values of version [%s]", len(found.entries), found.version)
            self._backoff.reset()
        except Exception:
            log.exception("A lookup of type [%s] cannot be read; it is tried again", self._namespace.type_name)
            pause_s = self._backoff.next_delay()
        finally:
            self._tried.set()
        if pause_s > 0:
            self._scheduler.later(self, pause_s)
