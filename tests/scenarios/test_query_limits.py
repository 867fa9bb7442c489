"""Large scans, lanes and cancelling over HTTP: a Historical and a Broker in one process."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from contextlib import contextmanager

import pytest
from tests.scenarios.test_serving import GOLDEN, call

from nemeton.dataserver.query_run import RunningQueries
from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

LANES = {
    "druid.query.scheduler.laning.strategy": "manual",
    "druid.query.scheduler.laning.lanes.one": "1",
    "druid.historical.cache.useCache": "true",
    "druid.historical.cache.populateCache": "true",
    "druid.broker.cache.useResultLevelCache": "true",
    "druid.broker.cache.populateResultLevelCache": "true",
    "druid.server.http.compressionLevel": "0",  # or else the rows would fit into a packet or two
    "druid.cache.type": "local",
    "druid.cache.sizeInBytes": "10MiB",
}
#: About 30 MB of rows that cannot be compressed, and 70 MB as JSON: more than all sockets on the way hold.
MUCH = [f"much {i}" for i in range(60)]
SCAN = {
    "queryType": "scan",
    "dataSource": "flights",
    "intervals": ["2013-01-01/2014-01-01"],
    "batchSize": 1000,
    "columns": ["__time", *MUCH],
    "virtualColumns": [
        {"type": "expression", "name": name, "expression": f"sin(__time / {7 + i})", "outputType": "DOUBLE"}
        for i, name in enumerate(MUCH)
    ],
}
COUNT = {
    "queryType": "timeseries",
    "dataSource": "flights",
    "intervals": ["2013-01-01/2014-01-01"],
    "granularity": "all",
    "aggregations": [{"type": "count", "name": "n"}],
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    roles = ("historical", "broker")  # a Coordinator would drop what its store does not know
    with EmbeddedCluster(tmp_path_factory.mktemp("limits"), router_port=0, roles=roles, properties=LANES) as made:
        loads = [
            {"action": "load", **described}
            for path in sorted((GOLDEN / "flights").rglob("descriptor.json"))
            for described in [json.loads(path.read_text().replace("${SEGMENT_DIR}", str(GOLDEN)))]
        ]
        url = f"{made.url('historical')}/druid-internal/v1/segments/changeRequests?timeout=60000"

        def loaded():
            status, answers = call(url, loads)
            return status == 200 and all(each["status"]["state"] == "SUCCESS" for each in answers)

        eventually(loaded, "the segments", 60)
        eventually(lambda: ask(made, COUNT) == (200, [row(60_000)]), "the Broker's view", 30)
        yield made


def row(count):
    return {"timestamp": "2013-01-01T10:00:00.000Z", "result": {"n": count}}


def ask(cluster, query, **context):
    return call(f"{cluster.url('broker')}/druid/v2", {**query, "context": context})


@contextmanager
def begun(cluster, query, **context):
    """The answer of a query that has begun; of its body nothing is read yet."""
    place = urllib.parse.urlsplit(cluster.url("broker"))
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        body = json.dumps({**query, "context": context})
        connection.request("POST", "/druid/v2", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        yield answer
    finally:
        connection.close()


def running(cluster, query_id):
    """In which roles the query runs."""
    injectors = cluster.process.injectors
    return {role for role in ("broker", "historical") if injectors[role].get(RunningQueries).data_sources(query_id)}


def test_a_client_that_takes_nothing_holds_its_query_up_and_not_the_brokers_memory(cluster):
    """All stand still: the Historical has not written what nobody reads. When the client goes on, it gets all."""
    with begun(cluster, SCAN, queryId="slow", lane="one") as answer:
        assert running(cluster, "slow") == {"broker", "historical"}
        status, failure = ask(cluster, COUNT, lane="one", useResultLevelCache=False)
        assert status == 429
        assert "Query capacity exceeded" in failure
        assert ask(cluster, COUNT) == (200, [row(60_000)])
        rows = json.loads(answer.read())
    assert sum(len(batch["events"]) for batch in rows) == 60_000
    eventually(
        lambda: ask(cluster, COUNT, lane="one", useResultLevelCache=False)[0] == 200, "the lane's being free", 10
    )


def test_a_query_that_is_cancelled_ends_everywhere_and_its_answer_has_no_end(cluster):
    with begun(cluster, SCAN, queryId="unwanted") as answer:
        assert running(cluster, "unwanted") == {"broker", "historical"}
        assert call(f"{cluster.url('broker')}/druid/v2/unwanted", method="DELETE")[0] == 202
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    eventually(lambda: not running(cluster, "unwanted"), "the end of the query in all roles", 20)


def test_a_client_that_leaves_ends_its_query_everywhere(cluster):
    with begun(cluster, SCAN, queryId="left"):
        assert running(cluster, "left") == {"broker", "historical"}
    eventually(lambda: not running(cluster, "left"), "the end of the query in all roles", 20)


def test_an_answer_from_the_cache_is_the_answer(cluster):
    answers = [ask(cluster, {**COUNT, "granularity": "day"}) for _ in range(3)]
    assert answers[0][0] == 200
    assert answers[0] == answers[1] == answers[2]


def test_a_segment_that_takes_too_long_ends_the_query(cluster):
    slow = {**SCAN, "order": "ascending", "limit": 50_000}
    status, failure = ask(cluster, slow, perSegmentTimeout=1)
    assert status == 504
    assert "Query timeout" in failure
