"""Lookup managers that stop when the test ends."""

from __future__ import annotations

import pytest
from tests.unit.lookups.kinds import FakeCoordinator, SlowLookupFactory, SlowLookups

from nemeton.common.clock import SystemClock
from nemeton.inject import Injector
from nemeton.lookups.config import LookupConfig
from nemeton.lookups.manager import LookupReferencesManager, read_specifications
from nemeton.lookups.scope import LookupScope
from nemeton.testkit.isolation import load_isolated


@pytest.fixture
def json():
    SlowLookupFactory.gates.clear()
    return load_isolated(SlowLookups()).json


@pytest.fixture
def start(json):
    """Starts a manager; all of them stop at the end."""
    started = []

    def make(coordinator=None, *, scope=None, clock=None, **config):
        made = LookupReferencesManager(
            LookupConfig(coordinator_retry_delay=0, **config),
            scope or LookupScope(),
            coordinator or FakeCoordinator(None),
            json,
            clock or SystemClock(),
            Injector([]),
        )
        started.append(made)
        made.start()
        return made

    yield make
    for each in started:
        each.stop()


@pytest.fixture
def add(json):
    """Tells a manager of a lookup."""

    def tell(manager, name, specification):
        containers = read_specifications({name: specification}, json)
        manager.add(name, containers[name])
        return containers[name].lookup_extractor_factory

    return tell
