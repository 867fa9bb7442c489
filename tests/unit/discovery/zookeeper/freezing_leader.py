"""A process that leads, and freezes itself in the middle of a write in the leader's name: ``SETTINGS`` as JSON.

``moment`` says when it stops itself (SIGSTOP): ``before`` the transaction, after the gate has let the write pass; or
``within`` it, after the row was written. Prints ``leads``, and what comes of the write: ``wrote`` or ``refused``.
"""

import json
import logging
import os
import signal
import sys
import threading

from sqlalchemy import insert
from tests.unit.discovery.metadata.lease_process import connect, say
from tests.unit.discovery.zookeeper.electing import elector

from nemeton.common.clock import SystemClock
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.metadata.fence import LeadershipLostError
from nemeton.spi.discovery import LeaderListener


class Leader(LeaderListener):
    def __init__(self):
        self.leading = threading.Event()

    def become_leader(self):
        self.leading.set()

    def stop_being_leader(self):
        self.leading.clear()


def main(given):
    logging.basicConfig(level="INFO", stream=sys.stderr)
    config = CuratorConfig(host=given["zookeeper"], session_timeout_ms=given["session_ms"])
    zookeeper = ZooKeeper(config, ZkPathsConfig(), IndexerZkConfig(), SystemClock())
    connector = connect(given)
    leader = Leader()
    elector(zookeeper, given["path"], given["id"], connector).register_listener(leader)
    leader.leading.wait(60)
    say("leads")
    try:
        write(connector, given)
        say("wrote")
    except LeadershipLostError:
        say("refused")


def write(connector, given):
    acting = connector.acting_for("overlord")
    if given["moment"] == "before":
        admit = acting.fence.admit
        acting.fence.admit = lambda service: (admit(service), freeze())[0]

    def work(connection):
        connection.execute(insert(connector.tables.config).values(name="late", payload=b""))
        if given["moment"] == "within":
            freeze()

    acting.retry_transaction(work, isolation="READ COMMITTED")


def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
