"""A process that takes part in an election, and says on its standard output when it thinks that it leads.

Arguments: ZooKeeper's address, the latch's path, the participant's id, the session's time in milliseconds. Each line is
``<monotonic time before the question> <term>``; that clock is the same for all processes of a machine.
"""

import sys
import time

from nemeton.common.clock import SystemClock
from nemeton.discovery.leader import LatchLeaderSelector
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.latch import CuratorLatch, LatchView
from nemeton.spi.discovery import LeaderListener


class Silent(LeaderListener):
    def become_leader(self) -> None:
        pass

    def stop_being_leader(self) -> None:
        pass


def main(host: str, path: str, participant: str, session_ms: str) -> None:
    clock = SystemClock()
    config = CuratorConfig(host=host, session_timeout_ms=int(session_ms))
    zookeeper = ZooKeeper(config, ZkPathsConfig(), IndexerZkConfig(), clock)
    view = LatchView(zookeeper, path, clock)
    selector = LatchLeaderSelector(path, lambda: CuratorLatch(zookeeper, path, participant, view, clock))
    selector.register_listener(Silent())
    while True:
        asked_at = time.monotonic()
        if selector.is_leader():
            print(asked_at, selector.local_term(), flush=True)
        time.sleep(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])
