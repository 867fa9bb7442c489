"""The lookups that a Coordinator keeps: versions, races, what it tells nodes, and when."""

from __future__ import annotations

import itertools

import pytest

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.coordinator.config import LookupCoordinatorManagerConfig
from nemeton.coordinator.lookup_nodes import to_be_dropped, to_be_loaded
from nemeton.coordinator.lookups import LOOKUP_CONFIG_KEY, LookupCoordinatorManager
from nemeton.lookups.state import LookupExtractorFactoryMapContainer, LookupsState, is_newer
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.testkit.waiting import eventually

ALICE = AuditInfo(author="alice", comment="why")


def a_map(version, **entries):
    return LookupExtractorFactoryMapContainer(version, {"type": "map", "map": entries})


class FakeNodes:
    """Counts how often it is asked to look after the nodes; they settle after as many times as the test says."""

    def __init__(self):
        self.told = []
        self.rounds_until_settled = 1
        self.last_known = {}
        self.arrived = None

    def on_change(self, listener):
        self.arrived = listener

    def manage(self, tiers):
        self.told.append(tiers)
        return len(self.told) >= self.rounds_until_settled


@pytest.fixture
def store(sqlite_store, json, clock):
    made = ConfigManager(sqlite_store, AuditManager(sqlite_store, json, clock), json, clock)
    yield made
    made.stop()


@pytest.fixture
def nodes():
    return FakeNodes()


@pytest.fixture
def manager(store, nodes, json):
    config = LookupCoordinatorManagerConfig(initial_delay=1, period=3_600_000)
    made = LookupCoordinatorManager(config, store, nodes, json, SystemClock())
    yield made
    made.stop()


def names(manager):
    return {tier: sorted(lookups) for tier, lookups in (manager.known_lookups or {}).items()}


# ---- what is stored


def test_there_are_no_lookups_before_somebody_initialises_them(manager, store):
    manager.start()
    assert manager.known_lookups is None
    assert manager.get_lookup("__default", "x") is None
    manager.update_lookups({}, ALICE)
    assert manager.known_lookups == {}
    assert store.get_bytes(LOOKUP_CONFIG_KEY) == b"{}"


def test_a_first_update_need_not_be_empty(manager):
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    assert names(manager) == {"t": ["x"]}


def test_an_update_adds_and_replaces_and_forgets_nothing(manager):
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1"), "y": a_map("v1")}, "u": {"z": a_map("v1")}}, ALICE)
    manager.update_lookups({"t": {"x": a_map("v2", a="A")}, "w": {"n": a_map("v0")}}, ALICE)
    assert names(manager) == {"t": ["x", "y"], "u": ["z"], "w": ["n"]}
    assert manager.get_lookup("t", "x") == a_map("v2", a="A")


@pytest.mark.parametrize("version", ["v1", "v0", "v09", ""])
def test_a_version_must_grow(manager, version):
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1", a="A")}}, ALICE)
    with pytest.raises(DruidException) as refused:
        manager.update_lookups({"t": {"new": a_map("v1"), "x": a_map(version)}}, ALICE)
    shown = "LookupExtractorFactoryContainer{version='v1', lookupExtractorFactory={type=map, map={a=A}}}"
    assert refused.value.message == f"given update for lookup [t]:[x] can't replace existing spec [{shown}]."
    assert names(manager) == {"t": ["x"]}, "all of an update or nothing"


def test_a_lookup_without_a_version_is_refused(manager):
    manager.start()
    with pytest.raises(DruidException, match=r"lookup \[t\]:\[x\] does not have version\."):
        manager.update_lookups({"t": {"x": a_map(None)}}, ALICE)


def test_versions_are_compared_as_java_compares_texts():
    ordered = [None, "", "2024-01-01", "9", "V", "v1", "v10", "v2", "\U0001f600", "\uff5e"]
    for older, newer in itertools.pairwise(ordered):
        assert is_newer(newer, older)
        assert not is_newer(older, newer)
        assert not is_newer(newer, newer)


def test_what_is_deleted_is_gone(manager):
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1"), "y": a_map("v1")}, "u": {"z": a_map("v1")}}, ALICE)
    assert manager.delete_lookup("t", "x", ALICE)
    assert not manager.delete_lookup("t", "x", ALICE)
    assert manager.delete_tier("u", ALICE)
    assert not manager.delete_tier("u", ALICE)
    assert names(manager) == {"t": ["y"]}
    assert manager.delete_lookup("t", "y", ALICE)
    assert manager.known_lookups == {}, "a tier without lookups is gone, too"


def test_every_change_is_audited(manager, sqlite_store, json, clock):
    manager.start()
    manager.update_lookups({}, ALICE)
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    manager.delete_tier("t", ALICE)
    history = AuditManager(sqlite_store, json, clock).history(LOOKUP_CONFIG_KEY)
    assert [(each.key, each.audit_info.author) for each in history] == [(LOOKUP_CONFIG_KEY, "alice")] * 3
    assert json.loads(history[1].payload) == {
        "t": {"x": {"version": "v1", "lookupExtractorFactory": {"type": "map", "map": {}}}}
    }


def test_two_coordinators_lose_no_update_of_each_other(manager, store, nodes, json):
    other = LookupCoordinatorManager(LookupCoordinatorManagerConfig(), store, FakeNodes(), json, SystemClock())
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    other.update_lookups({"t": {"y": a_map("v1")}}, ALICE)
    manager.update_lookups({"t": {"z": a_map("v1")}}, ALICE)
    assert names(manager) == {"t": ["x", "y", "z"]}


def test_lookups_of_very_old_clusters_are_taken_over(manager, store):
    store.set("lookups", {"t": {"x": {"type": "map", "map": {"a": "A"}}}, "empty": {}}, ALICE)
    manager.start()
    assert manager.known_lookups == {"t": {"x": a_map(None, a="A")}}
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    assert manager.get_lookup("t", "x") == a_map("v1"), "any version is newer than none"


# ---- when nodes are told


def test_nodes_are_told_of_changes_at_once_and_only_while_this_coordinator_leads(manager, nodes):
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    assert nodes.told == [], "it does not lead"
    manager.start()
    eventually(lambda: nodes.told, "the nodes are looked after")
    manager.update_lookups({"t": {"y": a_map("v1")}}, ALICE)
    eventually(lambda: "y" in nodes.told[-1]["t"], "the nodes hear of the change")
    manager.stop()
    before = len(nodes.told)
    manager.update_lookups({"t": {"z": a_map("v1")}}, ALICE)
    nodes.arrived()
    manager.nudge()
    assert len(nodes.told) == before


def test_nodes_are_looked_after_again_until_they_have_loaded(manager, nodes):
    nodes.rounds_until_settled = 4
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    eventually(lambda: len(nodes.told) >= 4, "the nodes are looked after until they settle")


def test_a_node_that_comes_is_told_at_once(manager, nodes):
    manager.start()
    manager.update_lookups({}, ALICE)
    eventually(lambda: nodes.told, "the nodes are looked after")
    before = len(nodes.told)
    nodes.arrived()
    eventually(lambda: len(nodes.told) > before, "the new one hears, too")


def test_who_leads_again_goes_on(manager, nodes):
    manager.start()
    manager.update_lookups({"t": {"x": a_map("v1")}}, ALICE)
    manager.stop()
    before = len(nodes.told)
    manager.start()
    eventually(lambda: len(nodes.told) > before, "the nodes are looked after")


# ---- what a node is told


def test_a_node_is_to_load_what_it_has_not_or_not_in_this_version_or_drops():
    wanted = {name: a_map("v2") for name in ("new", "older", "same", "newer", "loading", "loads_old", "dropping")}
    state = LookupsState(
        current={"older": a_map("v1"), "same": a_map("v2"), "newer": a_map("v3"), "dropping": a_map("v2")},
        to_load={"loading": a_map("v2"), "loads_old": a_map("v1")},
        to_drop=frozenset({"dropping"}),
    )
    assert sorted(to_be_loaded(state, wanted)) == ["dropping", "loads_old", "new", "older"]


def test_a_node_is_to_drop_what_it_should_not_have():
    state = LookupsState(
        current={"kept": a_map("v1"), "gone": a_map("v1"), "dropping": a_map("v1")},
        to_load={"loading": a_map("v1")},
        to_drop=frozenset({"dropping"}),
    )
    assert to_be_dropped(state, {"kept": a_map("v1")}) == {"gone", "loading"}
