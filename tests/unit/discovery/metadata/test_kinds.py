"""The kind ``metadata`` passes the suites that every kind has to pass, on SQLite and on PostgreSQL."""

import pytest
from attrs import evolve

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
        made = self.participant(participant)
        self.participants[made.selector] = made
        return made.selector

    def revoke(self, leader):
        """Let its time be over: for itself first, as it always is, then for the others."""
        participant = self.participants[leader]
        latch = participant.latches[-1]
        lease = latch._lease
        with latch._lock:
            latch._lease = participant.leadership.lease = evolve(lease, deadline=0.0)
        participant.leases.release(lease)
        latch._later(latch._watching, latch._look, 0)
