"""Brokers and Historicals of Java and Python, each asking only the other's: what goes over the wire is Druid's.

One ZooKeeper holds two clusters under two paths: the Java Broker with our Historical, and our Broker with the Java
Historical. Both Historicals have all golden segments. So every recorded answer needs the other's partial results.
"""

from __future__ import annotations

import contextlib
import json

import pytest
from tests.interop.historicals import GOLDEN, check, client, data_sources, rows_of, segments, tell

from nemeton.json import smile
from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]

OFFSET = 19_000
ROUTER_PORT = 28_888
JAVA_BROKER, JAVA_HISTORICAL = f"http://localhost:{8082 + OFFSET}", f"http://localhost:{8083 + OFFSET}"
CACHES = {
    f"druid.{role}.cache.{name}": "true" for role in ("historical", "broker") for name in ("useCache", "populateCache")
}
RESULT_CACHE = {f"druid.broker.cache.{name}ResultLevelCache": "true" for name in ("use", "populate")}
GROUPS = (
    "native_timeseries", "native_topn", "native_groupby", "native_search", "native_filters", "native_aggregators",
    "native_scan", "native_metadata", "native_dimensions", "native_expressions",
)  # fmt: skip

WITHOUT_LOOKUPS = {
    "native_dimensions/gb_lookup_reg",
    "native_dimensions/topn_lookup_reg",
    "native_dimensions/gb_registeredLookup",
    "native_filters/extraction",
    "native_filters/extraction_lookup_null",
    "native_filters/lookup_null_flights",
    "native_scan/lookup",
    "native_groupby/join_query",
    "native_groupby/join_full",
}
"""There is no Coordinator that would give out lookups."""

OF_A_ROUTER = {
    "native_topn/zero_threshold",
    "native_groupby/name_collision",
    "native_metadata/segmentMetadata_projections",
    "native_metadata/segmentMetadata_bad_type",
    "native_dimensions/gb_unknown_fn",
    "native_expressions/vc_12345678901234567890",
    "native_expressions/vc_0x1F",
    "native_expressions/vc_nosuch_l_",
    "native_expressions/vc_l_",
    "native_expressions/vcx_prefix_filtered",
    "native_expressions/vcx_regex_filtered",
}
"""A Router has checked the recorded query; a Java Broker answers what it cannot read with another status."""

DIFFERING = {
    "native_aggregators/card_mv": "Druid counts the empty string in merged collectors only",
    "native_expressions/vc_json_merge_nest_q_1_": "Druid breaks off in the midst of its answer",
}
OF_A_JAVA_HISTORICAL = {
    "native_dimensions/topn_upper_locale": "a Java Broker forgets the locale, ours passes it on",
    "native_expressions/vc_timestamp_tstr_yyyy_MM_dd_HH_mm_ss_": "the failure has another status",
    "native_expressions/vc_decode_base64_complex_hyperUnique_": "our Broker refuses it itself",
}


@pytest.fixture(scope="module")
def java(real_druid, own_zookeeper):
    """The Historical of one cluster and the Broker of the other, which keeps answers by segment."""
    where, base = (OFFSET, own_zookeeper.connect_string), "druid.zk.paths.base"
    with (
        real_druid.servers(*where, "historical", properties={base: "/ours-asks"}),
        real_druid.servers(*where, "broker", properties={base: "/java-asks", **CACHES}),
    ):
        yield


@pytest.fixture(scope="module")
def ours(java, own_zookeeper, tmp_path_factory):
    """The address of our Broker and of our Historical; both keep answers."""
    common = {
        "druid.discovery.type": "curator",
        "druid.zk.service.host": own_zookeeper.connect_string,
        "druid.extensions.loadList": json.dumps(["druid-datasketches"]),
        **CACHES,
        **RESULT_CACHE,
    }
    with contextlib.ExitStack() as stack:
        urls = {}
        for role, path in (("historical", "/java-asks"), ("broker", "/ours-asks")):
            properties = {**common, "druid.zk.paths.base": path}
            folder = tmp_path_factory.mktemp(role)
            cluster = EmbeddedCluster(folder, router_port=ROUTER_PORT, roles=(role,), properties=properties)
            urls[role] = stack.enter_context(cluster).url(role)
        yield urls


@pytest.fixture(scope="module")
def loaded(ours):
    everything = [segment for folder in sorted((GOLDEN / "segments").iterdir()) for segment in segments(folder.name)]
    for historical in (JAVA_HISTORICAL, ours["historical"]):
        tell(historical, "load", everything)
    names = sorted({segment["dataSource"] for segment in everything})
    for broker in (JAVA_BROKER, ours["broker"]):
        eventually(lambda broker=broker: sorted(data_sources(broker) or ()) == names, f"{broker}: all tables", 60)
        eventually(lambda broker=broker: rows_of(broker, "flights") == 60_000, f"{broker}: all segments", 60)


@pytest.mark.slow
@pytest.mark.parametrize("time", ["first", "from the caches"])
@pytest.mark.parametrize("asking", ["java", "ours"])
def test_recorded_queries_are_answered_by_the_others_partial_results(asking, time, ours, loaded, tmp_path):
    """The Java Broker, which keeps answers, asks with ``bySegment``; what either then has in its cache is as right."""
    broker = JAVA_BROKER if asking == "java" else ours["broker"]
    allowed = {*DIFFERING, *WITHOUT_LOOKUPS, *(OF_A_ROUTER if asking == "java" else OF_A_JAVA_HISTORICAL)}
    passed, failed = 0, {}
    for group in GROUPS:
        count, failures = check(broker, group, tmp_path)
        passed += count
        failed |= failures
    wrong = {name: why for name, why in failed.items() if name not in allowed}
    assert not wrong, json.dumps(wrong, indent=1)
    assert passed > 450


# ---- the same request to both Historicals


def ask(historical, query, *, as_smile=False):
    answer = client.request("POST", f"{historical}/druid/v2/", json=query, smile=as_smile)
    body = smile.loads(answer.body) if as_smile else answer.json()
    return answer.status, answer.headers.get("X-Druid-Response-Context"), body


def plain(value):
    """Without the forms that only one of Smile and JSON has: bytes, NaN; and with floats of few digits."""
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value


FLIGHTS = {"dataSource": "flights", "intervals": ["2013-01-01/2013-04-01"], "granularity": "all"}
EVERY_KIND = [
    {"type": "count", "name": "n"},
    {"type": "doubleMean", "name": "mean", "fieldName": "distance"},
    {"type": "cardinality", "name": "card", "fields": ["origin"]},
    *(
        {"type": f"{kind}{what}", "name": f"{kind}{what}", "fieldName": "origin" if kind == "string" else "distance"}
        for kind in ("long", "double", "float", "string")
        for what in ("First", "Last")
    ),
    *(
        {"type": f"{kind}{what}", "name": f"{kind}{what}", "fieldName": "distance"}
        for kind in ("long", "double")
        for what in ("Sum", "Min", "Max")
    ),
    {"type": "stringLast", "name": "none", "fieldName": "nosuch"},
]
NOTHING = {"type": "selector", "dimension": "origin", "value": "nowhere"}
QUERIES = {
    "timeseries": {**FLIGHTS, "queryType": "timeseries", "granularity": "day", "aggregations": EVERY_KIND},
    "nothing": {**FLIGHTS, "queryType": "timeseries", "aggregations": EVERY_KIND, "filter": NOTHING},
    "topN": {
        **FLIGHTS, "queryType": "topN", "dimension": "dest", "metric": "n", "threshold": 1000,
        "aggregations": EVERY_KIND,
    },
    "groupBy": {
        **FLIGHTS, "queryType": "groupBy", "dimensions": ["origin", "carrier"], "aggregations": EVERY_KIND,
        "context": {"resultAsArray": True},
    },
    "scan": {**FLIGHTS, "queryType": "scan", "columns": ["__time", "origin"], "filter": {
        "type": "selector", "dimension": "dest", "value": "ALB"}},
    "search": {
        **FLIGHTS, "queryType": "search", "query": {"type": "contains", "value": "A"}, "searchDimensions": ["dest"],
    },
    "segmentMetadata": {
        **FLIGHTS, "queryType": "segmentMetadata", "merge": False,
        "analysisTypes": ["cardinality", "minmax", "interval"],
    },
    "timeBoundary": {**FLIGHTS, "queryType": "timeBoundary"},
    "dataSourceMetadata": {**FLIGHTS, "queryType": "dataSourceMetadata"},
}  # fmt: skip
for _kind in ("scan", "segmentMetadata", "timeBoundary", "dataSourceMetadata"):
    QUERIES[_kind].pop("granularity")


IN_ORDER = {
    "segmentMetadata": lambda rows: sorted(rows, key=lambda each: each["id"]),
    # the batches of a segment may be of any size, and the segments come in any order
    "scan": lambda rows: sorted(
        ([batch["segmentId"], batch["columns"], event] for batch in rows for event in batch["events"]),
        key=lambda row: (row[0], row[2]["__time"]),
    ),
}


@pytest.mark.parametrize("as_smile", [False, True], ids=["json", "smile"])
@pytest.mark.parametrize("kind", QUERIES)
def test_unfinished_rows_are_the_same(kind, as_smile, ours, loaded):
    query = {**QUERIES[kind], "context": {**QUERIES[kind].get("context", {}), "finalize": False}}
    java, python = (ask(each, query, as_smile=as_smile) for each in (JAVA_HISTORICAL, ours["historical"]))
    assert python[:2] == java[:2]
    in_order = IN_ORDER.get(kind, list)
    assert plain(in_order(python[2])) == plain(in_order(java[2]))


@pytest.mark.parametrize("kind", ["timeseries", "topN", "search"])
def test_rows_by_segment_are_the_same(kind, ours, loaded):
    """What a Java Broker asks for that keeps answers; segments come in any order."""
    query = {**QUERIES[kind], "context": {"finalize": False, "bySegment": True}}
    java, python = (ask(each, query)[2] for each in (JAVA_HISTORICAL, ours["historical"]))
    assert plain(sorted(python, key=lambda each: each["timestamp"])) == plain(
        sorted(java, key=lambda each: each["timestamp"])
    )


def descriptor(version, partition=0):
    return {"itvl": "2013-01-01/2013-02-01", "ver": version, "part": partition}


@pytest.mark.parametrize("lost", [1, 200], ids=["some", "more than fit the header"])
def test_missing_segments_are_told_alike(lost, ours, loaded):
    gone = [descriptor("2000-01-01T00:00:00.000Z", number) for number in range(lost)]
    query = {
        **QUERIES["timeseries"],
        "intervals": {"type": "segments", "segments": gone},
        "context": {"finalize": False},
    }
    java, python = (ask(each, query) for each in (JAVA_HISTORICAL, ours["historical"]))
    assert python[:2] == java[:2]
    if lost > 1:
        assert python[0] == 500
        same = ("error", "errorClass", "errorMessage", "category", "errorCode")
        assert {name: python[2][name] for name in same} == {name: java[2][name] for name in same}


def test_entity_tags_and_uncovered_intervals_are_told_alike(ours, loaded):
    query = {
        **QUERIES["timeseries"],
        "intervals": ["2012-01-01/2013-04-01", "2014-01-01/2015-01-01"],
        "context": {"uncoveredIntervalsLimit": 1, "useResultLevelCache": False, "populateResultLevelCache": False},
    }
    for broker in (JAVA_BROKER, ours["broker"]):
        url = f"{broker}/druid/v2"
        plainly = client.request("POST", url, json=query)
        context = json.loads(plainly.headers["X-Druid-Response-Context"])
        assert context["uncoveredIntervals"] == ["2012-01-01T00:00:00.000Z/2013-01-01T00:00:00.000Z"]
        assert context["uncoveredIntervalsOverflowed"]
        assert "ETag" not in plainly.headers
        tagged = client.request("POST", url, json=query, headers={"If-None-Match": "another"})
        assert (tagged.status, tagged.json()) == (200, plainly.json())
        tag = tagged.headers["ETag"]
        again = client.request("POST", url, json=query, headers={"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        other = {**query, "intervals": ["2013-01-01/2013-02-01"]}
        assert client.request("POST", url, json=other, headers={"If-None-Match": tag}).headers["ETag"] != tag
