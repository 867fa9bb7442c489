"""A whole cluster with monitors on: what arrives where metrics are posted to."""

from __future__ import annotations

import json

import pytest
from tests.house.metrics_page import documented
from tests.unit.emitter.receiver import Receiver

from nemeton.http.client import HttpClient
from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

pytestmark = pytest.mark.xdist_group("metered")

MONITORS = [
    "org.apache.druid.java.util.metrics.JvmMonitor",
    "org.apache.druid.server.metrics.TaskCountStatsMonitor",
    "org.apache.druid.server.metrics.TaskSlotCountStatsMonitor",
    "org.apache.druid.server.metrics.HistoricalMetricsMonitor",
    "org.apache.druid.server.metrics.QueryCountStatsMonitor",
    "org.apache.druid.server.metrics.ServiceStatusMonitor",
    "org.apache.druid.java.util.metrics.OshiSysMonitor",
    "org.apache.druid.java.util.metrics.HttpPostEmitterMonitor",
]
NOOP = {"type": "noop", "dataSource": "metered", "spec": {}, "runTime": 1}
INGESTION = {
    "type": "index_parallel",
    "spec": {
        "dataSchema": {
            "dataSource": "rows",
            "timestampSpec": {"column": "t", "format": "iso"},
            "dimensionsSpec": {"dimensions": ["d"]},
            "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "NONE"},
        },
        "ioConfig": {
            "type": "index_parallel",
            "inputSource": {"type": "inline", "data": "2024-01-01,a\n2024-01-02,b"},
            "inputFormat": {"type": "csv", "columns": ["t", "d"]},
        },
    },
}


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def cluster(receiver, tmp_path_factory):
    properties = {
        "druid.emitter": "http",
        "druid.emitter.http.recipientBaseUrl": receiver.url,
        "druid.emitter.http.flushMillis": "50",
        "druid.monitoring.monitors": json.dumps(MONITORS),
        "druid.monitoring.emissionPeriod": "PT0.5S",
    }
    with EmbeddedCluster(tmp_path_factory.mktemp("metered"), router_port=0, properties=properties) as running:
        yield running


@pytest.fixture(scope="module")
def events(receiver):
    """A function that gives all events of a service so far, or of all services."""
    seen, found = 0, []

    def events(service):
        nonlocal seen
        bodies = receiver.taken
        for body in bodies[seen:]:
            found.extend(json.loads(body))
        seen = len(bodies)
        return [event for event in found if service is None or event.get("service") == service]

    return events


@pytest.fixture(scope="module")
def submit(cluster):
    """A function that submits a task and gives its id."""

    def submit(task):
        url = f"{cluster.url('overlord')}/druid/indexer/v1/task"
        return HttpClient(timeout_s=20).request("POST", url, json=task).json()["task"]

    return submit


def metrics_of(events, name):
    return [event for event in events if event.get("metric") == name]


def test_roles_report_what_they_do_under_druids_names(events, cluster, submit):
    task_id = submit(NOOP)
    query = {"queryType": "timeBoundary", "dataSource": "nothing"}
    answer = HttpClient(timeout_s=20).request("POST", f"{cluster.url('broker')}/druid/v2/", json=query)
    assert answer.status == 200

    def overlord(name):
        return metrics_of(events("druid/overlord"), name)

    eventually(lambda: overlord("task/success/count"), "the end of the task", 30)
    assert overlord("task/success/count")[0] | {"timestamp": "", "host": ""} == {
        "feed": "metrics",
        "timestamp": "",
        "host": "",
        "service": "druid/overlord",
        "version": overlord("task/success/count")[0]["version"],
        "metric": "task/success/count",
        "value": 1,
        "dataSource": "metered",
        "taskType": "noop",
    }
    run_time = overlord("task/run/time")[0]
    assert (run_time["taskId"], run_time["taskStatus"]) == (task_id, "SUCCESS")
    eventually(lambda: overlord("service/heartbeat"), "the last of the monitors", 30)
    assert overlord("service/heartbeat")[-1]["leader"] == 1
    assert overlord("taskSlot/total/count")[-1]["value"] > 0
    assert overlord("process/mem/rss")
    assert overlord("http/requests/count")

    def broker(name):
        return metrics_of(events("druid/broker"), name)

    eventually(lambda: any(event["value"] for event in broker("query/success/count")), "the query", 30)
    assert sum(event["value"] for event in broker("query/count")) == 1
    assert broker("jetty/threadPool/queueSize")[-1]["value"] == 0
    assert not broker("task/success/count")
    eventually(lambda: metrics_of(events("druid/historical"), "segment/max"), "the Historical", 30)
    historical = events("druid/historical")
    assert metrics_of(historical, "segment/max")[0] | {"value": 0, "tier": "_default_tier", "priority": "0"}
    assert {event["status"] for event in metrics_of(historical, "http/requests/count")} <= {"2xx", "4xx", "5xx"}


def test_a_peon_reports_with_its_task_as_dimensions(events, cluster, submit):
    task_id = submit(NOOP | {"runTime": 120_000})

    def of_peon():
        return [event for event in metrics_of(events(None), "process/mem/rss") if event.get("taskId") == task_id]

    eventually(of_peon, "a measurement of the peon", 60)
    HttpClient(timeout_s=20).request("POST", f"{cluster.url('overlord')}/druid/indexer/v1/task/{task_id}/shutdown")
    assert (of_peon()[0]["dataSource"], of_peon()[0]["taskType"]) == ("metered", "noop")


def test_an_ingestion_counts_itself_and_its_segments(events, submit):
    task_id = submit(INGESTION)

    def values(name):
        return [event["value"] for event in metrics_of(events(None), name) if event.get("taskId") == task_id]

    eventually(lambda: values("task/run/time"), "the end of the task", 60)
    eventually(lambda: values("ingest/segments/count"), "what the peon says at its end", 30)
    assert (values("ingest/count"), values("ingest/segments/count")) == ([1], [2])
    assert len(values("segment/added/bytes")) == 2
    published = [event for event in events(None) if event["feed"] == "segment_metadata"]
    assert sorted((event["dataSource"], event["startTime"][:10]) for event in published) == [
        ("rows", "2024-01-01"),
        ("rows", "2024-01-02"),
    ]
    assert len(values("task/waiting/time")) == 1


def test_all_that_a_cluster_emits_stands_on_the_page(events):
    """With its dimensions; the tests above have made the cluster busy."""
    page = documented()
    of_task = {"taskId", "taskType", "groupId", "dataSource"}
    always = {"feed", "timestamp", "metric", "value", "service", "host", "version"}
    for event in events(None):
        if event["feed"] == "metrics":
            assert event["metric"] in page, f"docs/metrics.md does not tell of {event['metric']}"
            known = page[event["metric"]] | always | (of_task if event["service"] == "druid/peon" else set())
            assert set(event) <= known, f"docs/metrics.md does not tell of a dimension of {event['metric']}"
