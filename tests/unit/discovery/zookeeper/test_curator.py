"""The kind ``curator`` passes the suites that every kind has to pass, on a real ZooKeeper."""

from __future__ import annotations

import pytest

from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig, CuratorDiscoveryConfig
from nemeton.discovery.zookeeper.curator import CuratorDiscovery
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.json import Json
from nemeton.testkit.suites.discovery import NodeDiscoverySuite
from nemeton.testkit.suites.leader_selector import LeaderSelectorSuite, Quick


class TestCuratorDiscovery(NodeDiscoverySuite):
    @pytest.fixture(autouse=True)
    def _setting(self, zookeeper, connect, make_announcer, clock):
        self.connect = lambda: connect(zookeeper)
        self.make_announcer = make_announcer
        self.clock = clock

    def make_kind(self):
        connection = self.connect()
        return CuratorDiscovery(
            connection,
            self.make_announcer(connection),
            CuratorDiscoveryConfig(),
            BatchDataSegmentAnnouncerConfig(),
            Json(),
            self.clock,
        )


class TestCuratorLeaderSelector(LeaderSelectorSuite):
    @pytest.fixture(autouse=True)
    def _setting(self, zookeeper, connect, clock, base):
        self.server = zookeeper
        self.connect = lambda: connect(zookeeper)
        self.clock = clock
        self.path = f"{base}/overlord/_OVERLORD"
        self.connections = {}

    def make_selector(self, participant):
        connection = self.connect()
        view = LatchView(connection, self.path, self.clock)
        connection.before_stop(view.close)
        selector = LatchLeaderSelector(
            self.path,
            lambda: CuratorLatch(connection, self.path, participant, view, self.clock),
            randomness=Quick(),
        )
        self.connections[selector] = connection
        return selector

    def revoke(self, leader):
        self.server.expire(self.connections[leader].client)
