"""Whole answers, kept by the Broker for as long as the segments that they are made of stay the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
from attrs import define

from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import QueryRun
from nemeton.json import Json
from nemeton.query.cache.config import UNBOUNDED, BrokerCacheConfig
from nemeton.query.cache.keys import RESULTS, entity_tag, result_query_key
from nemeton.query.cache.segments import CachePopulator, CachePopulatorStats, query_type
from nemeton.query.engine import QueryEngine
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.data_sources import LocalDataSource
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.server.broker.splitting import Wanted, split
from nemeton.spi.cache import Cache, NamedKey

_LENGTH_BYTES = 4


class ResultLevelCache:
    """Druid's result-level cache, and its entity tags. Thread-safe.

    An answer is kept with the tag of the segments that it was made of, and given again only while a query over the
    present segments has the same tag.
    """

    def __init__(
        self,
        view: BrokerServerView,
        cache: Cache,
        config: BrokerCacheConfig,
        engine: QueryEngine,
        json: Json,
        stats: CachePopulatorStats,
        metrics: QueryMetrics,
    ) -> None:
        self._view = view
        self._cache = cache
        self._config = config
        self._engine = engine
        self._json = json
        self._populator = CachePopulator(cache, stats, config.result_level_cache_limit)
        self._metrics = metrics

    def for_query(self, query: BaseQuery, run: QueryRun, known: str | None) -> KeptAnswer:
        """What is known of the query's answer; ``known`` is the tag of what the client has."""
        reads, writes = self._is_wanted(query)
        key = result_query_key(query, self._json) if known is not None or reads or writes else None
        if key is None:
            return KeptAnswer()
        tables = table_queries(query)
        tag = None if tables is None else self._tag([each for one in tables for each in split(self._view, one)], key)
        if tag is None:
            return KeptAnswer()
        run.entity_tag = tag
        if tag == known:
            run.not_modified = True
            return KeptAnswer(is_known=True)
        rows = self._read(key, tag) if reads else None
        if reads:
            self._metrics.result_cache_asked(query, rows is not None)
        return KeptAnswer(rows=rows, keeper=_Keeper(self, run, key) if writes else None)

    def note_read(self, run: QueryRun, wanted: Sequence[Wanted]) -> None:
        """The run reads these segments: what its answer is kept under."""
        run.read_segments += [(each.segment_id, each.descriptor, each.is_published) for each in wanted]

    def _is_wanted(self, query: BaseQuery) -> tuple[bool, bool]:
        config, context = self._config, query.query_context
        reads = config.use_result_level_cache and context.get_bool("useResultLevelCache", True)
        writes = config.populate_result_level_cache and context.get_bool("populateResultLevelCache", True)
        allowed = (
            (reads or writes)
            and not context.get_bool("bySegment", False)
            and query_type(query) not in config.un_cacheable
            and self._engine.is_cacheable(query, on_broker=True, by_segment=False)
        )
        return reads and allowed, writes and allowed

    @staticmethod
    def _tag(wanted: Sequence[Wanted], key: bytes) -> str | None:
        if not all(each.is_published for each in wanted):
            return None  # what tasks still write changes without a new name
        return entity_tag(sorted((each.segment_id, each.descriptor) for each in wanted), key)

    def _read(self, key: bytes, tag: str) -> list[Any] | None:
        value = self._cache.get(NamedKey(RESULTS, key))
        if value is None:
            return None
        length = int.from_bytes(value[:_LENGTH_BYTES], "big")
        if value[_LENGTH_BYTES : _LENGTH_BYTES + length] != tag.encode():
            return None
        rows: list[Any] = self._json.loads_packed(value[_LENGTH_BYTES + length :])
        return rows

    def keep(self, run: QueryRun, key: bytes, rows: Sequence[Any]) -> None:
        """Keep a whole answer under the tag of what the run has read. Raises nothing."""
        if run.missing or not all(is_published for *_, is_published in run.read_segments):
            return

        def entry() -> tuple[NamedKey, bytes]:
            tag = entity_tag(sorted((name, each) for name, each, _ in run.read_segments), key).encode()
            return NamedKey(RESULTS, key), len(tag).to_bytes(_LENGTH_BYTES, "big") + tag + self._json.dumps_packed(rows)

        self._populator.put(f"query [{run.query_id}]", entry)

    def size_of(self, row: Any) -> int:
        """About how many bytes a row takes."""
        return len(self._json.dumps_packed(row))

    @property
    def limit(self) -> int:
        """How many bytes an answer may have."""
        return self._config.result_level_cache_limit


@define
class _Keeper:
    """Gathers the rows of one answer."""

    cache: ResultLevelCache
    run: QueryRun
    key: bytes

    def keeping(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The rows; when all have come, they are kept, unless they are too many."""
        kept: list[Any] | None = []
        left, limit = self.cache.limit, self.cache.limit < UNBOUNDED
        for row in rows:
            if kept is not None:
                kept.append(row)
                left -= self.cache.size_of(row) if limit else 0
                kept = kept if left >= 0 else None
            yield row
        if kept is not None:
            self.cache.keep(self.run, self.key, kept)


@define
class KeptAnswer:
    """What the cache has of an answer."""

    is_known: bool = False
    """Whether the client has it."""
    rows: Sequence[Any] | None = None
    _keeper: _Keeper | None = None

    @property
    def is_to_keep(self) -> bool:
        """Whether the answer that is made now is kept, which takes result objects."""
        return self._keeper is not None

    def keeping(self, rows: Iterable[Any]) -> Iterable[Any]:
        """The rows of the answer that is made now, which are kept where that is wanted."""
        return rows if self._keeper is None else self._keeper.keeping(rows)


def table_queries(query: BaseQuery) -> list[BaseQuery] | None:
    """A query over tables for each place where the query reads some; None where that is not known beforehand."""
    source = query.data_source
    found: list[BaseQuery] = []
    for inner in _inner_queries(source):
        of_inner = table_queries(inner)
        if of_inner is None:
            return None
        found += of_inner
    if source.base.is_concrete and not isinstance(source.base, LocalDataSource):
        found.append(query.with_data_source(source.base))
    names = frozenset().union(*(each.data_sources() for each in found))
    return found if names == query.data_sources() else None


def _inner_queries(part: Any) -> list[BaseQuery]:
    """The queries that a data source holds, at any depth but within each other."""
    if isinstance(part, BaseQuery):
        return [part]
    if isinstance(part, list | tuple):
        return [query for each in part for query in _inner_queries(each)]
    if not attrs.has(type(part)) or isinstance(part, LocalDataSource):
        return []
    return [query for each in attrs.fields(type(part)) for query in _inner_queries(getattr(part, each.name))]
