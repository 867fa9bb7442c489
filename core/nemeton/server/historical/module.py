"""Binds the Historical."""

from __future__ import annotations

from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidServerConfig
from nemeton.dataserver.module import LocalQueryModule, SegmentCacheModule
from nemeton.inject import Binder, Module
from nemeton.lookups.module import LookupModule
from nemeton.model import DataNodeService, DiscoveryDruidNode, DruidNode, DruidService, NodeRole
from nemeton.server.historical.resource import HistoricalResource
from nemeton.spi.discovery import DataServerAnnouncer, DiscoveryKind
from nemeton.spi.http import Resource


class HistoricalModule(Module):
    """A data server with a segment cache, announced as historical."""

    def configure(self, binder: Binder) -> None:
        """Local queries, the segment cache, lookups, and ``dataNodeService`` in the node's announcement."""
        binder.install(LocalQueryModule())
        binder.install(SegmentCacheModule())
        binder.install(LookupModule())
        binder.bind_map(DruidService).add(DataNodeService.NAME, provider=_data_node_service)
        binder.bind(DataServerAnnouncer, provider=_data_server_announcer)
        binder.bind_set(Resource).add(HistoricalResource)


def _data_server_announcer(
    kind: DiscoveryKind, node: DruidNode, config: DruidServerConfig, cache: SegmentCacheManager
) -> DataServerAnnouncer:
    service = _data_node_service(config, cache)
    announced = DiscoveryDruidNode(node, NodeRole.HISTORICAL, {DataNodeService.NAME: service})
    return kind.data_server_announcer(announced.to_server_metadata())


def _data_node_service(config: DruidServerConfig, cache: SegmentCacheManager) -> DruidService:
    return DataNodeService(config.tier, int(config.max_size) or cache.max_size, "historical", config.priority)
