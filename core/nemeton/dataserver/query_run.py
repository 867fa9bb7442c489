"""A native query on its way: who asks, until when, and how it is cancelled."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from attrs import define, field, frozen

from nemeton.common.cancellation import CancelSignal
from nemeton.common.errors import DruidException, QueryException
from nemeton.model import SegmentDescriptor
from nemeton.query.control import Control
from nemeton.query.model.base import BaseQuery
from nemeton.spi.auth import AuthenticationResult
from nemeton.time import Interval

IF_NONE_MATCH = "If-None-Match"
"""A header, and the context key under which it travels with the query: the mark of an answer that is known."""
TIMEOUT_CLASS = "org.apache.druid.query.QueryTimeoutException"


@define(eq=False)
class QueryRun:
    """One run of one query. ``deadline`` is in seconds of `time.monotonic()`, None without one.

    ``resources`` holds what must stay open until the last row is out; closing the run closes it.
    """

    query_id: str
    deadline: float | None = None
    cancelled: CancelSignal = field(factory=CancelSignal)
    identity: AuthenticationResult | None = None
    missing: list[SegmentDescriptor] = field(factory=list)
    """Segments that the query reads and that nobody had."""
    uncovered: list[Interval] = field(factory=list)
    """Parts of the query's intervals that no segment covers, where the query wants to know them."""
    uncovered_overflowed: bool = False
    """Whether there are more of them than the query wants to know."""
    entity_tag: str | None = None
    """The mark of what the answer is made of (``ETag``), where the query asks whether it has changed."""
    not_modified: bool = False
    """Whether the caller has the answer already: there are no rows then, and the status is 304."""
    read_segments: list[tuple[str, SegmentDescriptor, bool]] = field(factory=list)
    """What a Broker reads for it: the segment's id, the part of it, and whether it is published."""
    scattered_bytes: int = 0
    """What a Broker has read from data servers for this run."""
    cpu_ns: int = 0
    """What threads of this process have spent on it."""
    takes_blocks: bool = False
    """Whether the caller reads pieces of bytes (`nemeton.dataserver.blocks`) as well as rows."""
    takes_columns: bool = False
    """Whether the caller reads `ResultColumns` as well as result objects."""
    gives_blocks: bool = False
    """Whether the answer is such pieces."""
    admitted: bool = False
    """Whether it has its place among the queries that may run."""
    resources: ExitStack = field(factory=ExitStack)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    def of(
        cls,
        query: BaseQuery,
        *,
        cancelled: CancelSignal | None = None,
        identity: AuthenticationResult | None = None,
    ) -> QueryRun:
        """A run that begins now, with the query's own timeout."""
        timeout_ms = query.query_context.timeout_ms
        deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        return cls(query.id or "", deadline, cancelled or CancelSignal(), identity)

    def seconds_left(self, most: float = 3600.0) -> float:
        """Until the deadline, at most ``most``. Raises Druid's timeout when there are none left."""
        if self.deadline is None:
            return most
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.timeout()
        return min(left, most)

    def check(self) -> None:
        """Raise when the run was cancelled or its time is up."""
        Control(self.deadline, self.cancelled, self.query_id).check()

    def segment_deadline(self, query: BaseQuery) -> float | None:
        """Until when a segment that begins to be read now must be read: the context's ``perSegmentTimeout`` counts."""
        most_ms = query.query_context.per_segment_timeout_ms
        if not most_ms:
            return self.deadline
        latest = time.monotonic() + most_ms / 1000
        return latest if self.deadline is None else min(latest, self.deadline)

    def add_cpu_time(self, nanoseconds: int) -> None:
        """Count what a thread has spent on it."""
        with self._lock:
            self.cpu_ns += nanoseconds

    def add_scattered_bytes(self, size: int) -> int:
        """Count what was read from a data server; the sum so far."""
        with self._lock:
            self.scattered_bytes += size
            return self.scattered_bytes

    def timeout(self) -> QueryException:
        """The error for a query whose time is up."""
        return QueryException(QueryException.TIMEOUT, f"Query [{self.query_id}] timed out", error_class=TIMEOUT_CLASS)

    def close(self) -> None:
        """Let go of what the run holds."""
        self.resources.close()


class QuerySegmentWalker(Protocol):
    """Where a role runs native queries: over its own segments, or over those of the cluster."""

    def run(self, query: BaseQuery, run: QueryRun) -> Iterable[Any]:
        """The result objects, lazily. What they are read from stays open until the run is closed."""
        ...


@frozen
class RunningQuery:
    """A query that can be cancelled."""

    cancelled: CancelSignal
    data_sources: frozenset[str]


class QueryCounts:
    """How the native queries of this role ended, since its start. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, failure: BaseException | None) -> None:
        """Count one: ``success``, ``timeout``, ``interrupted`` (cancelled too), or ``failed``."""
        with self._lock:
            self._counts[_outcome(failure)] += 1

    def by_outcome(self) -> dict[str, int]:
        """All four counts."""
        with self._lock:
            return {name: self._counts[name] for name in ("success", "failed", "interrupted", "timeout")}


def _outcome(failure: BaseException | None) -> str:
    if failure is None:
        return "success"
    if isinstance(failure, DruidException) and failure.category == "TIMEOUT":
        return "timeout"
    error = getattr(failure, "error", None)
    return "interrupted" if error in (QueryException.CANCELLED, QueryException.INTERRUPTED) else "failed"


class RunningQueries:
    """The native queries that run in this role, by id (Druid's QueryScheduler keeps the same). Thread-safe."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[RunningQuery]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def running(self, query_id: str, cancelled: CancelSignal, data_sources: frozenset[str]) -> Iterator[None]:
        """While the query runs."""
        entry = RunningQuery(cancelled, data_sources)
        with self._lock:
            self._by_id.setdefault(query_id, []).append(entry)
        try:
            yield
        finally:
            with self._lock:
                entries = [each for each in self._by_id[query_id] if each is not entry]
                if entries:
                    self._by_id[query_id] = entries
                else:
                    del self._by_id[query_id]

    def data_sources(self, query_id: str) -> frozenset[str]:
        """What the queries of that id read; empty when none runs."""
        with self._lock:
            found = [each.data_sources for each in self._by_id.get(query_id, [])]
        return frozenset().union(*found)

    def cancel(self, query_id: str) -> bool:
        """Tell all queries of that id to stop; whether there were any."""
        with self._lock:
            found = list(self._by_id.get(query_id, []))
        for each in found:
            each.cancelled.set()
        return bool(found)
