"""A whole cluster with monitors on: what arrives where metrics are posted to."""

from __future__ import annotations

import json

import pytest
from tests.unit.emitter.receiver import Receiver

from nemeton.testkit.waiting import eventually

MONITORS = [
    "org.apache.druid.java.util.metrics.JvmMonitor",
    "org.apache.druid.server.metrics.TaskCountStatsMonitor",
    "org.apache.druid.server.metrics.TaskSlotCountStatsMonitor",
    "org.apache.druid.server.metrics.HistoricalMetricsMonitor",
    "org.apache.druid.server.metrics.QueryCountStatsMonitor",
    "org.apache.druid.server.metrics.ServiceStatusMonitor",
]
NOOP = {"type": "noop", "dataSource": "metered", "spec": {}, "runTime": 1}


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def events(receiver, nemeton_cluster):
    """The events of a cluster that has run one task and one query; a function that gives all of a service so far."""
    cluster = nemeton_cluster(
        properties={
            "druid.emitter": "http",
            "druid.emitter.http.recipientBaseUrl": receiver.url,
            "druid.emitter.http.flushMillis": "50",
            "druid.monitoring.monitors": json.dumps(MONITORS),
            "druid.monitoring.emissionPeriod": "PT0.5S",
        }
    )

    seen, found = 0, []

    def events(service):
        nonlocal seen
        bodies = receiver.taken
        for body in bodies[seen:]:
            found.extend(json.loads(body))
        seen = len(bodies)
        return [event for event in found if service is None or event["service"] == service]

    return cluster, events


def metrics_of(events, name):
    return [event for event in events if event.get("metric") == name]


def test_roles_report_what_they_do_under_druids_names(events):
    from nemeton.http.client import HttpClient

    cluster, events_of = events
    client = HttpClient(timeout_s=20)
    submitted = client.request("POST", f"{cluster.url('overlord')}/druid/indexer/v1/task", json=NOOP)
    task_id = submitted.json()["task"]
    timeseries = {"queryType": "timeBoundary", "dataSource": "nothing"}
    assert client.request("POST", f"{cluster.url('broker')}/druid/v2/", json=timeseries).status == 200

    def overlord(name):
        return metrics_of(events_of("druid/overlord"), name)

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
    assert overlord("service/heartbeat")[-1]["leader"] == 1
    assert overlord("taskSlot/total/count")[-1]["value"] > 0
    assert overlord("process/mem/rss")
    assert overlord("http/requests/count")

    def broker(name):
        return metrics_of(events_of("druid/broker"), name)

    eventually(lambda: any(event["value"] for event in broker("query/success/count")), "the query", 30)
    assert sum(event["value"] for event in broker("query/count")) == 1
    assert broker("jetty/threadPool/queueSize")[-1]["value"] == 0
    assert not broker("task/success/count")
    historical = events_of("druid/historical")
    assert metrics_of(historical, "segment/max")[0] | {"value": 0, "tier": "_default_tier", "priority": "0"}
    assert {event["status"] for event in metrics_of(historical, "http/requests/count")} <= {"2xx", "4xx", "5xx"}


def test_a_peon_reports_with_its_task_as_dimensions(events):
    from nemeton.http.client import HttpClient

    cluster, events_of = events
    task = NOOP | {"runTime": 1500}
    answer = HttpClient(timeout_s=20).request("POST", f"{cluster.url('overlord')}/druid/indexer/v1/task", json=task)
    task_id = answer.json()["task"]

    def of_peon():
        return [event for event in metrics_of(events_of(None), "process/mem/rss") if event.get("taskId") == task_id]

    eventually(of_peon, "a measurement of the peon", 30)
    assert (of_peon()[0]["dataSource"], of_peon()[0]["taskType"]) == ("metered", "noop")
