"""What a Coordinator does when it gains and loses the leadership (behaviours 5.11, 6.1 to 6.4)."""

from __future__ import annotations

import pytest

from nemeton.coordinator.config import CoordinatorPeriodConfig, DruidCoordinatorConfig, HttpLoadQueuePeonConfig
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.emitter.service import ServiceEmitter
from nemeton.time import Period


class Selector:
    def __init__(self):
        self.listeners = []
        self.term = 1

    def is_leader(self):
        return True

    def local_term(self):
        return self.term

    def register_listener(self, listener):
        self.listeners.append(listener)

    def unregister_listener(self):
        self.listeners.clear()


class Segments:
    def __init__(self, steps):
        self.steps = steps

    def start_polling(self):
        self.steps.append("poll")

    def stop_polling(self):
        self.steps.append("stop polling")


class Rules:
    def __init__(self, steps):
        self.steps = steps

    def create_default_rule(self):
        self.steps.append("rules")


class Inventory:
    is_initialized = False

    def add_listener(self, listener):
        pass


class NoConfig:
    def get(self, _key, _cls, default):
        return default


@pytest.fixture
def steps():
    return []


@pytest.fixture
def coordinator(steps, clock):
    made = DruidCoordinator(
        Selector(),
        DruidCoordinatorConfig(period=Period.parse("PT7S"), start_delay=Period.parse("PT1H")),
        CoordinatorPeriodConfig(metadata_store_management_period=Period.parse("PT9S")),
        HttpLoadQueuePeonConfig(),
        Segments(steps),
        Rules(steps),
        NoConfig(),
        Inventory(),
        None,
        ServiceEmitter(),
        None,
        clock,
    )
    yield made
    made.stop_being_leader()


def test_it_enters_the_election_when_it_starts(coordinator):
    assert coordinator.selector.listeners == []
    coordinator.start()
    assert coordinator.selector.listeners == [coordinator]


def test_segments_then_rules_then_groups_with_their_periods(coordinator, steps):
    coordinator.start()
    coordinator.become_leader()
    assert steps == ["poll", "rules"]
    assert [(group.name, str(group.period)) for group in coordinator.duty_groups] == [
        ("HistoricalManagementDuties", "PT7S"),
        ("IndexingServiceDuties", "PT30M"),
        ("MetadataStoreManagementDuties", "PT9S"),
    ]


def test_its_service_is_announced_while_it_leads(coordinator, steps):
    """After segments and rules, before the groups; taken back first of all (behaviour 20.3)."""

    class Service:
        def announce(self):
            steps.append("announce")

        def unannounce(self):
            steps.append("unannounce")

    coordinator._service = Service()
    coordinator.start()
    coordinator.become_leader()
    coordinator.stop_being_leader()
    assert steps == ["poll", "rules", "announce", "unannounce", "stop polling"]


def test_one_that_was_stopped_does_not_become_leader(coordinator, steps):
    coordinator.start()
    coordinator.stop()
    coordinator.become_leader()
    assert steps == []
    assert coordinator.duty_groups == []


def test_a_leader_that_loses_or_stops_ends_its_groups(coordinator, steps):
    coordinator.start()
    coordinator.become_leader()
    groups = coordinator.duty_groups
    coordinator.stop_being_leader()
    assert coordinator.duty_groups == []
    assert steps[-1] == "stop polling"
    for group in groups:
        group.nudge()
        assert group.status().last_run_start is None
    coordinator.become_leader()
    coordinator.stop()
    assert coordinator.duty_groups == []
