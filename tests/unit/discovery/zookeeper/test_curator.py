"""The kind ``curator`` passes the suites that every kind has to pass, on a real ZooKeeper."""

from __future__ import annotations

import pytest
from tests.unit.discovery.zookeeper.electing import elector

from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig, CuratorDiscoveryConfig
from nemeton.discovery.zookeeper.curator import CuratorDiscovery
from nemeton.json import Json
from nemeton.testkit.suites.discovery import NodeDiscoverySuite
from nemeton.testkit.suites.leader_selector import LeaderSelectorSuite


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
        selector = elector(connection, self.path, participant, self.make_connector())
        self.connections[selector] = connection
        return selector

    def make_connector(self):
        """Without a fence."""

    def revoke(self, leader):
        self.server.expire(self.connections[leader].client)


class TestFencedCuratorLeaderSelector(TestCuratorLeaderSelector):
    @pytest.fixture(autouse=True)
    def _store(self, another_connector):
        self.make_connector = another_connector

    @pytest.fixture
    def connector(self, sqlite_store):
        return sqlite_store
