"""Sketches between Java and Python: segments of either on data servers of either, asked through Brokers of either.

Every query over a data source needs sketches of both Historicals, united by the Broker; the data source `ours` was
ingested by nemeton, `flights_rollup` by Druid. What both Brokers answer has to be the same: to the bit where sketches
are settled by their values, else within their error.
"""

from __future__ import annotations

import json
import math
import zipfile
from typing import Any

import pytest
from tests.interop.historicals import client, data_sources, tell
from tests.interop.historicals import segments as golden_segments
from tests.unit.ingest.helpers import Ingested, golden_spec

from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]

OFFSET = 17_000
ROUTER_PORT = 26_888
JAVA_BROKER, JAVA_HISTORICAL = f"http://localhost:{8082 + OFFSET}", f"http://localhost:{8083 + OFFSET}"
MORE_METRICS = [
    {"type": "KllDoublesSketch", "name": "kll_d", "fieldName": "arr_delay", "k": 200},
    {"type": "KllFloatsSketch", "name": "kll_f", "fieldName": "arr_delay", "k": 200},
    {"type": "HLLSketchBuild", "name": "hll8", "fieldName": "tailnum", "lgK": 8, "tgtHllType": "HLL_8"},
    {
        "type": "arrayOfDoublesSketch",
        "name": "tuple",
        "fieldName": "tailnum",
        "metricColumns": ["distance", "air_time"],
        "nominalEntries": 512,
    },
]
ROUGH = 0.1
"""How far answers of sketches that depend on the order of merges, or on chance, may be apart: many standard errors."""


def field(name: str) -> dict[str, Any]:
    return {"type": "fieldAccess", "fieldName": name}


def post(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, **more}


HLL = {"type": "HLLSketchMerge", "name": "h", "fieldName": "tail_hll", "lgK": 11}
THETA = {"type": "thetaSketch", "name": "t", "fieldName": "tail_theta", "size": 1024}
QUANTILES = {"type": "quantilesDoublesSketch", "name": "q", "fieldName": "delay_q"}
TUPLE = {"type": "arrayOfDoublesSketch", "name": "a", "fieldName": "tuple", "nominalEntries": 512, "numberOfValues": 2}
POINTS = [-10.0, 0.0, 30.0]
UA = {"type": "selector", "dimension": "carrier", "value": "UA"}


def filtered(name: str, aggregator: dict[str, Any], condition: dict[str, Any]) -> dict[str, Any]:
    return {"type": "filtered", "filter": condition, "aggregator": {**aggregator, "name": name}}


def posts_of(prefix: str, name: str) -> list[dict[str, Any]]:
    return [
        post(f"{prefix}ToQuantile", "median", field=field(name), fraction=0.5),
        post(f"{prefix}ToQuantiles", "quantiles", field=field(name), fractions=[0.1, 0.9]),
        post(f"{prefix}ToRank", "rank", field=field(name), value=0),
        post(f"{prefix}ToCDF", "cdf", field=field(name), splitPoints=POINTS),
        post(f"{prefix}ToHistogram", "bins", field=field(name), splitPoints=POINTS),
    ]


#: name → data source, aggregations, post-aggregations, whether the answers are the same to the bit
QUERIES: dict[str, tuple[str, list[Any], list[Any], bool]] = {
    "theta": ("*", [THETA], [], True),
    "theta_bounds": ("*", [{**THETA, "errorBoundsStdDev": 2}], [], True),
    "theta_unfinalised": ("*", [{**THETA, "shouldFinalize": False}], [], True),
    "theta_operations": (
        "*",
        [filtered("x", THETA, UA), filtered("y", THETA, {"type": "not", "field": UA})],
        [
            post(
                "thetaSketchEstimate",
                func,
                field=post("thetaSketchSetOp", "o", func=func, fields=[field("x"), field("y")]),
            )
            for func in ("UNION", "INTERSECT", "NOT")
        ],
        True,
    ),
    "theta_built": ("flights", [{"type": "thetaSketch", "name": "b", "fieldName": "tailnum", "size": 512}], [], True),
    "theta_of_longs": ("flights", [{"type": "thetaSketch", "name": "b", "fieldName": "flight"}], [], True),
    "theta_of_doubles": ("flights", [{"type": "thetaSketch", "name": "b", "fieldName": "arr_delay"}], [], True),
    "hll": ("*", [HLL], [post("HLLSketchEstimateWithBounds", "bounds", field=field("h"), numStdDev=2)], False),
    "hll_rounded": ("*", [{**HLL, "round": True, "tgtHllType": "HLL_6"}], [], False),
    "hll_union": (
        "*",
        [filtered("x", HLL, UA), filtered("y", HLL, {"type": "not", "field": UA})],
        [
            post(
                "HLLSketchEstimate",
                "all",
                field=post("HLLSketchUnion", "u", fields=[field("x"), field("y")], lgK=11),
                round=True,
            )
        ],
        False,
    ),
    "hll_built": ("flights", [{"type": "HLLSketchBuild", "name": "b", "fieldName": "tailnum"}], [], False),
    "hll_built_utf8": (
        "flights",
        [{"type": "HLLSketchBuild", "name": "b", "fieldName": "dest", "stringEncoding": "utf8"}],
        [],
        True,
    ),
    "expressions": (
        "*",
        [
            {"type": "doubleSum", "name": "h", "expression": "hll_sketch_estimate(tail_hll)"},
            {"type": "doubleSum", "name": "r", "expression": "hll_sketch_estimate(tail_hll, 1)"},
            {"type": "doubleSum", "name": "t", "expression": "theta_sketch_estimate(tail_theta)"},
        ],
        [],
        True,
    ),
    "hll_of_floats": ("flights", [{"type": "HLLSketchBuild", "name": "b", "fieldName": "distance"}], [], True),
    "hll_of_doubles": ("flights", [{"type": "HLLSketchBuild", "name": "b", "fieldName": "arr_delay"}], [], False),
    "hll_of_other_sizes": (
        "ours",
        [{"type": "HLLSketchMerge", "name": "b", "fieldName": "hll8", "lgK": 8, "tgtHllType": "HLL_8"}],
        [],
        False,
    ),
    "quantiles": ("*", [QUANTILES], posts_of("quantilesDoublesSketch", "q"), False),
    "quantiles_built": (
        "flights",
        [{"type": "quantilesDoublesSketch", "name": "q", "fieldName": "arr_delay", "k": 256}],
        posts_of("quantilesDoublesSketch", "q"),
        False,
    ),
    "kll_doubles": (
        "ours",
        [{"type": "KllDoublesSketch", "name": "k", "fieldName": "kll_d"}],
        posts_of("KllDoublesSketch", "k"),
        False,
    ),
    "kll_floats": (
        "ours",
        [{"type": "KllFloatsSketch", "name": "k", "fieldName": "kll_f"}],
        posts_of("KllFloatsSketch", "k"),
        False,
    ),
    "kll_built": (
        "flights",
        [{"type": "KllFloatsSketch", "name": "k", "fieldName": "air_time"}],
        posts_of("KllFloatsSketch", "k"),
        False,
    ),
    "tuple": (
        "ours",
        [TUPLE],
        [
            post("arrayOfDoublesSketchToEstimateAndBounds", "bounds", field=field("a")),
            post("arrayOfDoublesSketchToNumEntries", "entries", field=field("a")),
            post("arrayOfDoublesSketchToMeans", "means", field=field("a")),
            post("arrayOfDoublesSketchToVariances", "variances", field=field("a")),
            post("arrayOfDoublesSketchToMetricsSumEstimate", "sums", field=field("a")),
            post("arrayOfDoublesSketchTTest", "p", fields=[field("a"), field("a")]),
        ],
        True,
    ),
    "tuple_operations": (
        "ours",
        [filtered("x", TUPLE, UA), filtered("y", TUPLE, {"type": "not", "field": UA})],
        [
            post(
                "arrayOfDoublesSketchToMetricsSumEstimate",
                operation,
                field=post(
                    "arrayOfDoublesSketchSetOp",
                    "o",
                    operation=operation,
                    nominalEntries=512,
                    numberOfValues=2,
                    fields=[field("x"), field("y")],
                ),
            )
            for operation in ("UNION", "INTERSECT", "NOT")
        ]
        + [post("arrayOfDoublesSketchTTest", "p", fields=[field("x"), field("y")])],
        True,
    ),
    "tuple_built": (
        "flights",
        [
            {
                "type": "arrayOfDoublesSketch",
                "name": "a",
                "fieldName": "tailnum",
                "metricColumns": ["distance"],
                "nominalEntries": 1024,
            }
        ],
        [post("arrayOfDoublesSketchToMetricsSumEstimate", "sums", field=field("a"))],
        True,
    ),
}
CASES = [
    (name, source)
    for name, (given, *_) in QUERIES.items()
    for source in (["flights_rollup", "ours"] if given == "*" else [given])
]


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The descriptors of Druid's segments and of ours, ingested by the same spec and with more sketches."""
    folder = tmp_path_factory.mktemp("ours")
    found = {source: list(golden_segments(source)) for source in ("flights", "flights_rollup")}
    spec = golden_spec("flights_rollup.1")["spec"]
    spec["dataSchema"]["metricsSpec"] += MORE_METRICS
    ingested = Ingested(spec, folder)
    found["ours"] = []
    for number, theirs in enumerate(found["flights_rollup"]):
        archive = folder / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as out:
            for file in sorted((folder / f"{number:04d}").iterdir()):
                out.write(file, file.name)
        ours = {"dataSource": "ours", "loadSpec": {"type": "local", "path": str(archive)}}
        found["ours"].append(theirs | ours | {"identifier": theirs["identifier"].replace("flights_rollup", "ours")})
    for segment in ingested.segments:
        segment.close()
    return found


@pytest.fixture(scope="module")
def brokers(real_druid, own_zookeeper, segments, tmp_path_factory):
    """A Java Broker and ours; every second segment is on the Java Historical, the others on ours."""
    roles = ("historical", "broker")
    properties = {
        "druid.discovery.type": "curator",
        "druid.zk.service.host": own_zookeeper.connect_string,
        "druid.extensions.loadList": '["druid-datasketches"]',
    }
    folder = tmp_path_factory.mktemp("cluster")
    with (
        real_druid.servers(OFFSET, own_zookeeper.connect_string, *roles),
        EmbeddedCluster(folder, router_port=ROUTER_PORT, roles=roles, properties=properties) as cluster,
    ):
        for historical, half in ((JAVA_HISTORICAL, 0), (cluster.url("historical"), 1)):
            tell(historical, "load", [each for listed in segments.values() for each in listed[half::2]])
        addresses = {"java": JAVA_BROKER, "ours": cluster.url("broker")}
        for address in addresses.values():
            eventually(lambda a=address: all_there(a, segments), f"{address} to see all segments", 120)
        yield addresses


def all_there(broker: str, segments: dict[str, list[dict[str, Any]]]) -> bool:
    if data_sources(broker) != sorted(segments):
        return False
    count = [{"type": "count", "name": "rows"}]
    rows = {source: ask(broker, source, count, [], []) for source in ("flights", "flights_rollup", "ours")}
    counts = {source: answer[0]["event"]["rows"] if answer else 0 for source, answer in rows.items()}
    return counts == {"flights": 60_000, "flights_rollup": 20_968, "ours": 20_968}


def ask(broker: str, source: str, aggregations: Any, posts: Any, dimensions: list[str]) -> Any:
    query = {
        "queryType": "groupBy",
        "dataSource": source,
        "intervals": ["2013-01-01/2014-01-01"],
        "granularity": "all",
        "dimensions": dimensions,
        "aggregations": aggregations,
        "postAggregations": posts,
    }
    answer = client.request("POST", f"{broker}/druid/v2/", json=query)
    assert answer.ok, answer.text
    return answer.json()


#: post-aggregators whose answers are parts of the rows; the others of quantiles are minutes, which may be near nought
SHARES = ("rank", "cdf", "bins")


def alike(ours: Any, java: Any, exact: bool, name: str = "") -> bool:
    if isinstance(java, dict):
        return ours.keys() == java.keys() and all(alike(ours[each], java[each], exact, each) for each in java)
    if isinstance(java, list):
        pairs = zip(shares(ours, name), shares(java, name), strict=True)
        return len(ours) == len(java) and all(alike(a, b, exact, name) for a, b in pairs)
    if isinstance(java, str) or java is None:
        return ours == java
    if exact:
        return math.isclose(ours, java, rel_tol=1e-9, abs_tol=1e-9)
    return math.isclose(ours, java, rel_tol=ROUGH, abs_tol=0.06 if name in SHARES else 25)


def shares(values: list[Any], name: str) -> list[Any]:
    """Counts of a histogram as shares of all; others as they are."""
    return [value / sum(values) for value in values] if name == "bins" else values


@pytest.mark.parametrize(("name", "source"), CASES, ids=str)
@pytest.mark.parametrize("dimensions", [[], ["origin"]], ids=["all", "by_origin"])
def test_both_brokers_answer_alike(brokers, name, source, dimensions):
    _, aggregations, posts, exact = QUERIES[name]
    java, ours = (ask(brokers[which], source, aggregations, posts, dimensions) for which in ("java", "ours"))
    assert len(java) == (3 if dimensions else 1)
    assert alike(ours, java, exact), f"\n ours {json.dumps(ours)[:3000]}\n java {json.dumps(java)[:3000]}"
