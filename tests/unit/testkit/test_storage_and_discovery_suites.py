"""Core's own deep storage, discovery and leader selection keep the promises of the suites."""

from __future__ import annotations

import functools

import pytest

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub, LocalLeaderSelection
from nemeton.emitter import ServiceEmitter
from nemeton.model import DruidNode
from nemeton.storage.config import LocalStorageConfig
from nemeton.storage.local import LocalDeepStorage
from nemeton.testkit.deep_storage import DeepStorageSuite
from nemeton.testkit.leader_selectors import LeaderSelectorSuite
from nemeton.testkit.node_discovery import NodeDiscoverySuite


@pytest.mark.parametrize("zipped", [False, True])
class TestLocalDeepStorage(DeepStorageSuite):
    @pytest.fixture
    def storage(self, tmp_path, zipped):
        return LocalDeepStorage(LocalStorageConfig(storage_directory=str(tmp_path / "store"), zip=zipped))


@pytest.fixture
def hub():
    return LocalDiscoveryHub()


class TestLocalDiscovery(NodeDiscoverySuite):
    @pytest.fixture
    def make_kind(self, hub):
        made = []

        def make():
            made.append(LocalDiscovery(hub, SystemClock()))
            return made[-1]

        yield make
        for discovery in made:
            discovery.close()


class TestLocalLeaderSelection(LeaderSelectorSuite):
    @pytest.fixture
    def make_selector(self, hub):
        clock = ManualClock(0)

        def make(number):
            selection = LocalLeaderSelection(hub, clock, ServiceEmitter())
            return selection.selector("overlord", DruidNode("testkit", "localhost", plaintext_port=8090 + number))

        return make

    @pytest.fixture
    def depose(self, hub):
        return functools.partial(hub.revoke, "overlord")
