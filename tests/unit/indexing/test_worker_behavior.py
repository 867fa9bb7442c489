"""The worker configuration: its API beside the recorded one, and who follows it (behaviour 11.2)."""

import json as plain_json
from pathlib import Path

import pytest
from tests.unit.recording_emitter import RecordingEmitter

from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.provisioning.noop import NoopAutoScaler
from nemeton.indexing.overlord.strategies import (
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
    WorkerBehaviorConfig,
)
from nemeton.indexing.overlord.worker_behavior import CONFIG_KEY, WorkerBehaviorConfigProvider
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.testkit.waiting import eventually

RECORDED = plain_json.loads(
    (Path(__file__).parents[2] / "data" / "reference" / "api" / "worker-config.json").read_text()
)
FILL = WorkerBehaviorConfig(select_strategy=FillCapacityWorkerSelectStrategy())
BY = AuditInfo(author="test")


@pytest.fixture
def emitter():
    return RecordingEmitter()


@pytest.fixture
def manager_of(connector, json, clock):
    return lambda: ConfigManager(connector, AuditManager(connector, json, clock), json, clock)


@pytest.fixture
def configs(manager_of):
    made = manager_of()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def provider(configs, json, emitter):
    return WorkerBehaviorConfigProvider(configs, json, emitter)


def test_the_default_is_equal_distribution_without_an_autoscaler(provider):
    assert provider.current().select_strategy == EqualDistributionWorkerSelectStrategy()
    assert provider.current().auto_scaler is None


def test_a_change_through_this_process_counts_at_once(provider, configs):
    configs.set(CONFIG_KEY, FILL, BY)
    assert provider.current() == FILL


def test_what_is_stored_counts_from_the_start(manager_of, configs, json, emitter):
    manager_of().set(CONFIG_KEY, FILL, BY)
    assert WorkerBehaviorConfigProvider(configs, json, emitter).current() == FILL


def test_a_change_of_another_process_counts_after_the_poll_period(provider, manager_of, clock):
    manager_of().set(CONFIG_KEY, FILL, BY)
    assert provider.current() == WorkerBehaviorConfig()
    clock.advance(59)
    assert provider.current() == WorkerBehaviorConfig()
    clock.advance(2)
    eventually(lambda: provider.current() == FILL, "the poll has seen the change")


def test_while_the_store_is_away_what_is_known_stays_in_force(provider, configs, manager_of, clock, monkeypatch):
    configs.set(CONFIG_KEY, FILL, BY)
    asked = []

    def away(key):
        asked.append(key)
        raise OSError("the store is away")

    monkeypatch.setattr(configs, "get_bytes", away)
    clock.advance(61)
    eventually(lambda: len(asked) == 1, "a poll failed")
    assert provider.current() == FILL
    manager_of().set(CONFIG_KEY, WorkerBehaviorConfig(), BY)
    monkeypatch.undo()

    def seen():
        clock.advance(2)  # it is tried again sooner than after a period
        return provider.current() == WorkerBehaviorConfig()

    eventually(seen, "the store is back")
    assert clock.monotonic() < 100


def test_a_part_that_cannot_be_read_counts_as_not_set_and_is_an_alert(provider, configs, emitter):
    javascript = {"type": "javascript", "function": "function(){}"}
    configs.set(CONFIG_KEY, {"type": "default", "selectStrategy": javascript, "autoScaler": {"type": "noop"}}, BY)
    assert provider.current() == WorkerBehaviorConfig(auto_scaler=NoopAutoScaler())
    configs.set(CONFIG_KEY, {"selectStrategy": {"type": "fillCapacity"}, "autoScaler": {"type": "ec2"}}, BY)
    assert provider.current() == FILL
    configs.set(CONFIG_KEY, ["no", "object"], BY)
    assert provider.current() == WorkerBehaviorConfig()
    assert len(emitter.messages) == 3
    assert "selectStrategy" in emitter.messages[0]
    assert "autoScaler" in emitter.messages[1]


# ---- the API

AS_RECORDED = {
    "druid.extensions.loadList": "[]",
    "druid.indexer.runner.type": "httpRemote",
    "druid.indexer.autoscale.doAutoscale": "true",
    "druid.indexer.autoscale.strategy.type": "pendingTaskBased",
}
OURS = {
    # a type that is not known here would silently become another one
    '{"type": "default", "selectStrategy": {"type": "bogus"}}': 400,
    '{"selectStrategy": {"type": "fillCapacity"}, "autoScaler": {"type": "bogus", "minNumWorkers": 1}}': 400,
    # a Jetty error page for what is the caller's mistake
    '""': 400,
    '"null"': 400,
}
"""Bodies that are answered otherwise than Druid answers them."""


def as_here(recorded):
    """The recorded answer; Druid writes the class's name for the autoscaler that has no type name there."""
    return plain_json.loads(plain_json.dumps(recorded).replace("NoopAutoScaler", "noop"))


def without_times(entries):
    return [{name: value for name, value in entry.items() if name != "auditTime"} for entry in as_here(entries)]


@pytest.fixture
def ask(nemeton_cluster):
    url = nemeton_cluster(properties=AS_RECORDED, roles=("overlord",)).url("overlord")
    http = HttpClient()

    def send(recorded):
        body = recorded.get("body")
        data = body.encode() if isinstance(body, str) else plain_json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return http.request(recorded["method"], url + recorded["path"], body=data, headers=headers)

    leads = {"method": "GET", "path": "/druid/indexer/v1/isLeader"}
    eventually(lambda: send(leads).status == 200, "the Overlord leads")
    yield send
    http.close()


def test_the_worker_config_api_answers_as_recorded(ask):
    same_state = True  # until a body was refused that Druid accepts, or the other way round
    for recorded in RECORDED:
        path, status = recorded["path"], recorded["status"]
        answer = ask(recorded)
        if recorded["method"] == "POST":
            wanted = OURS.get(plain_json.dumps(recorded["body"]), status)
            assert answer.status == wanted, recorded
            same_state = (wanted == 200) == (status == 200)
        elif status != 200 or not recorded.get("json"):
            assert answer.status == (400 if status == 500 else status), recorded
            assert status != 200 or answer.text == ("[]" if "json" in recorded else ""), recorded
        elif path.endswith("count=2"):
            assert without_times(answer.json()) == without_times(recorded["json"])
        elif same_state and "history" not in path:
            assert answer.json() == as_here(recorded["json"]), recorded


def test_an_unknown_strategy_or_autoscaler_is_refused_with_those_that_there_are(ask):
    def post(body):
        return ask({"method": "POST", "path": "/druid/indexer/v1/worker", "body": body})

    refused = post({"selectStrategy": {"type": "bogus"}})
    assert refused.status == 400
    for known in ("equalDistribution", "equalDistributionWithCategorySpec", "fillCapacityWithAffinity"):
        assert known in refused.json()["error"]
    refused = post({"autoScaler": {"type": "ec2"}})
    assert (refused.status, "noop" in refused.json()["error"]) == (400, True)
    refused = post({"selectStrategy": {"type": "javascript", "function": "f"}})
    assert refused.status == 400
    assert "JavaScript is disabled" in refused.json()["error"]
    assert "find_worker" in refused.json()["error"]


def test_the_history_without_arguments_is_that_of_the_last_week(connector, json, clock):
    audit = AuditManager(connector, json, clock)
    audit.record("k", "t", BY, "old")
    clock.advance(8 * 24 * 3600)
    audit.record("k", "t", BY, "new")
    assert [entry.payload for entry in audit.history("t")] == ['"new"']
    assert len(audit.history("t", limit=5)) == 2
