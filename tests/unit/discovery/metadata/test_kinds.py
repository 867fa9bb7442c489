"""The kind ``metadata`` passes the suites that every kind has to pass, on SQLite and on PostgreSQL."""

import pytest
from tests.unit.discovery.metadata.conftest import settings

from nemeton.common.clock import SystemClock
from nemeton.discovery.metadata.kinds import MetadataDiscovery
from nemeton.json import Json
from nemeton.testkit.suites.discovery import NodeDiscoverySuite
from nemeton.testkit.suites.leader_selector import LeaderSelectorSuite


class TestMetadataDiscovery(NodeDiscoverySuite):
    @pytest.fixture(autouse=True)
    def _setting(self, fresh_store):
        self.store = fresh_store

    def make_kind(self):
        return MetadataDiscovery(self.store(), Json(), SystemClock())


class TestMetadataLeaderSelector(LeaderSelectorSuite):
    @pytest.fixture(autouse=True)
    def _setting(self, participant):
        self.participant = participant
        self.participants = {}

    def make_selector(self, participant):
        made = self.participant(participant, config=settings(poll_s=0.06))
        made.leases.holder("overlord")  # it is connected, so that the first look does not come after the others' second
        self.participants[made.selector] = made
        return made.selector

    def revoke(self, leader):
        """Let its time be over: for itself first, as it always is, then for the others."""
        participant = self.participants[leader]
        latch = participant.latches[-1]
        lease = latch._lease
        latch._end()
        participant.leases.release(lease)
