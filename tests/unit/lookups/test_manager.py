"""The lookups of a node: how it comes by them at its start, and how one takes another's place."""

from __future__ import annotations

import json as plain_json

import pytest
from tests.unit.lookups.kinds import FakeCoordinator, SlowLookupFactory, a_map, entries, slow

from nemeton.common.clock import ManualClock
from nemeton.common.errors import DruidException
from nemeton.lookups.config import LookupConfig
from nemeton.lookups.scope import LookupScope
from nemeton.rpc.errors import RpcError
from nemeton.spi.lookup_loading import LOAD_NONE, LoadingMode, LookupLoadingSpec
from nemeton.testkit.waiting import eventually

NOBODY = RpcError("coordinator", "GET", [], "no instance of the service was found", 0.0)


def gate_of(name):
    return SlowLookupFactory(name=name).gate


# ---- the start


def test_a_node_starts_with_the_lookups_of_its_tier_that_the_coordinator_has(start):
    coordinator = FakeCoordinator({"one": a_map("v1", a="A"), "two": a_map("v1")})
    manager = start(coordinator, lookup_tier="hot")
    assert coordinator.asked == ["hot"]
    assert sorted(manager.names()) == ["one", "two"]
    assert entries(manager, "one") == {"a": "A"}
    assert manager.get("three") is None


def test_a_lookup_of_a_kind_that_nobody_knows_is_left_out_at_the_start(start):
    unknown = {"version": "v1", "lookupExtractorFactory": {"type": "bogus"}}
    manager = start(FakeCoordinator({"good": a_map("v1"), "bad": unknown, "worse": {"version": "v1"}}))
    assert manager.names() == ["good"]


def test_a_node_whose_coordinator_fails_asks_as_often_as_configured(start):
    coordinator = FakeCoordinator(RpcError("coordinator", "GET", ["http://a"], "refused", 0.0))
    assert start(coordinator, coordinator_fetch_retries=2).names() == []
    assert len(coordinator.asked) == 2


def test_a_node_asks_no_twice_where_there_is_no_coordinator(start):
    coordinator = FakeCoordinator(NOBODY)
    assert start(coordinator).names() == []
    assert len(coordinator.asked) == 1


def test_a_lookup_that_fails_to_start_is_tried_again_and_then_left_out(start):
    coordinator = FakeCoordinator({"good": slow("v1", "good", fail=1), "bad": slow("v1", "bad", fail=9)})
    assert start(coordinator, lookup_start_retries=2).names() == ["good"]


def test_without_a_coordinator_a_node_starts_with_what_it_had(start, add, tmp_path):
    first = start(snapshot_working_dir=str(tmp_path))
    add(first, "kept", a_map("v1", a="A"))
    add(first, "dropped", a_map("v1"))
    first.remove("dropped")
    eventually(lambda: entries(first, "kept") and not first.state().to_drop, "the lookups are loaded and dropped")
    first.stop()
    file = tmp_path / "__default.lookupSnapshot.json"
    assert plain_json.loads(file.read_text())[0]["name"] == "kept", "the form of Druid's snapshots"
    assert file.stat().st_mode & 0o077 == 0, "there may be passwords in it"
    again = start(FakeCoordinator(NOBODY), snapshot_working_dir=str(tmp_path))
    assert {name: entries(again, name) for name in again.names()} == {"kept": {"a": "A"}}


def test_what_a_node_has_from_the_coordinator_is_kept_at_once(start, tmp_path):
    start(FakeCoordinator({"x": a_map("v1", a="A")}), snapshot_working_dir=str(tmp_path))
    again = start(FakeCoordinator(NOBODY), snapshot_working_dir=str(tmp_path))
    assert entries(again, "x") == {"a": "A"}


def test_a_snapshot_of_druid_is_read(start, tmp_path):
    bean = {"name": "x", "container": a_map("v1", a="A"), "factory": a_map("v1", a="A")["lookupExtractorFactory"]}
    old = {"name": "old", "factory": {"type": "map", "map": {"b": "B"}}}
    (tmp_path / "__default.lookupSnapshot.json").write_text(plain_json.dumps([bean, old]))
    manager = start(FakeCoordinator(NOBODY), snapshot_working_dir=str(tmp_path))
    assert {name: entries(manager, name) for name in manager.names()} == {"x": {"a": "A"}, "old": {"b": "B"}}


@pytest.mark.parametrize("content", ["", "[", '[{"no": "name"}]', '{"a": 1}'])
def test_a_broken_snapshot_keeps_no_node_from_starting(start, tmp_path, content):
    (tmp_path / "__default.lookupSnapshot.json").write_text(content)
    assert start(FakeCoordinator(NOBODY), snapshot_working_dir=str(tmp_path)).names() == []


def test_the_coordinator_is_not_asked_where_that_is_configured(start, tmp_path):
    coordinator = FakeCoordinator({"one": a_map("v1")})
    assert start(coordinator, enable_lookup_sync_on_startup=False).names() == []
    assert coordinator.asked == []


# ---- changes


def test_a_lookup_is_replaced_by_a_newer_version_only(start, add):
    manager = start(FakeCoordinator({"x": a_map("v2", a="two")}))
    add(manager, "x", a_map("v1", a="one"))
    add(manager, "y", a_map("v1"))
    eventually(lambda: "y" in manager.names(), "the second notice is handled")
    assert entries(manager, "x") == {"a": "two"}
    add(manager, "x", a_map("v3", a="three"))
    eventually(lambda: entries(manager, "x") == {"a": "three"}, "the newer one takes over")


def test_the_old_version_serves_until_the_new_one_has_loaded(start, add):
    manager = start(FakeCoordinator({"x": slow("v1", "old")}))
    old = manager.container("x").lookup_extractor_factory
    gate_of("old").set()
    new = add(manager, "x", slow("v2", "new"))
    eventually(lambda: manager.state().to_load, "the new one loads")
    assert entries(manager, "x") == {"name": "old"}
    assert manager.state().to_load["x"].version == "v2", "the Coordinator sends it no second time"
    add(manager, "x", slow("v2", "new"))
    gate_of("new").set()
    eventually(lambda: entries(manager, "x") == {"name": "new"}, "the new one takes over")
    eventually(lambda: old.closed, "the old one is let go")
    assert not new.closed
    assert not manager.state().to_load


def test_a_new_version_that_does_not_start_leaves_the_old_one_alone(start, add):
    manager = start(FakeCoordinator({"x": a_map("v1", a="A")}), lookup_start_retries=1)
    broken = add(manager, "x", slow("v2", "broken", fail=9))
    eventually(lambda: broken.closed, "it is given up")
    assert entries(manager, "x") == {"a": "A"}


def test_a_dropped_lookup_is_let_go(start, add):
    manager = start()
    factory = add(manager, "x", slow("v1", "x"))
    eventually(lambda: manager.names() == ["x"], "it is loaded")
    manager.remove("x")
    manager.remove("nosuch")
    eventually(lambda: factory.closed and not manager.names(), "it is dropped")


def test_stopping_waits_for_no_next_try(start, add):
    manager = start(clock=ManualClock())
    factory = add(manager, "x", slow("v1", "x", fail=9))
    eventually(lambda: factory._failures, "the first try")
    manager.stop()
    assert not manager._thread.is_alive()
    assert len(factory._failures) == 1


def test_stopping_closes_all_lookups(start, add):
    manager = start()
    factory = add(manager, "x", slow("v1", "x"))
    eventually(lambda: manager.names() == ["x"], "it is loaded")
    manager.stop()
    assert factory.closed == ["closed"]


# ---- whose lookups


def test_a_peon_loads_only_what_its_task_names(start, add):
    coordinator = FakeCoordinator({"needed": a_map("v1"), "other": a_map("v1")})
    scope = LookupScope(is_peon=True, loading=LookupLoadingSpec(LoadingMode.ONLY_REQUIRED, frozenset({"needed"})))
    manager = start(coordinator, scope=scope)
    assert manager.get("needed") is not None
    assert manager.get("other") is None
    add(manager, "other", a_map("v2"))
    assert not manager.state().to_load


def test_a_task_that_needs_no_lookups_asks_no_coordinator(start):
    coordinator = FakeCoordinator({"one": a_map("v1")})
    manager = start(coordinator, scope=LookupScope(is_peon=True, loading=LOAD_NONE))
    assert manager.get("one") is None
    assert coordinator.asked == []


def test_a_peon_takes_no_snapshot(start, add, tmp_path):
    manager = start(scope=LookupScope(is_peon=True), snapshot_working_dir=str(tmp_path))
    add(manager, "x", a_map("v1"))
    eventually(lambda: manager.names() == ["x"], "it is loaded")
    assert list(tmp_path.iterdir()) == []


def test_the_tier_of_a_node():
    assert LookupConfig().tier("wiki") == "__default"
    assert LookupConfig(lookup_tier="hot").tier("wiki") == "hot"
    assert LookupConfig(lookup_tier_is_datasource=True).tier("wiki") == "wiki"
    assert LookupConfig(lookup_tier_is_datasource=True).tier(None) == "__default"
    with pytest.raises(DruidException, match="Cannot specify both `lookupTier` and `lookupTierIsDatasource`"):
        LookupConfig(lookup_tier="hot", lookup_tier_is_datasource=True).tier(None)
    with pytest.raises(DruidException, match=r"Cannot have empty lookup tier from druid\.lookup"):
        LookupConfig(lookup_tier="").tier(None)
