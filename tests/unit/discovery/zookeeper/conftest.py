"""Connections to the tests' ZooKeeper, each test below a base path of its own."""

from __future__ import annotations

import itertools

import pytest

from nemeton.common.clock import SystemClock
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper

_numbers = itertools.count(1)
SESSION_MS = 6000


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
