"""Retries, streams and the end of a query at the Broker, with data servers made up."""

from __future__ import annotations

import threading

import pytest
from tests.unit.querying import Cluster
from tests.unit.server.broker.test_broker import segment, server

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.model import SegmentDescriptor
from nemeton.server.broker.config import BrokerRetryConfig
from nemeton.spi.query import Query

SCAN = {"queryType": "scan", "dataSource": "ds", "intervals": ["1970-01-01/1971-01-01"], "columns": ["n"]}
COUNT = {
    "queryType": "timeseries",
    "dataSource": "ds",
    "intervals": ["1970-01-01/1971-01-01"],
    "granularity": "day",
    "aggregations": [{"type": "count", "name": "c"}],
}


class Raw:
    """The unread part of an answer, a batch in each piece; it knows how much was read, and whether it was closed."""

    def __init__(self, json, batches, rows=100, broken=False):
        self.json = json
        self.batches, self.rows, self.broken = batches, rows, broken
        self.read = 0
        self.closed = threading.Event()

    def stream(self):
        for number in range(self.batches):
            self.read += 1
            batch = {
                "segmentId": "s",
                "columns": ["n"],
                "events": [{"n": number * self.rows + row} for row in range(self.rows)],
                "rowSignature": [{"name": "n", "type": "LONG"}],
            }
            yield (b"[" if number == 0 else b",") + self.json.dumps(batch)
        if self.broken:
            raise OSError("reset by peer")
        yield b"]"

    def close(self):
        self.closed.set()


class Servers:
    """Stands for the HTTP client; each host gives what `answers` has for it, a list giving one after another."""

    def __init__(self, json):
        self.json = json
        self.answers = {}
        self.asked = []
        self.cancelled = []

    def request(self, method, url, *, json=None, **_):
        host = url.split("/")[2]
        if method == "DELETE":
            self.cancelled.append(host)
            return HttpResponse(202, {}, url)
        self.asked.append((host, json))
        answer = self.answers[host]
        if isinstance(answer, list):
            answer = answer.pop(0)
        return answer(url, list(json.intervals.segments))

    def streamed(self, raw):
        return lambda url, _: HttpResponse(200, {}, url, raw=raw, json=self.json)

    def counting(self, url, descriptors):
        rows = [{"timestamp": str(each.interval).split("/")[0], "result": {"c": 1}} for each in descriptors]
        return HttpResponse(200, {}, url, self.json.dumps(rows), json=self.json)

    def lacking(self, url, descriptors):
        context = self.json.dumps({"missingSegments": descriptors}).decode()
        return HttpResponse(200, {"X-Druid-Response-Context": context}, url, b"[]", json=self.json)

    def gone(self, url, descriptors):
        raise HttpClientError("connection refused")


@pytest.fixture
def servers(json):
    return Servers(json)


@pytest.fixture
def broker(view, servers, json):
    made = []

    def make(**options):
        made.append(Cluster(view, servers, json, **options))
        return made[-1].walker

    yield make
    for each in made:
        each.close()


def begin(walker, json, request, **context):
    query = json.structure({**request, "context": context}, Query).with_defaults({"queryId": "q1"})
    run = QueryRun.of(query)
    return walker.run(query, run), run


# ---- streams


def test_a_scan_is_read_no_faster_than_it_is_taken(broker, servers, view, json):
    """Of ten thousand batches at two servers only those are read that are asked for, and one more at most."""
    raws = {host: Raw(json, 10_000) for host in ("a:1", "b:1")}
    for day, (host, raw) in enumerate(raws.items()):
        servers.answers[host] = servers.streamed(raw)
        view.segment_added(server(host), segment(day))
    rows, run = begin(broker(), json, SCAN)
    taken = [batch for batch, _ in zip(iter(rows), range(5), strict=False)]
    assert sum(len(batch["events"]) for batch in taken) == 500
    assert sum(raw.read for raw in raws.values()) <= 7
    run.close()
    assert all(raw.closed.is_set() for raw in raws.values())


def test_all_rows_come_and_the_connections_are_given_back(broker, servers, view, json):
    raws = {host: Raw(json, 3) for host in ("a:1", "b:1")}
    for day, (host, raw) in enumerate(raws.items()):
        servers.answers[host] = servers.streamed(raw)
        view.segment_added(server(host), segment(day))
    walker = broker()
    rows, run = begin(walker, json, SCAN)
    assert sorted(event["n"] for batch in rows for event in batch["events"]) == sorted([*range(300)] * 2)
    assert all(raw.closed.is_set() for raw in raws.values())
    run.close()
    assert all(walker._fan_out._client.load(host) == 0 for host in raws)


def test_a_limit_ends_the_reading(broker, servers, view, json):
    raw = Raw(json, 10_000)
    servers.answers["a:1"] = servers.streamed(raw)
    view.segment_added(server("a:1"), segment())
    rows, run = begin(broker(), json, {**SCAN, "limit": 150})
    assert sum(len(batch["events"]) for batch in rows) == 150
    assert raw.read <= 3
    run.close()
    assert raw.closed.is_set()


def test_an_answer_that_breaks_off_breaks_off_the_query(broker, servers, view, json):
    servers.answers["a:1"] = servers.streamed(Raw(json, 2, broken=True))
    view.segment_added(server("a:1"), segment())
    rows, run = begin(broker(), json, SCAN)
    iterator = iter(rows)
    next(iterator)
    with pytest.raises(QueryException, match="broke off") as failed:
        list(iterator)
    assert failed.value.host == "a:1"
    run.close()


def test_a_stream_has_the_limits_of_its_query(broker, servers, view, json):
    servers.answers["a:1"] = lambda url, each: servers.streamed(Raw(json, 100))(url, each)
    view.segment_added(server("a:1"), segment())
    walker = broker()
    rows, run = begin(walker, json, SCAN, maxScatterGatherBytes=5000)
    with pytest.raises(QueryException, match=r"max scatter-gather bytes limit reached\.") as failed:
        list(rows)
    assert (failed.value.error_class, failed.value.host) == ("java.io.IOException", "a:1")
    run.close()
    rows, run = begin(walker, json, SCAN)
    iterator = iter(rows)
    next(iterator)
    run.cancelled.set()
    with pytest.raises(QueryException) as cancelled:
        list(iterator)
    assert cancelled.value.error == QueryException.CANCELLED
    run.close()
    assert walker._fan_out._client.load("a:1") == 0


# ---- retries


def test_what_comes_back_is_found_at_the_same_server(broker, servers, view, json):
    servers.answers["a:1"] = [servers.lacking, servers.counting]
    view.segment_added(server("a:1"), segment())
    rows, run = begin(broker(), json, COUNT)
    assert [row["result"] for row in rows] == [{"c": 1}]
    run.close()


@pytest.mark.parametrize(("tries", "asked"), [(0, 1), (1, 2), (4, 5)])
def test_how_often_is_said_by_the_context_or_else_the_configuration(broker, servers, view, json, tries, asked):
    servers.answers["a:1"] = servers.lacking
    view.segment_added(server("a:1"), segment())
    with pytest.raises(QueryException, match="No results found for segments") as failed:
        begin(broker(), json, COUNT, numRetriesOnMissingSegments=tries)
    assert failed.value.error_class == "org.apache.druid.segment.SegmentMissingException"
    assert failed.value.http_status == 500
    assert len(servers.asked) == asked
    servers.asked.clear()
    with pytest.raises(QueryException):
        begin(broker(retries=BrokerRetryConfig(num_tries=tries)), json, COUNT)
    assert len(servers.asked) == asked


def test_where_the_segment_went_is_looked_up_anew(broker, servers, view, json):
    """The server unannounces the segment while it is asked, and another one has it now."""
    view.segment_added(server("a:1"), segment())

    def moved(url, descriptors):
        view.segment_added(server("b:1"), segment())
        view.segment_removed(server("a:1"), segment())
        return servers.lacking(url, descriptors)

    servers.answers |= {"a:1": moved, "b:1": servers.counting}
    rows, run = begin(broker(), json, COUNT)
    assert [row["result"] for row in rows] == [{"c": 1}]
    assert [host for host, _ in servers.asked] == ["a:1", "b:1"]
    run.close()


@pytest.mark.parametrize("by", ["context", "configuration"])
def test_partial_results_are_given_on_request(broker, servers, view, json, by):
    servers.answers |= {"a:1": servers.counting, "b:1": servers.gone}
    view.segment_added(server("a:1"), segment(0))
    view.segment_added(server("b:1"), segment(1))
    retries = BrokerRetryConfig(return_partial_results=by == "configuration")
    context = {"returnPartialResults": True} if by == "context" else {}
    rows, run = begin(broker(retries=retries), json, COUNT, **context)
    assert [row["timestamp"][:10] for row in rows] == ["1970-01-01"]
    assert run.missing == [SegmentDescriptor(segment(1).interval, "v1", 0)]
    run.close()


def test_a_context_that_a_server_could_not_tell_is_a_failure(broker, servers, view, json):
    said = {"error": "Truncated response context", "errorClass": "x.Y", "errorMessage": "too long", "host": "a:1"}
    servers.answers["a:1"] = lambda url, _: HttpResponse(500, {}, url, json.dumps(said), json=json)
    view.segment_added(server("a:1"), segment())
    with pytest.raises(QueryException) as failed:
        begin(broker(), json, COUNT)
    assert failed.value.error == QueryException.TRUNCATED


# ---- what data servers are told


def test_data_servers_hear_of_time_priority_and_lane(broker, servers, view, json):
    servers.answers["a:1"] = servers.counting
    view.segment_added(server("a:1"), segment())
    _, run = begin(broker(), json, COUNT, timeout=10_000, priority=3, lane="mine", perSegmentTimeout=50)
    ((_, query),) = servers.asked
    context = query.context
    assert 0 < context["timeout"] <= 10_000
    assert (context["priority"], context["lane"], context["perSegmentTimeout"]) == (3, "mine", 50)
    assert context["queryId"] == "q1"
    run.close()


def test_a_server_that_takes_too_long_is_named(broker, servers, view, json):
    view.segment_added(server("a:1"), segment())
    query = json.structure({**COUNT, "context": {"queryId": "q1", "timeout": 60_000}}, Query)
    run = QueryRun.of(query)
    walker = broker()

    def too_late(url, descriptors):
        run.deadline = 0.0
        raise HttpClientError("read timed out")

    servers.answers["a:1"] = too_late
    with pytest.raises(QueryException) as failed:
        walker.run(query, run)
    assert failed.value.error == QueryException.TIMEOUT
    assert failed.value.http_status == 504
