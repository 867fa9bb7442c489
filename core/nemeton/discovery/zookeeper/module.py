"""Binds the connection to ZooKeeper and what is built on it; nothing is connected until it is used."""

from __future__ import annotations

from nemeton.common.clock import Clock
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorConfig,
    CuratorDiscoveryConfig,
    IndexerZkConfig,
    ZkPathsConfig,
)
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.connection_state import DruidConnectionStateListener
from nemeton.discovery.zookeeper.monitor import ZooKeeperMonitor
from nemeton.emitter import ServiceEmitter
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage
from nemeton.spi.monitors import Monitor


class ZooKeeperModule(Module):
    """One role's `ZooKeeper` and `Announcer`."""

    def configure(self, binder: Binder) -> None:
        """``druid.zk.*`` and what is said over it; the session ends when everything else has stopped."""
        binder.bind_config("druid.zk.service", CuratorConfig)
        binder.bind_config("druid.zk.paths", ZkPathsConfig)
        binder.bind_config("druid.zk.paths.indexer", IndexerZkConfig)
        binder.bind_config("druid.announcer", BatchDataSegmentAnnouncerConfig)
        binder.bind_config("druid.discovery.curator", CuratorDiscoveryConfig)
        binder.bind(ZooKeeper, provider=_make_zookeeper)
        binder.manage_lifecycle(ZooKeeper, stage=Stage.INIT)
        binder.bind(Announcer)
        binder.manage_lifecycle(Announcer, stage=Stage.INIT)
        binder.bind_set(Monitor).add(ZooKeeperMonitor)


def _make_zookeeper(
    config: CuratorConfig, paths: ZkPathsConfig, indexer_paths: IndexerZkConfig, emitter: ServiceEmitter, clock: Clock
) -> ZooKeeper:
    zookeeper = ZooKeeper(config, paths, indexer_paths, clock)
    zookeeper.add_session_listener(DruidConnectionStateListener(emitter, clock))
    return zookeeper
