"""Taking part in an election, with a fence in the metadata store or, as Java's participants do, without."""

from tests.unit.discovery.metadata.conftest import lease_store

from nemeton.common.clock import SystemClock
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.discovery.zookeeper.office import Office
from nemeton.testkit.suites.leader_selector import Quick


def elector(zookeeper, path, participant, connector=None):
    """A selector of the service ``overlord``; its participant notes no term when there is no connector."""
    clock = SystemClock()
    view = LatchView(zookeeper, path, clock)
    zookeeper.before_stop(view.close)
    office = None if connector is None else Office("overlord", participant, lease_store(connector), zookeeper)
    return LatchLeaderSelector(
        path, lambda: CuratorLatch(zookeeper, path, participant, view, clock, office), randomness=Quick()
    )
