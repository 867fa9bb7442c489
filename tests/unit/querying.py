"""Walkers over segments and over made-up clusters, for the tests of Historicals and Brokers."""

from __future__ import annotations

from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.response_context import response_context
from nemeton.dataserver.scheduling.config import QuerySchedulerConfig
from nemeton.dataserver.scheduling.scheduler import QueryScheduler
from nemeton.dataserver.scheduling.strategies import ManualQueryPrioritizationStrategy, NoQueryLaningStrategy
from nemeton.dataserver.walker import ServerManager
from nemeton.emitter.service import ServiceEmitter
from nemeton.http.client import HttpResponse
from nemeton.http.config import ServerConfig
from nemeton.query.cache.config import BrokerCacheConfig, CacheConfig
from nemeton.query.cache.local import NoopCache
from nemeton.query.cache.segments import CachePopulatorStats, SegmentCache
from nemeton.query.engine import QueryEngine
from nemeton.server.broker.cluster_client import CachingClusteredClient
from nemeton.server.broker.config import BrokerHttpConfig, BrokerRetryConfig
from nemeton.server.broker.data_server import DataServerClient
from nemeton.server.broker.fan_out import FanOut
from nemeton.server.broker.result_cache import ResultLevelCache
from nemeton.spi.query import Query


def make_scheduler(metrics, laning=None, prioritization=None, *, num_threads=0):
    return QueryScheduler(
        QuerySchedulerConfig(num_threads=num_threads),
        laning or NoQueryLaningStrategy(),
        prioritization or ManualQueryPrioritizationStrategy(),
        ServerConfig(),
        metrics,
    )


def make_server_manager(segments, pool, json, *, cache=None, config=None, scheduler=None):
    """A Historical's walker."""
    engine, metrics = QueryEngine(), QueryMetrics(ServiceEmitter())
    stats = CachePopulatorStats()
    kept = SegmentCache(cache or NoopCache(), config or CacheConfig(), engine, json, stats, on_broker=False)
    return ServerManager(segments, engine, pool, kept, scheduler or make_scheduler(metrics), metrics)


class FakeInventory:
    """The servers of a Broker's view: none but those that a test adds to the view itself."""

    servers = ()
    is_initialized = True

    def add_listener(self, listener):
        pass


class Cluster:
    """A Broker's walker over data servers behind an HTTP client; close it."""

    def __init__(self, view, http, json, *, cache=None, config=None, retries=None, scheduler=None, server=None):
        engine, metrics = QueryEngine(), QueryMetrics(ServiceEmitter())
        cache, config, stats = cache or NoopCache(), config or BrokerCacheConfig(), CachePopulatorStats()
        server = server or ServerConfig()
        client = DataServerClient(http, BrokerHttpConfig(), server, json, metrics)
        self.fan_out = FanOut(client, BrokerHttpConfig(), retries or BrokerRetryConfig(), server)
        self.walker = CachingClusteredClient(
            view,
            engine,
            self.fan_out,
            SegmentCache(cache, config, engine, json, stats, on_broker=True, bulk_limit=config.cache_bulk_merge_limit),
            ResultLevelCache(view, cache, config, engine, json, stats, metrics),
            scheduler or make_scheduler(metrics),
            metrics,
        )

    def close(self):
        self.fan_out.stop()


class LocalDataServers:
    """Stands for the Broker's HTTP client: each host is a Historical's walker in this process."""

    def __init__(self, json, walkers):
        self.json = json
        self.walkers = walkers
        self.asked = []

    def request(self, method, url, *, json=None, **_):
        host = url.split("/")[2]
        if method == "DELETE":
            return HttpResponse(202, {}, url)
        query = self.json.structure(self.json.loads(self.json.dumps(json)), Query)
        self.asked.append((host, query))
        run = QueryRun.of(query)
        try:
            body = self.json.dumps(list(self.walkers[host].run(query, run)))
            context = self.json.dumps(response_context(run, self.json)).decode()
        finally:
            run.close()
        return HttpResponse(200, {"X-Druid-Response-Context": context}, url, body, json=self.json)
