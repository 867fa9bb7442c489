"""The local kind passes the suites that every kind has to pass."""

from __future__ import annotations

import pytest

from nemeton.common.clock import SystemClock
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub, LocalLatch
from nemeton.testkit.suites.discovery import NodeDiscoverySuite
from nemeton.testkit.suites.leader_selector import LeaderSelectorSuite, Quick


class TestLocalDiscovery(NodeDiscoverySuite):
    @pytest.fixture(autouse=True)
    def _hub(self):
        self.hub = LocalDiscoveryHub()

    def make_kind(self):
        return LocalDiscovery(self.hub, SystemClock())


class TestLocalLeaderSelector(LeaderSelectorSuite):
    @pytest.fixture(autouse=True)
    def _hub(self):
        self.hub = LocalDiscoveryHub()

    def make_selector(self, participant):
        return LatchLeaderSelector(
            "overlord", lambda: LocalLatch(self.hub, "overlord", participant), randomness=Quick()
        )

    def revoke(self, leader):
        self.hub.revoke("overlord")
