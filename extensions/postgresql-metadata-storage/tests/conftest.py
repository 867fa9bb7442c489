"""What the tests share."""

from __future__ import annotations

import importlib.util

import pytest
from tests.servers.metadata import postgresql_connector

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS

NOW = 1_763_600_000_000


@pytest.fixture(scope="session")
def json():
    parts = [name for name in BUILTIN_EXTENSIONS if importlib.util.find_spec(name)]
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, parts).registry)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def connect(postgresql):
    """Makes connectors to the shared server, or to one that is given; all are stopped at the end."""
    made = []

    def make(database, *, server=None, **options):
        made.append(postgresql_connector(server or postgresql, database, SystemClock(), **options))
        return made[-1]

    yield make
    for connector in made:
        connector.stop()
