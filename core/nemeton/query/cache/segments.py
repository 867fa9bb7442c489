"""The segment-level cache: partial answers of segments, on Historicals and Brokers."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from nemeton.json import Json
from nemeton.model import SegmentDescriptor
from nemeton.query.cache.config import UNBOUNDED, CacheConfig
from nemeton.query.cache.keys import segment_key, segment_query_key
from nemeton.query.engine import Partial, QueryEngine
from nemeton.query.model.base import BaseQuery
from nemeton.spi.cache import Cache, NamedKey

log = logging.getLogger(__name__)


class CachePopulatorStats:
    """How many entries were put, failed, and were too large (Druid's class of the same name). Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, outcome: str) -> None:
        """Count one: ``ok``, ``error`` or ``oversized``."""
        with self._lock:
            self._counts[outcome] += 1

    def snapshot(self) -> dict[str, int]:
        """All three counts."""
        with self._lock:
            return {name: self._counts[name] for name in ("ok", "error", "oversized")}


@frozen
class CachePopulator:
    """Puts answers into a cache, those of more bytes than ``most`` left out, and counts. Thread-safe.

    Raises nothing: the query has its answer whatever happens here.
    """

    _cache: Cache
    _stats: CachePopulatorStats
    _most: int

    def put(self, what: str, entry: Callable[[], tuple[NamedKey, bytes]]) -> None:
        """Keep what ``entry`` makes; ``what`` is said of it when that fails."""
        try:
            key, value = entry()
            if len(value) > self._most:
                self._stats.add("oversized")
                return
            self._cache.put(key, value)
            self._stats.add("ok")
        except Exception:
            self._stats.add("error")
            log.exception("The answer of %s could not be cached", what)


def query_type(query: BaseQuery) -> str:
    """The type's name in JSON."""
    names: tuple[str, ...] = getattr(type(query), "__json_type__", ("?",))
    return names[0]


@frozen
class SegmentQueryCache:
    """The cache as one query sees it."""

    _cache: Cache
    _engine: QueryEngine
    _json: Json
    _populator: CachePopulator
    _query: BaseQuery
    _key: bytes
    reads: bool
    writes: bool
    _bulk_limit: int

    def find(self, wanted: Sequence[tuple[str, SegmentDescriptor]]) -> Mapping[int, Partial]:
        """The partials that are there, by the place of their segment among those wanted; of the first ones, at most."""
        if not self.reads:
            return {}
        keys = [self._named(*each) for each in wanted[: self._bulk_limit]]
        found = self._cache.get_bulk(dict.fromkeys(keys))
        partials = {}
        for place, key in enumerate(keys):
            value = found.get(key)
            if value is not None:
                partials[place] = self._engine.from_cache(self._query, self._json.loads_packed(value))
        return partials

    def get(self, segment_id: str, descriptor: SegmentDescriptor) -> Partial | None:
        """The partial of one segment, None when it is not there."""
        value = self._cache.get(self._named(segment_id, descriptor)) if self.reads else None
        return None if value is None else self._engine.from_cache(self._query, self._json.loads_packed(value))

    def put(self, segment_id: str, descriptor: SegmentDescriptor, partial: Partial) -> None:
        """Keep the partial of one segment. Raises nothing."""

        def entry() -> tuple[NamedKey, bytes]:
            value = self._json.dumps_packed(list(self._engine.to_cache(self._query, partial)))
            return self._named(segment_id, descriptor), value

        if self.writes:
            self._populator.put(f"segment [{segment_id}]", entry)

    def _named(self, segment_id: str, descriptor: SegmentDescriptor) -> NamedKey:
        return segment_key(segment_id, descriptor, self._key)


class SegmentCache:
    """Decides for each query whether its segments' answers are kept. Thread-safe."""

    def __init__(
        self,
        cache: Cache,
        config: CacheConfig,
        engine: QueryEngine,
        json: Json,
        stats: CachePopulatorStats,
        *,
        on_broker: bool,
        bulk_limit: int = UNBOUNDED,
    ) -> None:
        """``bulk_limit``: for how many segments of a query `SegmentQueryCache.find` asks the cache."""
        self._bulk_limit = bulk_limit
        self._cache = cache
        self._config = config
        self._engine = engine
        self._json = json
        self._populator = CachePopulator(cache, stats, config.max_entry_size)
        self._on_broker = on_broker

    def for_query(self, query: BaseQuery) -> SegmentQueryCache | None:
        """The cache for a query over tables; None where it neither reads nor writes.

        The context's ``useCache`` and ``populateCache`` can only take away what the configuration allows.
        """
        config, context = self._config, query.query_context
        reads = config.use_cache and context.get_bool("useCache", True)
        writes = config.populate_cache and context.get_bool("populateCache", True)
        if not (reads or writes) or query_type(query) in config.un_cacheable:
            return None
        if not self._engine.is_cacheable(query, on_broker=self._on_broker, by_segment=True):
            return None
        key = segment_query_key(query, self._json)
        if key is None:
            return None
        key = (b"B" if self._on_broker else b"H") + key  # what a Broker keeps may have less of a topN
        return SegmentQueryCache(
            self._cache, self._engine, self._json, self._populator, query, key, reads, writes, self._bulk_limit
        )

    def forget(self, segment_id: str) -> None:
        """The segment is not served any more."""
        self._cache.close_namespace(segment_id)
