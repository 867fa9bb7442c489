"""The local kind passes the suites that every kind has to pass."""

from __future__ import annotations

import os

import pytest

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.common.folder_lock import FolderLock
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


def test_candidates_of_one_process_share_its_lock_and_another_process_is_refused(tmp_path):
    """The second process learns who has it, and what to do."""
    ours, theirs = LocalDiscoveryHub(), LocalDiscoveryHub()

    def latch(hub):
        return LocalLatch(hub, "overlord", "http://a:1", lambda: FolderLock(tmp_path, "do this", ".lock"))

    def nothing():
        pass

    first, second, other = latch(ours), latch(ours), latch(theirs)
    first.start(nothing, nothing)
    second.start(nothing, nothing)
    first.close()
    with pytest.raises(DruidException, match=rf"process {os.getpid()}.*do this"):
        other.start(nothing, nothing)
    other.close()
    second.close()
    second.close()
    latch(theirs).start(nothing, nothing)
