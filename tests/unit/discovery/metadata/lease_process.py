"""A process that takes part in an election and, while it leads, writes in the leader's name: ``SETTINGS`` as JSON.

Prints a line for what happens: ``leads TERM``, ``wrote TERM`` (the first time), ``stops``, ``refused``, ``failed``.
"""

import json
import logging
import sys
import threading
import time

from sqlalchemy import insert
from tests.servers.metadata import postgresql_connector, sqlite_connector
from tests.unit.discovery.metadata.conftest import Participant, settings

from nemeton.common.clock import SystemClock
from nemeton.metadata.fence import LeadershipLostError
from nemeton.spi.discovery import LeaderListener


def main(given):
    logging.basicConfig(level="INFO", stream=sys.stderr)
    participant = Participant(connect(given), settings(given["lease_s"], 5, 0.05), given["id"])
    acting = participant.connector.acting_for("overlord")
    leading = threading.Event()

    class Leader(LeaderListener):
        def become_leader(self):
            say("leads", participant.leadership.lease.term)
            leading.set()

        def stop_being_leader(self):
            leading.clear()
            say("stops")

    participant.selector.register_listener(Leader())
    told = None
    while True:
        leading.wait()
        lease = participant.leadership.lease
        term = lease.term if lease else -1
        try:
            # not a look at whether it leads: that is what the fence is for
            acting.retry_transaction(lambda c, term=term: write(c, acting, given["id"], term), max_tries=1)
            if told != term:
                told = term
                say("wrote", term)
        except LeadershipLostError:
            say("refused")
            time.sleep(0.05)
        except Exception as error:  # noqa: BLE001 - the store is away
            say("failed", repr(error))
            time.sleep(0.05)


def write(connection, store, participant, term):
    audit = {"audit_key": participant, "type": str(term), "author": "", "comment": "", "created_date": ""}
    connection.execute(insert(store.tables.audit).values(payload=b"", **audit))
    time.sleep(0.005)


def connect(given):
    if "sqlite" in given:
        return sqlite_connector(given["sqlite"], SystemClock())
    return postgresql_connector(None, given["database"], SystemClock(), uri=given["uri"])


def say(*words):
    line = " ".join(map(str, words))
    sys.stdout.write(f"{line}\n")  # in one piece: several threads say something
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
