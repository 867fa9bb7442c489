"""Coordinator, Historical and Broker in one process over the golden segments: loaded, queried, dropped, kept."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.fuzz.segments import damage_values

from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

GOLDEN = Path(__file__).parents[1] / "golden" / "segments"
NEMETON = str(Path(sys.executable).parent / "nemeton")
ROLES = ("coordinator", "historical", "broker")


def call(url, body=None, method=None):
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
            return response.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.embedded = None

    def start(self):
        properties = {"druid.segmentCache.dropSegmentDelayMillis": "0"}
        self.embedded = EmbeddedCluster(self.folder, router_port=0, roles=ROLES, properties=properties).start()
        return self

    def stop(self):
        if self.embedded is not None:
            self.embedded.stop()
            self.embedded = None

    def coordinator(self, path, body=None, method=None):
        return call(f"{self.embedded.url('coordinator')}/druid/coordinator/v1/{path}", body, method)

    def broker(self, body):
        return call(f"{self.embedded.url('broker')}/druid/v2", body)

    def sql(self, query):
        return call(f"{self.embedded.url('broker')}/druid/v2/sql", {"query": query})

    def until_loaded(self, *names):
        def loaded():
            status, found = self.coordinator("loadstatus")
            return status == 200 and all(found.get(name) == 100.0 for name in names)

        eventually(loaded, "the segments to be loaded")

    def flights(self):
        query = {
            "queryType": "timeseries",
            "dataSource": "flights",
            "intervals": ["2013-01-01/2014-01-01"],
            "granularity": "month",
            "aggregations": [{"type": "count", "name": "c"}],
        }
        status, rows = self.broker(query)
        return [row["result"]["c"] for row in rows] if status == 200 else status


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving")
    command = [NEMETON, "tools", "insert-segments", str(GOLDEN), "--data-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    made = Cluster(folder).start()
    made.until_loaded("flights", "mixed_tsv")
    yield made
    made.stop()


MONTHS = [26865, 24936, 8199]


def test_native_and_sql_queries_are_answered(cluster):
    eventually(lambda: cluster.flights() == MONTHS, "the Broker to see all segments")
    assert cluster.sql("SELECT COUNT(*) c FROM flights") == (200, [{"c": sum(MONTHS)}])
    status, rows = cluster.sql("SELECT carrier, COUNT(*) c FROM flights GROUP BY 1 ORDER BY 2 DESC LIMIT 1")
    assert (status, rows) == (200, [{"carrier": "UA", "c": 10363}])


def test_system_tables(cluster):
    query = "SELECT COUNT(*) n, SUM(num_rows) r, SUM(is_available) a FROM sys.segments WHERE datasource = 'flights'"
    eventually(lambda: cluster.sql(query) == (200, [{"n": 3, "r": 60000, "a": 3}]), "the rows to be known")
    status, rows = cluster.sql("SELECT server_type, is_leader FROM sys.servers ORDER BY 1")
    assert status == 200
    assert [row["server_type"] for row in rows] == ["broker", "coordinator", "historical"]
    assert [row["is_leader"] for row in rows] == [None, 1, None]


def test_the_coordinators_api(cluster):
    status, found = cluster.coordinator("datasources/flights")
    assert status == 200
    assert found["segments"]["count"] == 3
    assert found["segments"]["minTime"] == "2013-01-01T00:00:00.000Z"
    assert found["tiers"]["_default_tier"]["segmentCount"] == 3
    assert cluster.coordinator("datasources/nosuch")[0] == 204
    assert cluster.coordinator("metadata/datasources/nosuch")[0] == 404
    assert cluster.coordinator("isLeader") == (200, {"leader": True})
    assert cluster.coordinator("tiers") == (200, ["_default_tier"])
    interval = "2013-01-01T00:00:00.000Z/2013-02-01T00:00:00.000Z"
    status, listed = cluster.coordinator("metadata/datasources/flights/segments?full", [interval])
    assert (status, [each["interval"] for each in listed]) == (200, [interval])
    version = listed[0]["version"]
    handoff = f"datasources/flights/handoffComplete?interval={interval}&partitionNumber=%d&version={version}"
    assert cluster.coordinator(handoff % 0) == (200, True)
    assert cluster.coordinator(handoff % 77) == (200, False)
    loadstatus = "datasources/flights/loadstatus?interval=2013-01-01_2014-01-01"
    assert cluster.coordinator(f"{loadstatus}&forceMetadataRefresh=true") == (200, {"flights": 100.0})
    assert cluster.coordinator(f"{loadstatus}&forceMetadataRefresh=false&simple") == (200, {"flights": 0})
    assert cluster.coordinator(loadstatus)[0] == 400


def test_a_segment_that_is_marked_unused_goes_and_comes_back(cluster):
    segment_id = cluster.coordinator("datasources/flights/segments")[1][0]
    changed = {"numChangedSegments": 1, "segmentStateChanged": True}
    assert cluster.coordinator("datasources/flights/markUnused", {"segmentIds": [segment_id]}) == (200, changed)
    eventually(lambda: cluster.flights() == MONTHS[1:], "the segment to go")
    assert cluster.coordinator("datasources/flights/markUsed", {"segmentIds": [segment_id]}) == (200, changed)
    eventually(lambda: cluster.flights() == MONTHS, "the segment to come back")
    assert cluster.coordinator("datasources/flights/markUnused", {})[0] == 400


def test_rules_are_obeyed_at_once_and_remembered(cluster):
    before = cluster.coordinator("rules/mixed_tsv")[1]
    assert before == []
    rules = [
        {"type": "loadByInterval", "interval": "2024-02-01/2024-03-01", "tieredReplicants": {"_default_tier": 1}},
        {"type": "loadForever", "tieredReplicants": {}},
    ]
    assert cluster.coordinator("rules/mixed_tsv", rules)[0] == 200
    served = "datasources/mixed_tsv/intervals"
    eventually(
        lambda: cluster.coordinator(served) == (200, ["2024-02-01T00:00:00.000Z/2024-03-01T00:00:00.000Z"]),
        "the other month to be dropped",
    )
    assert cluster.coordinator("rules/mixed_tsv")[1][0]["type"] == "loadByInterval"
    assert cluster.coordinator("rules/mixed_tsv/history")[1][0]["key"] == "mixed_tsv"
    assert cluster.coordinator("rules/mixed_tsv", [])[0] == 200
    eventually(lambda: len(cluster.coordinator(served)[1]) == 2, "the month to come back")
    status, error = cluster.coordinator("rules/x", [{"type": "bogus"}])
    assert status == 400
    assert "bogus" in error


def test_settings_are_changed_one_by_one(cluster):
    assert cluster.coordinator("config", {"maxSegmentsToMove": 7})[0] == 200
    status, config = cluster.coordinator("config")
    assert (status, config["maxSegmentsToMove"], config["replicationThrottleLimit"]) == (200, 7, 500)
    assert cluster.coordinator("config", {"maxSegmentsToMove": "abc"})[0] == 400
    assert cluster.coordinator("config", {"killTaskSlotRatio": 5})[0] >= 400


def test_what_the_broker_knows(cluster):
    broker = cluster.embedded.url("broker")
    assert call(f"{broker}/druid/broker/v1/loadstatus") == (200, {"inventoryInitialized": True})
    assert "flights" in call(f"{broker}/druid/v2/datasources")[1]
    status, found = call(f"{broker}/druid/v2/datasources/flights?full&interval=2013-01-01/2013-02-01")
    assert status == 200
    assert "carrier" in found["2013-01-01T00:00:00.000Z/2013-02-01T00:00:00.000Z"]["dimensions"]
    status, found = call(f"{broker}/druid/v2/datasources/flights/candidates?intervals=2013-01-01/2013-02-01")
    assert (status, len(found), len(found[0]["locations"])) == (200, 1, 1)


def test_the_cache_survives_a_restart_and_a_damaged_copy_is_mended(cluster):
    cluster.stop()
    copies = list((cluster.folder / "segment-cache" / "flights").rglob("meta.smoosh"))
    assert len(copies) == 3
    copies[0].write_text("garbage")
    cluster.start()
    eventually(lambda: cluster.flights() == MONTHS, "everything to be served again")
    assert list((cluster.folder / "segment-cache" / "__quarantine__").iterdir())


def test_a_historical_needs_nobody_to_start(tmp_path):
    alone = EmbeddedCluster(tmp_path, router_port=0, roles=("historical",))
    try:
        alone.start()
        found = call(f"{alone.url('historical')}/druid/historical/v1/loadstatus")
        assert found == (200, {"cacheInitialized": True})
    finally:
        alone.stop()


def test_a_damaged_segment_fails_its_queries_by_name_and_harms_no_others(cluster):
    cluster.until_loaded("mixed_zstd")
    (cached, *_) = sorted(path.parent for path in cluster.folder.rglob("mixed_zstd/**/00000.smoosh"))
    damage_values(cached, "d")
    query = {
        "queryType": "timeseries",
        "dataSource": "mixed_zstd",
        "intervals": ["2024-01-01/2025-01-01"],
        "granularity": "all",
        "aggregations": [{"type": "doubleSum", "name": "s", "fieldName": "d"}],
    }
    status, told = cluster.broker(query)
    assert status == 500
    assert "Segment [mixed_zstd_2024-" in told
    assert "is corrupt in [d: values]" in told
    status, told = cluster.sql("SELECT SUM(d) FROM mixed_zstd")
    assert status == 500
    assert "is corrupt in [d: values]" in told
    status, rows = cluster.broker({**query, "aggregations": [{"type": "count", "name": "n"}]})
    assert (status, len(rows)) == (200, 1)
    assert cluster.flights()
