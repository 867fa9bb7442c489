"""groupBy beyond its memory over HTTP: the Historical spills, the Broker merges what still arrives."""

from __future__ import annotations

import json

import pytest
from tests.scenarios.test_serving import GOLDEN, call

from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

SMALL = {"druid.processing.buffer.sizeBytes": "1MiB", "druid.processing.numThreads": "2"}
#: About 35 MB of groups in JSON: more than a Broker reads at once.
GROUPS = {
    "queryType": "groupBy",
    "dataSource": "flights",
    "intervals": ["2013-01-01/2014-01-01"],
    "granularity": "all",
    "virtualColumns": [
        {"type": "expression", "name": "much", "expression": "repeat(tailnum, 100)", "outputType": "STRING"}
    ],
    "dimensions": ["tailnum", "flight", "dest", {"type": "default", "dimension": "much"}],
    "aggregations": [
        {"type": "count", "name": "rows"},
        {"type": "longSum", "name": "miles", "fieldName": "distance"},
        {"type": "cardinality", "name": "origins", "fields": ["origin"]},
    ],
}
BY_MILES = {
    "type": "default",
    "columns": [{"dimension": "miles", "direction": "descending", "dimensionOrder": "numeric"}],
    "offset": 10,
}


def cluster_with(folder, disk):
    properties = SMALL | {"druid.processing.tmpDir": str(folder / "tmp"), "druid.query.groupBy.maxOnDiskStorage": disk}
    if disk == "0":
        del properties["druid.processing.buffer.sizeBytes"]
    return EmbeddedCluster(folder, router_port=0, roles=("historical", "broker"), properties=properties)


def load(cluster):
    loads = [
        {"action": "load", **json.loads(path.read_text().replace("${SEGMENT_DIR}", str(GOLDEN)))}
        for path in sorted((GOLDEN / "flights").rglob("descriptor.json"))
    ]
    status, _ = call(f"{cluster.url('historical')}/druid-internal/v1/segments/changeRequests?timeout=60000", loads)
    assert status == 200
    count = {**GROUPS, "dimensions": [], "aggregations": [{"type": "count", "name": "n"}]}
    eventually(lambda: ask(cluster, count)[0]["event"]["n"] == 60_000, "the Broker's view", 60)


def ask(cluster, query, **context):
    status, answer = call(f"{cluster.url('broker')}/druid/v2", {**query, "context": context})
    assert status == 200, answer
    return answer or [{"event": {"n": 0}}]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """One that may use the disk and has little memory, and one with much memory and no disk."""
    with (
        cluster_with(tmp_path_factory.mktemp("spilling"), "1GiB") as spilling,
        cluster_with(tmp_path_factory.mktemp("roomy"), "0") as roomy,
    ):
        for each in (spilling, roomy):
            load(each)
        yield spilling, roomy


@pytest.mark.parametrize(
    "more",
    [{}, {"limitSpec": BY_MILES}, {"limitSpec": {**BY_MILES, "limit": 500}}, {"subtotalsSpec": [["dest"], ["flight"]]}],
    ids=["natural_order", "order", "limit", "subtotals"],
)
def test_answers_are_the_same_whether_groups_were_on_disk_or_not(clusters, more):
    spilled, held = (ask(cluster, {**GROUPS, **more}) for cluster in clusters)
    assert len(held) > (40_000 if not more else 100)
    assert spilled == held


def test_a_query_that_may_not_use_the_disk_is_refused(clusters):
    """As Druid does, with the advice to allow it."""
    spilling, _ = clusters
    query = {**GROUPS, "context": {"maxOnDiskStorage": 0}}
    status, answer = call(f"{spilling.url('broker')}/druid/v2", query)
    assert status == 400
    failure = json.loads(answer)
    assert failure["error"] == "Resource limit exceeded"
    assert "druid.query.groupBy.maxOnDiskStorage" in failure["errorMessage"]
