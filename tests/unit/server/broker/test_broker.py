"""The Broker's view and fan-out, with data servers made up."""

from __future__ import annotations

import socket
import threading
from functools import partial

import pytest
from tests.unit.querying import Cluster

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.model import DataSegment, DruidServerMetadata, NumberedShardSpec, SegmentDescriptor
from nemeton.rpc.server_inventory import DruidServer
from nemeton.server.broker.schema import least_restrictive, merge_columns
from nemeton.server.broker.selector import ServerSelector
from nemeton.spi.query import Query
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval

DAY = 86_400_000


def segment(day=0, version="v1", num=0, core=1, source="ds"):
    interval = Interval(day * DAY, (day + 1) * DAY)
    return DataSegment(source, interval, version, shard_spec=NumberedShardSpec(num, core), size=10)


def server(name, *, priority=0, type_="historical"):
    return DruidServer(DruidServerMetadata(name, name, 1000, "_default_tier", type_, priority))


def visible(view, source="ds"):
    timeline = view.timeline(source)
    if timeline is None:
        return []
    return [
        (h.version, h.interval.start // DAY, c.partition_num)
        for h in timeline.lookup(Interval(0, 100 * DAY))
        for c in h.chunks
    ]


def test_a_new_version_counts_when_all_of_it_is_served(view):
    a, b = server("a"), server("b")
    view.segment_added(a, segment())
    view.segment_added(a, segment(version="v2", num=0, core=2))
    assert visible(view) == [("v1", 0, 0)]
    view.segment_added(b, segment(version="v2", num=1, core=2))
    assert visible(view) == [("v2", 0, 0), ("v2", 0, 1)]
    view.segment_removed(b, segment(version="v2", num=1, core=2))
    assert visible(view) == [("v1", 0, 0)]


def test_a_segment_stays_while_anybody_has_it(view):
    heard = []
    view.on_change(lambda each, added: heard.append(added))
    a, b = server("a"), server("b")
    for one in (a, b):
        view.segment_added(one, segment())
    view.segment_removed(a, segment())
    assert visible(view) == [("v1", 0, 0)]
    view.segment_removed(b, segment())
    assert visible(view) == []
    assert view.data_sources == []
    assert heard == [True, False]


def test_who_is_asked():
    selector = ServerSelector(segment())
    task, low, high = server("task", type_="indexer-executor"), server("low"), server("high", priority=5)
    assert selector.pick(lambda _: 0) is None
    for one in (task, low, high):
        selector.add(one, segment())
    assert selector.pick(lambda _: 0).name == "high"
    assert selector.pick(lambda _: 0, {"high"}).name == "low"
    assert selector.pick(lambda _: 0, {"high", "low"}).name == "task"
    assert selector.pick(lambda _: 0, {"high", "low", "task"}) is None
    selector.add(server("low2"), segment())
    assert selector.pick({"low": 3, "low2": 2}.get, {"high"}).name == "low2"


COUNT = {
    "queryType": "timeseries",
    "dataSource": "ds",
    "intervals": ["1970-01-01/1971-01-01"],
    "granularity": "day",
    "aggregations": [{"type": "count", "name": "c"}],
}


def silence(abort):
    """The exchange with a server that never answers."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        abort.hold(ours)
        assert ours.recv(1) == b"", "the connection is cut"
        abort.let_go(ours)
    raise HttpClientError("cut")


class FakeDataServers:
    """Each server counts one row for each segment that it is asked for; answers are changed by host.

    Those that are `silent` call what stands for them there, and answer nothing.
    """

    def __init__(self, json):
        self.json = json
        self.asked = []
        self.cancelled = []
        self.answers = {}
        self.silent = {}

    def request(self, method, url, *, json=None, abort=None, **_):
        host = url.split("/")[2]
        if method == "DELETE":
            self.cancelled.append(url)
            return HttpResponse(202, {}, url)
        descriptors = list(json.intervals.segments)
        self.asked.append((host, sorted(each.interval.start // DAY for each in descriptors), json))
        if host in self.silent:
            self.silent[host]()
            return silence(abort)
        special = self.answers.get(host)
        if special is not None:
            return special(url, descriptors)
        return self.rows(url, descriptors)

    def rows(self, url, descriptors, missing=()):
        rows = [
            {"timestamp": str(each.interval).split("/")[0], "result": {"c": 1}}
            for each in descriptors
            if each not in missing
        ]
        context = self.json.dumps({"missingSegments": list(missing)} if missing else {}).decode()
        return HttpResponse(200, {"X-Druid-Response-Context": context}, url, self.json.dumps(rows), json=self.json)


@pytest.fixture
def cluster(view, json):
    fake = FakeDataServers(json)
    made = Cluster(view, fake, json)
    yield fake, made.walker
    made.close()


def run(client, json, **changes):
    query = json.structure({**COUNT, **changes}, Query)
    query = query.with_defaults({"queryId": "q1"})
    return list(client.run(query, QueryRun.of(query)))


def counts(rows):
    return {row["timestamp"][:10]: row["result"]["c"] for row in rows if row["result"]["c"]}


def test_a_query_is_split_by_server(cluster, view, json):
    fake, client = cluster
    a, b = server("a:1"), server("b:1")
    view.segment_added(a, segment(0))
    view.segment_added(a, segment(1))
    view.segment_added(b, segment(2))
    assert counts(run(client, json)) == {"1970-01-01": 1, "1970-01-02": 1, "1970-01-03": 1}
    assert sorted((host, days) for host, days, _ in fake.asked) == [("a:1", [0, 1]), ("b:1", [2])]
    for _, _, query in fake.asked:
        assert query.context["finalize"] is False
        assert query.context["queryId"] == "q1"
        assert query.context["timeout"] > 0


def test_nothing_served_is_an_empty_answer(cluster, json):
    assert run(cluster[1], json) == []


def test_only_what_the_intervals_touch_is_asked_for(cluster, view, json):
    fake, client = cluster
    for day in range(5):
        view.segment_added(server("a:1"), segment(day))
    run(client, json, intervals=["1970-01-02T06:00/1970-01-03T06:00"])
    ((_, _, query),) = fake.asked
    assert [str(each.interval) for each in query.intervals.segments] == [
        "1970-01-02T06:00:00.000Z/1970-01-03T00:00:00.000Z",
        "1970-01-03T00:00:00.000Z/1970-01-03T06:00:00.000Z",
    ]


def test_tables_of_a_union_are_asked_for_each(cluster, view, json):
    fake, client = cluster
    view.segment_added(server("a:1"), segment(0))
    view.segment_added(server("a:1"), segment(0, source="other"))
    union = {"type": "union", "dataSources": ["ds", "other"]}
    assert counts(run(client, json, dataSource=union)) == {"1970-01-01": 2}
    assert sorted(query.data_source.name for _, _, query in fake.asked) == ["ds", "other"]


def losing(fake):
    return lambda url, descriptors: fake.rows(url, descriptors, missing=descriptors)


def gone(url, descriptors):
    raise HttpClientError("connection refused")


@pytest.mark.parametrize("kind", ["missing", "gone"])
def test_what_one_server_lost_is_asked_for_at_another(cluster, view, json, kind):
    fake, client = cluster
    fake.answers["a:1"] = losing(fake) if kind == "missing" else gone
    a, b = server("a:1", priority=1), server("b:1")
    for one in (a, b):
        view.segment_added(one, segment(0))
    assert counts(run(client, json)) == {"1970-01-01": 1}
    assert [host for host, _, _ in fake.asked] == ["a:1", "b:1"]


def test_what_nobody_has_fails_the_query(cluster, view, json):
    fake, client = cluster
    fake.answers["a:1"] = losing(fake)
    view.segment_added(server("a:1"), segment(0))
    with pytest.raises(QueryException, match=r"No results found for segments\[ds_1970"):
        run(client, json)
    query = json.structure({**COUNT, "context": {"returnPartialResults": True}}, Query)
    partial = QueryRun.of(query)
    assert list(client.run(query, partial)) == []
    assert partial.missing == [SegmentDescriptor(segment(0).interval, "v1", 0)]


def test_an_error_of_a_data_server_is_the_querys(cluster, view, json):
    fake, client = cluster
    error = {"error": "Resource limit exceeded", "errorMessage": "too big", "errorClass": "x.Y", "host": "a:1"}
    fake.answers["a:1"] = lambda url, _: HttpResponse(400, {}, url, json.dumps(error), json=json)
    view.segment_added(server("a:1"), segment(0))
    with pytest.raises(QueryException, match="too big") as failed:
        run(client, json)
    assert (failed.value.error, failed.value.host, failed.value.http_status) == ("Resource limit exceeded", "a:1", 400)


def test_too_much_to_gather_fails_the_query(cluster, view, json):
    client = cluster[1]
    view.segment_added(server("a:1"), segment(0))
    with pytest.raises(QueryException, match="max scatter-gather bytes limit reached"):
        run(client, json, context={"maxScatterGatherBytes": 10})


@pytest.mark.parametrize(("silent", "failing"), [("a:1", "b:1"), ("b:1", "a:1")])
def test_a_failure_cancels_what_the_others_do(cluster, view, json, silent, failing):
    fake, client = cluster
    fake.silent[silent] = lambda: None
    fake.answers[failing] = lambda url, _: HttpResponse(500, {}, url, b"not json", json=json)
    view.segment_added(server("a:1"), segment(0))
    view.segment_added(server("b:1"), segment(1))
    with pytest.raises(QueryException, match="not json"):
        run(client, json)
    eventually(lambda: f"http://{silent}/druid/v2/q1" in fake.cancelled, "the cancellation", 5)


@pytest.mark.parametrize("servers", [1, 3])
def test_a_cancelled_query_stops_waiting(cluster, view, json, servers):
    fake, client = cluster
    query = json.structure({**COUNT, "context": {"queryId": "q1"}}, Query)
    started = QueryRun.of(query)
    met = threading.Barrier(servers, started.cancelled.set)
    for number in range(servers):
        fake.silent[f"{number}:1"] = partial(met.wait, 10)
        view.segment_added(server(f"{number}:1"), segment(number))
    with pytest.raises(QueryException) as failed:
        list(client.run(query, started))
    assert failed.value.error == QueryException.CANCELLED
    expected = {f"http://{number}:1/druid/v2/q1" for number in range(servers)}
    eventually(lambda: set(fake.cancelled) == expected, "the data servers to be told", 5)


def test_rows_of_one_bucket_carry_the_whole_querys_time(cluster, view, json):
    fake, client = cluster
    fake.answers["a:1"] = lambda url, _: HttpResponse(200, {}, url, b"[]", json=json)
    view.segment_added(server("a:1"), segment(3))
    run(client, json, queryType="groupBy", granularity="all", dimensions=["x"])
    assert fake.asked[0][2].context["fudgeTimestamp"] == "0"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("LONG", "LONG", "LONG"),
        ("LONG", "FLOAT", "DOUBLE"),
        ("LONG", "STRING", "STRING"),
        ("LONG", "ARRAY<LONG>", "ARRAY<LONG>"),
        ("ARRAY<STRING>", "LONG", "ARRAY<STRING>"),
        ("COMPLEX<json>", "LONG", "COMPLEX<json>"),
    ],
)
def test_a_type_that_holds_both(one, other, both):
    assert least_restrictive(one, other) == both


def test_columns_of_the_newest_segment_come_first():
    merged = merge_columns([{"__time": "LONG", "b": "STRING"}, {"__time": "LONG", "a": "LONG", "b": "LONG"}])
    assert list(merged.items()) == [("__time", "LONG"), ("b", "STRING"), ("a", "LONG")]
