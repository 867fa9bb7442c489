from types import SimpleNamespace

import pytest

from nemeton.common.clock import SystemClock
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.metadata.config import MetadataDiscoveryConfig
from nemeton.discovery.metadata.latch import Leadership, LeaderView, LeaseLatch
from nemeton.discovery.metadata.leases import Leases
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.testkit.suites.leader_selector import Quick
from nemeton.time import Period


def seconds(value):
    return Period(millis=round(value * 1000))


def settings(lease_s=5.0, node_s=5.0, poll_s=0.03):
    return MetadataDiscoveryConfig(
        lease_duration=seconds(lease_s), node_timeout=seconds(node_s), poll_period=seconds(poll_s)
    )


def lease_store(connector, config=None):
    injector = SimpleNamespace(has=lambda _type: True, get=lambda _type: connector, name="test")
    return LeaseStore(injector, config or settings())


class Participant:
    """A process that takes part in an election, with a connector of its own."""

    def __init__(self, connector, config, id_, service="overlord", clock=None):
        self.connector = connector
        self.config = config
        self.id = id_
        self.service = service
        self.clock = clock or SystemClock()
        self.store = lease_store(connector, config)
        self.leases = Leases(self.store, self.clock)
        self.leadership = Leadership(service, self.leases, self.clock)
        self.view = LeaderView(service, self.leases, config, self.clock)
        self.latches = []
        self.selector = LatchLeaderSelector(service, self.make_latch, clock=self.clock, randomness=Quick())

    def make_latch(self):
        self.latches.append(
            LeaseLatch(self.service, self.id, self.leases, self.leadership, self.view, self.config, self.clock)
        )
        return self.latches[-1]


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def participant(connector, another_connector):
    """Makes participants."""

    def make(id_="http://a:1", **options):
        return Participant(another_connector(), options.pop("config", None) or settings(), id_, **options)

    _forget(connector)
    return make


def _forget(connector):
    """Rows of the test before; the database is shared where it is a server's."""
    store = lease_store(connector)
    with connector.engine.begin() as connection:
        for table in store.tables.meta.sorted_tables:
            connection.execute(table.delete())


@pytest.fixture
def fresh_store(connector, another_connector):
    """Makes stores of leases, each as another process has it; no rows are there at first."""
    _forget(connector)
    return lambda config=None: lease_store(another_connector(), config)


@pytest.fixture(scope="session")
def metadata_database(postgresql):
    """A database of these tests' own: they leave tables behind that are not Druid's."""
    return postgresql.create_database()
