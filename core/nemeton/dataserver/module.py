"""Bindings of a data server: segment cache, announcement of segments, queries over local segments."""

from __future__ import annotations

from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidProcessingConfig, DruidServerConfig, SegmentLoaderConfig
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.dataserver.preloading import KernelPreloader
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_resource import QueryResource
from nemeton.dataserver.query_run import QueryCounts, QuerySegmentWalker, RunningQueries
from nemeton.dataserver.resource import SegmentListerResource
from nemeton.dataserver.response_context import ResponseContextConfig
from nemeton.dataserver.scheduling.module import QuerySchedulerModule
from nemeton.dataserver.segments import SegmentManager
from nemeton.dataserver.walker import ServerManager
from nemeton.inject import Binder, Module
from nemeton.json import Json
from nemeton.lifecycle import Stage
from nemeton.query.cache.config import HistoricalCacheConfig
from nemeton.query.cache.module import CacheModule
from nemeton.query.cache.segments import CachePopulatorStats, SegmentCache
from nemeton.query.engine import QueryEngine
from nemeton.spi.cache import Cache
from nemeton.spi.http import Resource


class LocalQueryModule(Module):
    """Queries over the segments of this process: for Historicals, and for peons that serve what they ingest."""

    def configure(self, binder: Binder) -> None:
        """``druid.processing.*`` and the pool that runs queries."""
        binder.bind_config("druid.processing", DruidProcessingConfig)
        binder.bind(SegmentManager)
        binder.bind(DataSegmentAnnouncer)
        # it tells of the server when its segments are loaded, before the node is announced; its stop lets the long
        # polls go, and must come before the server's, which waits for them
        binder.manage_lifecycle(DataSegmentAnnouncer, stage=Stage.ANNOUNCEMENTS)
        binder.bind(ProcessingPool)
        binder.manage_lifecycle(ProcessingPool)
        binder.install(QuerySchedulerModule())
        binder.bind(RunningQueries)
        binder.bind(QueryCounts)
        binder.bind(QuerySegmentWalker, to=ServerManager)
        binder.bind(ResponseContextConfig, instance=ResponseContextConfig(fail_when_too_long=True))
        binder.bind_set(Resource).add(QueryResource)


class SegmentCacheModule(Module):
    """The segment cache, and loading and dropping on request."""

    def configure(self, binder: Binder) -> None:
        """``druid.segmentCache.*`` and ``druid.server.*``; what is cached is served again at start."""
        binder.bind_config("druid.segmentCache", SegmentLoaderConfig)
        binder.bind_config("druid.server", DruidServerConfig)
        binder.bind(SegmentCacheManager)
        binder.install(CacheModule())
        binder.bind_config("druid.historical.cache", HistoricalCacheConfig)
        binder.bind(SegmentCache, provider=_segment_cache)
        binder.bind(SegmentLoadDropHandler)
        binder.manage_lifecycle(SegmentLoadDropHandler)
        binder.bind(KernelPreloader)
        binder.manage_lifecycle(KernelPreloader, stage=Stage.ANNOUNCEMENTS)
        binder.bind_set(Resource).add(SegmentListerResource)


def _segment_cache(
    cache: Cache, config: HistoricalCacheConfig, engine: QueryEngine, json: Json, stats: CachePopulatorStats
) -> SegmentCache:
    return SegmentCache(cache, config, engine, json, stats, on_broker=False)
