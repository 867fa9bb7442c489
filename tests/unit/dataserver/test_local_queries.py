"""Queries over local segments, and the resource that runs them."""

from __future__ import annotations

import json as plain_json
import threading
from functools import partial

import pytest
from tests.unit.dataserver.kit import submit
from tests.unit.querying import make_server_manager

from nemeton.common.cancellation import CancelSignal
from nemeton.common.clock import ManualClock
from nemeton.common.errors import DruidException, QueryException, forbidden
from nemeton.dataserver.config import DruidProcessingConfig
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_resource import QueryResource
from nemeton.dataserver.query_run import QueryCounts, QueryRun, RunningQueries
from nemeton.dataserver.request_log import NoopRequestLogger, RequestLog, RequestLoggingConfig
from nemeton.dataserver.response_context import ResponseContextConfig
from nemeton.emitter.service import ServiceEmitter
from nemeton.http.config import ServerConfig
from nemeton.json import smile
from nemeton.model import DruidNode, SegmentDescriptor
from nemeton.query.engine import QueryEngine
from nemeton.query.model.segment_spec import QuerySegmentSpec
from nemeton.spi.http import Request
from nemeton.spi.query import Query

COUNT = {
    "queryType": "timeseries",
    "dataSource": "mixed_tsv",
    "intervals": ["2024-01-01/2025-01-01"],
    "granularity": "all",
    "aggregations": [{"type": "count", "name": "c"}],
}


@pytest.fixture
def manager(serve):
    return serve("mixed_tsv")


@pytest.fixture
def walker(manager, pool, query_json):
    return make_server_manager(manager, pool, query_json)


@pytest.fixture
def query(query_json):
    return lambda **changes: query_json.structure({**COUNT, **changes}, Query)


def test_all_visible_segments_are_read(walker, query):
    run = QueryRun.of(query())
    (row,) = walker.run(query(), run)
    assert row["result"] == {"c": 500}
    assert run.missing == []


def test_segments_that_are_not_here_are_noted(walker, query, golden):
    here = golden("mixed_tsv")[0]
    gone = SegmentDescriptor(here.interval, "2000-01-01T00:00:00.000Z", 0)
    asked = query().with_intervals(QuerySegmentSpec.of_segments([here.to_descriptor(), gone]))
    run = QueryRun.of(asked)
    (row,) = walker.run(asked, run)
    assert 0 < row["result"]["c"] < 500
    assert run.missing == [gone]


def test_a_segment_is_held_until_the_run_is_closed(walker, manager, query, golden):
    run = QueryRun.of(query())
    list(walker.run(query(), run))
    held = manager.find("mixed_tsv", golden("mixed_tsv")[0].to_descriptor())
    assert held.readers == 1
    run.close()
    assert held.readers == 0


def test_unfinished_rows_are_given_on_request(walker, query):
    asked = query(aggregations=[{"type": "doubleMean", "name": "m", "fieldName": "d"}], context={"finalize": False})
    (row,) = walker.run(asked, QueryRun.of(asked))
    assert isinstance(row["result"]["m"], str)  # sum and count, as Druid writes them


def test_a_cancelled_query_stops(walker, query):
    run = QueryRun.of(query())
    run.cancelled.set()
    with pytest.raises(QueryException) as failed:
        list(walker.run(query(), run))
    assert failed.value.error == QueryException.CANCELLED


def test_a_query_whose_time_is_up_says_so(walker, query, pool):
    gate = threading.Event()
    blockers = [submit(pool, partial(gate.wait, 10)) for _ in range(2)]
    asked = query(context={"timeout": 20})
    try:
        with pytest.raises(QueryException) as failed:
            list(walker.run(asked, QueryRun.of(asked)))
        assert failed.value.error == QueryException.TIMEOUT
    finally:
        gate.set()
        for blocker in blockers:
            blocker.result(5)


def test_important_work_goes_first():
    pool = ProcessingPool(DruidProcessingConfig(num_threads=1))
    gate, order = threading.Event(), []
    futures = [submit(pool, partial(gate.wait, 10), 100)]
    for name, priority in [("low", -1), ("older", 5), ("younger", 5)]:
        futures.append(submit(pool, partial(order.append, name), priority))
    gate.set()
    for future in futures:
        future.result(5)
    pool.stop()
    assert order == ["older", "younger", "low"]


# ---- over HTTP


class FakeWalker:
    def __init__(self, rows=(), failure=None):
        self.rows, self.failure, self.run_seen = rows, failure, None

    def run(self, query, run):
        self.run_seen, self.query_seen = run, query
        if self.failure is not None:
            raise self.failure
        return self.rows


@pytest.fixture
def resource(query_json):
    def make(walker, fail_when_too_long=True, logger=None, **config):
        node = DruidNode("druid/historical", "localhost", plaintext_port=8083)
        config = ServerConfig(**config)
        return QueryResource(
            walker,
            RunningQueries(),
            config,
            QueryMetrics(ServiceEmitter()),
            node,
            query_json,
            QueryCounts(),
            ResponseContextConfig(fail_when_too_long),
            QueryEngine(),
            RequestLog(logger or NoopRequestLogger(), RequestLoggingConfig(), ManualClock()),
        )

    return make


def post(resource, body, json, **more):
    raw = body if isinstance(body, bytes) else plain_json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    return resource.post(Request("POST", "/druid/v2", headers=headers, body=raw, json=json, **more))


def body_of(response):
    return plain_json.loads(b"".join(response.iterator))


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_rows_are_streamed_as_one_array(resource, query_json, count):
    walker = FakeWalker({"n": number} for number in range(count))
    response = post(resource(walker), COUNT, query_json)
    assert body_of(response) == [{"n": number} for number in range(count)]


def test_ids_and_timeouts_are_filled_in(resource, query_json):
    walker = FakeWalker()
    response = post(resource(walker, default_query_timeout=1234), COUNT, query_json)
    assert response.headers["X-Druid-Query-Id"] == walker.query_seen.id != ""
    assert walker.query_seen.query_context.timeout_ms == 1234
    assert response.headers["X-Druid-Response-Context"] == "{}"
    given = post(resource(walker), {**COUNT, "context": {"queryId": "mine"}}, query_json)
    assert given.headers["X-Druid-Query-Id"] == "mine"


def test_missing_segments_stand_in_the_response_context(resource, query_json, golden):
    missing = golden("mixed_tsv")[0].to_descriptor()

    class Missing(FakeWalker):
        def run(self, query, run):
            run.missing.append(missing)
            return []

    response = post(resource(Missing()), COUNT, query_json)
    assert plain_json.loads(response.headers["X-Druid-Response-Context"]) == {
        "missingSegments": [query_json.unstructure(missing)]
    }


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"queryType": ', "malformed"),
        (b"", ""),
        (b"[1,2]", ""),
        ({"queryType": "nope", "dataSource": "x"}, "nope"),
        ({**COUNT, "granularity": "nope"}, "granularity"),
        ({**COUNT, "intervals": ["nope/2024"]}, "nope"),
    ],
)
def test_what_is_no_query_is_answered_in_druids_short_shape(resource, query_json, body, named):
    response = post(resource(FakeWalker()), body, query_json)
    assert response.status == 400
    assert set(response.json) == {"error", "errorMessage", "errorClass", "host"}
    assert response.json["error"] == "Unknown exception"
    assert named in response.json["errorMessage"]


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (QueryException(QueryException.TIMEOUT, "slow"), 504, "Query timeout"),
        (QueryException(QueryException.CANCELLED, "stop"), 500, "Query cancelled"),
        (QueryException(QueryException.RESOURCE_LIMIT, "big"), 400, "Resource limit exceeded"),
        (DruidException("new kind", category="INVALID_INPUT"), 400, "druidException"),
        (ValueError("a bug"), 500, "Unknown exception"),
    ],
)
def test_failures_have_their_status_and_shape(resource, query_json, failure, status, error):
    response = post(resource(FakeWalker(failure=failure)), COUNT, query_json)
    assert (response.status, response.json["error"]) == (status, error)
    assert response.headers["X-Druid-Query-Id"]


def test_a_bad_context_is_refused_before_any_work(resource, query_json):
    walker = FakeWalker()
    response = post(resource(walker), {**COUNT, "context": {"timeout": "abc"}}, query_json)
    assert (response.status, response.json["error"]) == (400, "Query context parse failed")
    assert walker.run_seen is None


def test_a_timeout_above_the_maximum_is_refused(resource, query_json):
    response = post(resource(FakeWalker(), max_query_timeout=1000, default_query_timeout=500), COUNT, query_json)
    assert response.status == 200
    body = {**COUNT, "context": {"timeout": 1001}}
    assert post(resource(FakeWalker(), max_query_timeout=1000), body, query_json).status == 400


def test_a_data_source_that_may_not_be_read_is_refused(resource, query_json):
    walker = FakeWalker()

    def refuse(identity, actions):
        assert [action.name for action in actions] == ["mixed_tsv"]
        raise forbidden("no")

    with pytest.raises(DruidException, match="no"):
        post(resource(walker), COUNT, query_json, authorizer=refuse)
    assert walker.run_seen is None


def test_a_running_query_is_cancelled_by_its_id(resource, query_json):
    made = resource(FakeWalker([{"n": 1}]))
    cancelled = CancelSignal()
    response = post(made, {**COUNT, "context": {"queryId": "q1"}}, query_json, cancelled=cancelled)
    cancel = Request("DELETE", "/druid/v2/q1", path_params={"id": "q1"})
    assert made.cancel(cancel).status == 202
    assert cancelled.is_set()
    assert cancel.authorization_checked
    response.iterator.close()
    assert made.cancel(Request("DELETE", "/druid/v2/q1", path_params={"id": "q1"})).status == 202


def test_an_answer_that_nobody_reads_lets_go_of_everything(resource, query_json):
    walker = FakeWalker([{"n": 1}])
    response = post(resource(walker), COUNT, query_json)
    closed = []
    walker.run_seen.resources.callback(closed.append, True)
    response.iterator.close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("sent", "accept", "got"),
    [
        ("smile", None, "smile"),  # as a Java Broker asks
        ("smile", "application/json", "json"),
        ("json", "application/x-jackson-smile", "smile"),
        ("json", None, "json"),
        ("json", "*/*", "json"),
    ],
)
def test_the_answer_has_the_form_that_was_accepted_or_else_sent(resource, query_json, sent, accept, got):
    types = {"json": "application/json", "smile": "application/x-jackson-smile"}
    body = smile.dumps(COUNT) if sent == "smile" else plain_json.dumps(COUNT).encode()
    headers = {"content-type": types[sent]} | ({"accept": accept} if accept else {})
    rows = [{"n": float("inf"), "i": number} for number in range(2500)]
    response = resource(FakeWalker(rows)).post(
        Request("POST", "/druid/v2", headers=headers, body=body, json=query_json)
    )
    assert response.media_type == types[got]
    raw = b"".join(response.iterator)
    read = smile.loads(raw) if got == "smile" else plain_json.loads(raw)
    assert read == (rows if got == "smile" else [row | {"n": "Infinity"} for row in rows])


def test_a_failure_is_told_in_smile_to_who_speaks_it(resource, query_json):
    headers = {"content-type": "application/x-jackson-smile"}
    request = Request("POST", "/druid/v2", headers=headers, body=smile.dumps({"queryType": "nope"}), json=query_json)
    response = resource(FakeWalker()).post(request)
    assert (response.status, response.media_type) == (400, "application/x-jackson-smile")
    broken = Request("POST", "/druid/v2", headers=headers, body=b":)\n\x05", json=query_json)
    assert "Smile" in resource(FakeWalker()).post(broken).json["errorMessage"]


def test_a_union_of_queries_is_no_query_by_itself(resource, query_json):
    response = post(resource(FakeWalker()), {"queryType": "union", "queries": [COUNT, COUNT]}, query_json)
    assert (response.status, response.json["errorMessage"]) == (400, "A query of type [union] is no query by itself")


# ---- rows of inner queries


def nested(outer_type, **context):
    inner = {**COUNT, "queryType": "groupBy", "dimensions": ["id"]}
    outer = {"queryType": outer_type, "intervals": ["1970/2050"], "dataSource": {"type": "query", "query": inner}}
    return {**COUNT, **outer, "context": context}


def test_rows_of_an_inner_query_are_limited_but_where_a_group_by_reads_a_group_by(walker, query, query_json):
    asked = query_json.structure(nested("timeseries", maxSubqueryRows=10), Query)
    with pytest.raises(QueryException, match=r"beyond maximum\[10\] rows") as failed:
        walker.run(asked, QueryRun.of(asked))
    assert (failed.value.error, failed.value.http_status) == (QueryException.RESOURCE_LIMIT, 400)
    for allowed in (nested("timeseries"), nested("groupBy", maxSubqueryRows=10)):
        asked = query_json.structure(allowed, Query)
        assert list(walker.run(asked, QueryRun.of(asked)))


def test_the_servers_limit_of_rows_holds_for_queries_without_one(resource, query_json):
    walker = FakeWalker()
    post(resource(walker, max_subquery_rows=7), COUNT, query_json)
    assert walker.query_seen.context["maxSubqueryRows"] == 7
    post(resource(walker, max_subquery_rows=7), {**COUNT, "context": {"maxSubqueryRows": 9}}, query_json)
    assert walker.query_seen.context["maxSubqueryRows"] == 9
    post(resource(walker), COUNT, query_json)
    assert "maxSubqueryRows" not in walker.query_seen.context


def test_a_context_that_is_too_long_fails_at_a_data_server_and_is_cut_at_a_broker(resource, query_json, golden):
    here = golden("mixed_tsv")[0]

    class Lacking(FakeWalker):
        def run(self, query, run):
            run.missing += [SegmentDescriptor(here.interval, "2000-01-01T00:00:00.000Z", n) for n in range(200)]
            return []

    failed = post(resource(Lacking()), COUNT, query_json)
    assert failed.status == 500
    assert failed.json["error"] == "Truncated response context"
    assert failed.json["errorMessage"] == "Serialized response context exceeds the max size[7168]"
    cut = post(resource(Lacking(), fail_when_too_long=False), COUNT, query_json)
    text = cut.headers["X-Druid-Response-Context"]
    assert len(text) <= 7168
    told = plain_json.loads(text)
    assert told["truncated"]
    assert 0 < len(told["missingSegments"]) < 200
