"""Connections to the tests' ZooKeeper, each test below a base path of its own."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys

import pytest
from tests.servers.fixtures import running
from tests.servers.zookeeper import ZooKeeperServer

from nemeton.common.clock import SystemClock
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorConfig,
    CuratorDiscoveryConfig,
    IndexerZkConfig,
    ZkPathsConfig,
)
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper
from nemeton.discovery.zookeeper.curator import CuratorDiscovery
from nemeton.json import Json

_numbers = itertools.count(1)
SESSION_MS = 6000
SHORT_SESSION_MS = 2000
"""Of tests in which sessions end."""


class RecordingSessionListener(SessionListener):
    """Remembers what it was told."""

    def __init__(self):
        self.calls = []

    def suspended(self):
        self.calls.append("suspended")

    def lost(self):
        self.calls.append("lost")

    def reconnected(self):
        self.calls.append("reconnected")


@pytest.fixture
def session_listener():
    return RecordingSessionListener()


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def base():
    return f"/test{next(_numbers)}"


@pytest.fixture
def connect(base, clock):
    """Make a connection to a server; all are closed at the end."""
    made = []

    def connect(server, session_ms=SESSION_MS, host=None, **config):
        settings = CuratorConfig(host=host or server.connect_string, session_timeout_ms=session_ms, **config)
        made.append(ZooKeeper(settings, ZkPathsConfig(base=base), IndexerZkConfig(), clock))
        return made[-1]

    yield connect
    for each in reversed(made):
        each.stop()


@pytest.fixture
def make_announcer(clock):
    """Make an announcer on a connection; all are stopped at the end."""
    made = []

    def make(connection):
        made.append(Announcer(connection, clock))
        return made[-1]

    yield make
    for each in reversed(made):
        each.stop()


@pytest.fixture(scope="module")
def server():
    """A server of these tests alone: they freeze, kill and restart it."""
    yield from running(ZooKeeperServer)


@pytest.fixture
def discover(server, connect, clock):
    """Make a member of the discovery; returns it, its connection and its announcer."""
    made = []

    def discover(host=None, session_ms=SHORT_SESSION_MS):
        connection = connect(server, session_ms, host=host)
        announcer = Announcer(connection, clock)
        services, segments = CuratorDiscoveryConfig(), BatchDataSegmentAnnouncerConfig()
        kind = CuratorDiscovery(connection, announcer, services, segments, Json(), clock)
        kind.start()
        made.append((kind, announcer))
        return kind, connection, announcer

    yield discover
    for kind, announcer in made:
        kind.close()
        announcer.stop()


@pytest.fixture
def watch(server, connect):
    """A client that stays connected only while the server is well."""
    return connect(server).client


@pytest.fixture
def run_process():
    """Run Python with these arguments; the process is killed at the end of the block."""

    @contextlib.contextmanager
    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()

    return run
