"""Binds the Broker."""

from __future__ import annotations

from nemeton.dataserver.query_resource import QueryResource
from nemeton.dataserver.query_run import QueryCounts, QuerySegmentWalker, RunningQueries
from nemeton.dataserver.response_context import ResponseContextConfig
from nemeton.dataserver.scheduling.module import QuerySchedulerModule
from nemeton.discovery.leader_services import ServiceAnnouncementModule
from nemeton.inject import Binder, Module
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.lookups.module import LookupModule
from nemeton.query.cache.config import BrokerCacheConfig
from nemeton.query.cache.module import CacheModule
from nemeton.query.cache.segments import CachePopulatorStats, SegmentCache
from nemeton.query.engine import QueryEngine
from nemeton.rpc.monitor import ServerViewMonitor
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.server.broker.cluster_client import CachingClusteredClient
from nemeton.server.broker.config import BrokerHttpConfig, BrokerRetryConfig, BrokerSegmentWatcherConfig
from nemeton.server.broker.data_server import DataServerClient
from nemeton.server.broker.executor import BrokerQueryExecutor
from nemeton.server.broker.fan_out import FanOut
from nemeton.server.broker.lookup_schema import BrokerLookupSchema
from nemeton.server.broker.resource import BrokerQueryCandidatesResource, BrokerResource, ClientInfoResource
from nemeton.server.broker.result_cache import ResultLevelCache
from nemeton.server.broker.schema import SegmentMetadataCache
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.server.broker.system_schema import BrokerSystemSchema
from nemeton.spi.cache import Cache
from nemeton.spi.http import Resource
from nemeton.spi.monitors import Monitor
from nemeton.sql.catalog import DruidSchema, LookupSchema
from nemeton.sql.execution import NativeQueryExecutor
from nemeton.sql.system.sys_tables import SystemSchemaProvider

_AWAIT_VIEW_S = 30.0


class BrokerModule(Module):
    """The view of the cluster, native queries over it, and what SQL needs of it."""

    def configure(self, binder: Binder) -> None:
        """``druid.broker.*``, the view and its clients; `ViewStart` begins to follow when all of them listen."""
        binder.install(ServiceAnnouncementModule())
        binder.install(LookupModule())
        binder.bind_config("druid.broker.http", BrokerHttpConfig)
        binder.bind_config("druid.broker.retryPolicy", BrokerRetryConfig)
        binder.bind_config("druid.broker.segment", BrokerSegmentWatcherConfig)
        binder.bind(HttpServerInventoryView)
        binder.bind_set(Monitor).add(ServerViewMonitor)
        binder.bind(BrokerServerView)
        binder.bind(DataServerClient)
        binder.bind(FanOut)
        binder.manage_lifecycle(FanOut)
        binder.bind(ResultLevelCache)
        binder.bind(CachingClusteredClient)
        binder.bind(SegmentMetadataCache)
        binder.manage_lifecycle(SegmentMetadataCache)
        binder.bind(ViewStart)
        binder.manage_lifecycle(ViewStart)
        binder.install(QuerySchedulerModule())
        binder.install(CacheModule())
        binder.bind_config("druid.broker.cache", BrokerCacheConfig)
        binder.bind(SegmentCache, provider=_segment_cache)
        binder.bind(RunningQueries)
        binder.bind(QueryCounts)
        binder.bind(QuerySegmentWalker, provider=_walker)
        binder.bind(ResponseContextConfig, instance=ResponseContextConfig(fail_when_too_long=False))
        self._bind_for_sql(binder)
        resources = binder.bind_set(Resource)
        for resource in (QueryResource, ClientInfoResource, BrokerQueryCandidatesResource, BrokerResource):
            resources.add(resource)

    @staticmethod
    def _bind_for_sql(binder: Binder) -> None:
        binder.bind(NativeQueryExecutor, to=BrokerQueryExecutor)
        binder.bind(DruidSchema, provider=_druid_schema)
        binder.bind(SystemSchemaProvider, to=BrokerSystemSchema)
        binder.bind(LookupSchema, to=BrokerLookupSchema)


class ViewStart:
    """Starts to follow the cluster when everything that listens to the view has been made."""

    def __init__(
        self,
        inventory: HttpServerInventoryView,
        view: BrokerServerView,
        schema: SegmentMetadataCache,
        config: BrokerSegmentWatcherConfig,
    ) -> None:
        """``view`` and ``schema`` have added themselves as listeners by being made."""
        self._inventory = inventory
        self._config = config

    @lifecycle_start
    def start(self) -> None:
        """Follow; wait for the first view if the configuration says so, but not for ever."""
        self._inventory.start()
        if self._config.await_initialization_on_start:
            self._inventory.wait_until_initialized(_AWAIT_VIEW_S)

    @lifecycle_stop
    def stop(self) -> None:
        """Follow no more."""
        self._inventory.stop()


def _walker(client: CachingClusteredClient) -> QuerySegmentWalker:
    return client


def _druid_schema(cache: SegmentMetadataCache) -> DruidSchema:
    return cache


def _segment_cache(
    cache: Cache, config: BrokerCacheConfig, engine: QueryEngine, json: Json, stats: CachePopulatorStats
) -> SegmentCache:
    limit = config.cache_bulk_merge_limit
    return SegmentCache(cache, config, engine, json, stats, on_broker=True, bulk_limit=limit)
