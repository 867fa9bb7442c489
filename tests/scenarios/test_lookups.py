"""Lookups over whole clusters: golden answers over HTTP, a node without its Coordinator, tasks that look up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.conformance.golden_engine import GOLDEN, check

from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

LOOKUPS = "/druid/coordinator/v1/lookups"
#: Golden records that name lookups, and what can be read of the API; the data sources that they need.
RECORDS = ("native_dimensions", "native_filters", "native_scan", "sql_metadata", "errors_native")
NEMETON = str(Path(sys.executable).parent / "nemeton")


def ask(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def introspect(cluster, role, name):
    status, text = ask(f"{cluster.url(role)}/druid/v1/lookups/introspect/{name}")
    return json.loads(text) if status == 200 else None


def post(cluster, lookups):
    assert ask(f"{cluster.url('coordinator')}{LOOKUPS}/config", lookups)[0] == 202


def a_map(version, **entries):
    return {"version": version, "lookupExtractorFactory": {"type": "map", "map": entries}}


# ---- golden answers


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """A cluster with some golden segments, to which the golden lookups were posted as to any Druid."""
    folder = tmp_path_factory.mktemp("golden-lookups")
    for source in ("mixed", "flights"):
        shutil.copytree(GOLDEN / "segments" / source, folder / "segments" / source)
    data = folder / "data"
    command = [NEMETON, "tools", "insert-segments", str(folder / "segments"), "--data-dir", str(data)]
    subprocess.run(command, check=True, capture_output=True)
    with EmbeddedCluster(data, router_port=0) as cluster:
        base = f"{cluster.url('coordinator')}/druid/coordinator/v1"
        post(cluster, {})
        post(cluster, json.loads((GOLDEN / "lookups.json").read_text()))
        eventually(lambda: set(json.loads(ask(f"{base}/loadstatus")[1]).values()) == {100.0}, "segments load", 60)
        count = {"query": "SELECT COUNT(*) FROM flights WHERE LOOKUP(carrier, 'carrier_name') IS NOT NULL"}
        eventually(lambda: ask(f"{cluster.router_url}/druid/v2/sql", count)[0] == 200, "the Broker sees them", 60)
        yield cluster


def golden_records():
    for group in RECORDS:
        for record in json.loads((GOLDEN / "queries" / f"{group}.json").read_text()):
            if "ookup" in json.dumps(record.get("request")) or "low_code" in json.dumps(record.get("request")):
                yield pytest.param(record, id=record["name"])
    for record in json.loads((GOLDEN / "queries" / "api_read.json").read_text()):
        if "lookup" in record["name"] or "supervisor" in record["name"]:
            yield pytest.param(record, id=record["name"])


@pytest.mark.parametrize("record", golden_records())
def test_golden_records_that_name_lookups(golden, record):
    why = check.compare(record, *check.send(golden.router_url, record), errors="code")
    assert why is None, why


# ---- a node without its Coordinator


def test_a_node_that_restarts_without_a_coordinator_has_its_lookups(tmp_path):
    common = {
        "druid.discovery.type": "metadata",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{tmp_path / 'shared.db'}",
        "druid.lookup.snapshotWorkingDir": str(tmp_path / "lookups"),
    }

    def nodes(*roles):
        return EmbeddedCluster(tmp_path / roles[0], router_port=0, roles=roles, properties=common)

    with nodes("coordinator") as coordinator:
        with nodes("historical") as historical:
            post(coordinator, {"__default": {"x": a_map("v1", a="A"), "y": a_map("v1")}})
            eventually(lambda: introspect(historical, "historical", "x") == {"a": "A"}, "the node is found and told")
            url = f"{coordinator.url('coordinator')}{LOOKUPS}/config/__default/y"
            assert ask(url, method="DELETE")[0] == 202
            eventually(lambda: introspect(historical, "historical", "y") is None, "the node drops it")
        post(coordinator, {"__default": {"x": a_map("v2", a="A2")}})
        with nodes("historical") as historical:
            assert introspect(historical, "historical", "x") == {"a": "A2"}, "asked for at the start"
    with nodes("historical") as historical:
        assert introspect(historical, "historical", "x") == {"a": "A2"}
        assert introspect(historical, "historical", "y") is None


# ---- tasks


def task(**context):
    return {
        "type": "index_parallel",
        "context": context,
        "spec": {
            "dataSchema": {
                "dataSource": "looked_up",
                "timestampSpec": {"column": "t", "format": "iso"},
                "dimensionsSpec": {"dimensions": ["k", "name"]},
                "granularitySpec": {"segmentGranularity": "DAY", "intervals": ["2024-01-01/2024-01-02"]},
                "transformSpec": {
                    "transforms": [{"type": "expression", "name": "name", "expression": "lookup(k, 'names')"}]
                },
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "inline", "data": '{"t": "2024-01-01", "k": "a"}'},
                "inputFormat": {"type": "json"},
            },
        },
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with EmbeddedCluster(tmp_path_factory.mktemp("lookups"), router_port=0) as cluster:
        post(cluster, {"__default": {"names": a_map("v1", a="Alpha"), "other": a_map("v1")}})
        yield cluster


def run(cluster, spec):
    task_id = json.loads(ask(f"{cluster.router_url}/druid/indexer/v1/task", spec)[1])["task"]
    url = f"{cluster.router_url}/druid/indexer/v1/task/{task_id}/status"
    found = {}

    def ended():
        found.update(json.loads(ask(url)[1])["status"])
        return found["statusCode"] != "RUNNING"

    eventually(ended, "the task ends", 60)
    return found


@pytest.mark.parametrize("context", [{}, {"lookupLoadingMode": "ONLY_REQUIRED", "lookupsToLoad": ["names"]}])
def test_a_task_looks_up_while_it_ingests(plain, context):
    status = run(plain, task(**context))
    assert status["statusCode"] == "SUCCESS", status
    query = {"query": "SELECT k, name FROM looked_up"}
    rows = json.dumps([{"k": "a", "name": "Alpha"}], separators=(",", ":"))
    eventually(lambda: ask(f"{plain.router_url}/druid/v2/sql", query)[1].strip() == rows, "the row is served", 60)


def test_a_task_that_loads_no_lookups_finds_none(plain):
    status = run(plain, task(lookupLoadingMode="NONE"))
    assert status["statusCode"] == "FAILED"
    assert "Lookup [names] not found" in status["errorMsg"]


def test_a_task_whose_context_makes_no_sense_fails_in_druids_words(plain):
    status = run(plain, task(lookupLoadingMode="SOME"))
    assert "Invalid value of lookupLoadingMode[SOME]" in status["errorMsg"]
