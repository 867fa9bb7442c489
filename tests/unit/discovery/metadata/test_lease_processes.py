"""Leaders in processes of their own that freeze or die: what one of a lost term writes does not count."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

ROOT = Path(__file__).parents[4]
LEASE_S = 0.8


class LeaderProcess:
    def __init__(self, id_, given):
        command = [sys.executable, "-m", "tests.unit.discovery.metadata.lease_process"]
        self.id = id_
        self.process = subprocess.Popen(
            [*command, json.dumps({"id": id_, "lease_s": LEASE_S, **given})],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said = []
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.split())
            self.lines.put(line.split())

    def hear(self, word, within_s=30):
        """The next line that begins with the word."""
        while True:
            line = self.lines.get(timeout=within_s)
            if line[:1] == [word]:
                return line

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)


@pytest.fixture
def start(connector, tmp_path, request):
    """Starts leaders over one store."""
    from tests.unit.discovery.metadata.conftest import _forget

    _forget(connector)
    given = {"sqlite": str(tmp_path / "metadata.db")}
    if connector.dialect.__class__.__name__ != "SqliteDialect":
        server = request.getfixturevalue("postgresql")
        database = request.getfixturevalue("metadata_database")
        given = {"uri": server.jdbc_url(database), "database": database}
    started = []

    def one(id_):
        started.append(LeaderProcess(id_, given))
        return started[-1]

    yield one
    for process in started:
        process.end()


def acts(connector):
    """Who wrote in which term; checks that the terms came one after the other, each with one leader."""
    table = connector.tables.audit
    query = select(table.c.type, table.c.audit_key).order_by(table.c.id)
    written = [(int(row[0]), row[1]) for row in connector.read(lambda c: c.execute(query).all())]
    assert [term for term, _ in written] == sorted(term for term, _ in written)
    by_term = {}
    for term, who in written:
        by_term.setdefault(term, set()).add(who)
    assert all(len(who) == 1 for who in by_term.values()), by_term
    return by_term


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_a_frozen_leader_that_wakes_up_cannot_write(connector, start):
    first = start("http://a:1")
    assert first.hear("wrote") == ["wrote", "1"]
    second = start("http://b:2")
    first.signal(signal.SIGSTOP)
    assert second.hear("wrote") == ["wrote", "2"]
    del first.said[1:]
    first.signal(signal.SIGCONT)
    first.hear("stops")
    assert ["leads", "2"] not in first.said
    second.signal(signal.SIGSTOP)
    assert first.hear("wrote") == ["wrote", "3"]
    second.signal(signal.SIGCONT)
    second.hear("stops")
    assert acts(connector) == {1: {"http://a:1"}, 2: {"http://b:2"}, 3: {"http://a:1"}}


@pytest.mark.slow
def test_the_next_takes_over_from_a_killed_leader(connector, start):
    first = start("http://a:1")
    assert first.hear("wrote") == ["wrote", "1"]
    second = start("http://b:2")
    first.end()
    assert second.hear("wrote") == ["wrote", "2"]
    third = start("http://c:3")
    second.end()
    assert third.hear("wrote") == ["wrote", "3"]
    assert acts(connector) == {1: {"http://a:1"}, 2: {"http://b:2"}, 3: {"http://c:3"}}
