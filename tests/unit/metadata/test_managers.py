import threading

import pytest
from sqlalchemy import select

from nemeton.metadata.audit import AuditInfo, RequestInfo
from nemeton.metadata.changes import SegmentChangeHub
from nemeton.metadata.config import MetadataRuleManagerConfig, SegmentsMetadataManagerConfig
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.time import Interval

from .test_coordinator import DAY, NEXT_DAY, V2, ids, segment

INFO = AuditInfo(author="me", comment="why", identity="allowAll", ip="127.0.0.1")


# ---- poll


@pytest.fixture
def manager(connector, coordinator, json, clock):
    return SegmentsMetadataManager(connector, coordinator, SegmentsMetadataManagerConfig(), json, clock)


def test_snapshot_shows_used_segments_and_what_is_overshadowed(manager, coordinator):
    coordinator.commit_segments([segment(), segment(NEXT_DAY), segment(source="other")])
    coordinator.commit_segments([segment(version=V2)])
    snapshot = manager.snapshot()
    assert snapshot.data_sources == ("other", "wiki")
    assert ids(snapshot.all_segments()) == ids(
        [segment(), segment(NEXT_DAY), segment(version=V2), segment(source="other")]
    )
    assert snapshot.overshadowed == {segment()}


def test_a_snapshot_never_changes_and_unchanged_timelines_are_kept(manager, coordinator):
    coordinator.commit_segments([segment(), segment(source="other")])
    before = manager.poll()
    manager.mark_as_unused("wiki", [str(segment().id)])
    after = manager.poll()
    assert before.data_sources == ("other", "wiki")
    assert after.data_sources == ("other",)
    assert after.timelines["other"] is before.timelines["other"]
    assert manager.mark_interval_as_used("wiki", DAY) == 1
    assert manager.poll().data_sources == ("other", "wiki")


def test_a_row_that_cannot_be_read_is_left_out(manager, coordinator, connector):
    coordinator.commit_segments([segment(), segment(NEXT_DAY)])
    table = connector.tables.segments
    connector.retry_transaction(
        lambda c: c.execute(table.update().where(table.c.id == str(segment().id)).values(payload=b"{"))
    )
    assert ids(manager.poll().all_segments()) == ids([segment(NEXT_DAY)])


def test_a_publish_wakes_the_poll(connector, json, clock):
    hub = SegmentChangeHub()
    coordinator = SqlIndexerMetadataStorageCoordinator(connector, json, clock, hub)
    manager = SegmentsMetadataManager(connector, coordinator, SegmentsMetadataManagerConfig(), json, clock, hub)
    manager.start_polling()
    try:
        assert manager.snapshot().data_sources == ()
        seen = []
        hub.subscribe(seen.append)
        coordinator.commit_segments([segment()])
        assert seen == ["wiki"]
        waiting = threading.Event()
        for _ in range(1000):
            if manager.snapshot().data_sources:
                break
            waiting.wait(0.01)
        assert manager.snapshot().data_sources == ("wiki",)
    finally:
        manager.stop_polling()


# ---- rules


@pytest.fixture
def rules(connector, audit, json, clock):
    return MetadataRuleManager(connector, audit, MetadataRuleManagerConfig(), json, clock)


def test_the_first_coordinator_stores_a_default_rule(rules):
    rules.create_default_rule()
    rules.create_default_rule(replicants=1)
    expected = {"type": "loadForever", "tieredReplicants": {"_default_tier": 2}, "useDefaultTierForNull": True}
    assert rules.get_all_rules() == {"_default": [expected]}
    assert rules.get_rules_with_default("wiki") == [expected]


def test_the_newest_rules_win_even_within_a_millisecond(rules, connector, audit):
    rules.create_default_rule()
    for replicants in (3, 4):
        rules.override_rules("wiki", [{"type": "loadForever", "tieredReplicants": {"t": replicants}}], INFO)
    assert rules.get_rules("wiki")[0]["tieredReplicants"] == {"t": 4}
    assert len(rules.get_rules_with_default("wiki")) == 2
    rules.override_rules("wiki", [], INFO)
    assert rules.get_rules("wiki") == []
    table = connector.tables.rules
    assert connector.read(lambda c: len(c.execute(select(table.c.id)).all())) == 4
    assert [entry.payload for entry in audit.history("rules", key="wiki")][-1] == "[]"


# ---- configuration and audit


def test_configuration_is_stored_with_its_audit_and_swapped_by_its_bytes(connector, audit, json, clock):
    config = ConfigManager(connector, audit, json, clock)
    assert config.get("k", dict, {"a": 0}) == {"a": 0}
    assert config.set("k", {"a": 1}, INFO)
    assert config.get("k", dict, {}) == {"a": 1}
    assert not config.set("k", {"a": 2}, INFO, swap=True, expected=b"other")
    assert config.set("k", {"a": 2}, INFO, swap=True, expected=b'{"a":1}')
    assert config.get("k", dict, {}) == {"a": 2}
    assert [entry.payload for entry in audit.history("k")] == ['{"a":1}', '{"a":2}']


def test_reads_of_configuration_are_at_most_five_seconds_old(connector, audit, json, clock):
    config, other = (ConfigManager(connector, audit, json, clock) for _ in range(2))
    config.set("k", 1, INFO)
    assert config.get("k", int, 0) == 1
    other.set("k", 2, INFO)
    assert config.get("k", int, 0) == 1
    clock.advance(5.1)
    assert config.get("k", int, 0) == 2


def test_audit_history(audit, clock):
    request = RequestInfo(service="druid/overlord", method="POST", uri="/x")
    for number in range(3):
        audit.record("k", "t", INFO, {"n": number}, request)
        clock.advance(10)
    start = clock.now() - 30_000
    assert [e.payload for e in audit.history("t", limit=2)] == ['{"n":2}', '{"n":1}']
    assert [e.payload for e in audit.history("t", interval=Interval(start, start + 10_001))] == ['{"n":0}', '{"n":1}']
    entry = audit.history("t", key="k")[0]
    assert (entry.audit_info, entry.request, entry.audit_time) == (INFO, request, start)
    assert audit.history("other") == []
