"""Bindings of a data server: segment cache, announcement of segments, queries over local segments."""

from __future__ import annotations

from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidProcessingConfig, DruidServerConfig, SegmentLoaderConfig
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_resource import QueryResource
from nemeton.dataserver.query_run import QueryCounts, QuerySegmentWalker, RunningQueries
from nemeton.dataserver.resource import SegmentListerResource
from nemeton.dataserver.segments import SegmentManager
from nemeton.dataserver.walker import ServerManager
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage
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
        binder.bind(RunningQueries)
        binder.bind(QueryCounts)
        binder.bind(QuerySegmentWalker, to=ServerManager)
        binder.bind_set(Resource).add(QueryResource)


class SegmentCacheModule(Module):
    """The segment cache, and loading and dropping on request."""

    def configure(self, binder: Binder) -> None:
        """``druid.segmentCache.*`` and ``druid.server.*``; what is cached is served again at start."""
        binder.bind_config("druid.segmentCache", SegmentLoaderConfig)
        binder.bind_config("druid.server", DruidServerConfig)
        binder.bind(SegmentCacheManager)
        binder.bind(SegmentLoadDropHandler)
        binder.manage_lifecycle(SegmentLoadDropHandler)
        binder.bind_set(Resource).add(SegmentListerResource)
