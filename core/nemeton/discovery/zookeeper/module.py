"""Binds the connection to ZooKeeper and what is built on it; nothing is connected until it is used."""

from __future__ import annotations

from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    CuratorConfig,
    IndexerZkConfig,
    ZkPathsConfig,
)
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage


class ZooKeeperModule(Module):
    """One role's `ZooKeeper` and `Announcer`."""

    def configure(self, binder: Binder) -> None:
        """``druid.zk.*``; the session ends when everything else has stopped."""
        binder.bind_config("druid.zk.service", CuratorConfig)
        binder.bind_config("druid.zk.paths", ZkPathsConfig)
        binder.bind_config("druid.zk.paths.indexer", IndexerZkConfig)
        binder.bind(ZooKeeper)
        binder.manage_lifecycle(ZooKeeper, stage=Stage.INIT)
        binder.bind(Announcer)
        binder.manage_lifecycle(Announcer, stage=Stage.INIT)
