"""SQL over HTTP: bodies, formats, headers, errors, cancelling; and an unmodified client."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import QueryException, forbidden
from nemeton.json import Json
from nemeton.spi.http import Request
from nemeton.sql.logical import Field
from nemeton.sql.results import ShownRows
from nemeton.sql.types import BIGINT, DOUBLE, VARCHAR
from nemeton.sql.web.formats import Headers, write
from nemeton.sql.web.resource import SqlResource

ROWS = [{"version": "v1", "timestamp": None, "event": {"d0": "a", "a0": 1}}] * 2
STATEMENT = "SELECT page, COUNT(*) AS c FROM wiki GROUP BY page"


@pytest.fixture
def resource(sql: Any) -> SqlResource:
    return SqlResource(sql.engine, sql.cluster, sql.json)


def post(resource: SqlResource, body: Any, **headers: str) -> Any:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return resource.post(
        Request("POST", "/druid/v2/sql", headers={"content-type": "application/json", **headers}, body=raw)
    )


def text(answer: Any) -> str:
    return b"".join(answer.iterator).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, '[{"page":"a","c":1},{"page":"a","c":1}]\n'),
        ({"resultFormat": "array"}, '[["a",1],["a",1]]\n'),
        ({"resultFormat": "objectLines"}, '{"page":"a","c":1}\n{"page":"a","c":1}\n\n'),
        ({"resultFormat": "ARRAYLINES"}, '["a",1]\n["a",1]\n\n'),
        ({"resultFormat": "csv"}, "a,1\na,1\n\n"),
        ({"resultFormat": "csv", "header": True, "sqlTypesHeader": True}, "page,c\nVARCHAR,BIGINT\na,1\na,1\n\n"),
        (
            {"resultFormat": "array", "header": True, "typesHeader": True},
            '[["page","c"],["STRING","LONG"],["a",1],["a",1]]\n',
        ),
        ({"header": True}, '[{"page":null,"c":null},{"page":"a","c":1},{"page":"a","c":1}]\n'),
        (
            {"header": True, "typesHeader": True, "sqlTypesHeader": True},
            '[{"page":{"type":"STRING","sqlType":"VARCHAR"},"c":{"type":"LONG","sqlType":"BIGINT"}},'
            '{"page":"a","c":1},{"page":"a","c":1}]\n',
        ),
    ],
)
def test_result_formats(sql: Any, resource: SqlResource, body: dict[str, Any], expected: str) -> None:
    sql.cluster.answers.append(ROWS)
    answer = post(resource, {"query": STATEMENT, **body})
    assert text(answer) == expected
    assert answer.media_type == "application/json"
    assert answer.headers.get("X-Druid-SQL-Header-Included") == ("yes" if body.get("header") else None)


def test_the_query_id_is_in_the_headers(resource: SqlResource) -> None:
    answer = post(resource, {"query": "SELECT 1", "context": {"sqlQueryId": "mine"}})
    assert answer.headers["X-Druid-SQL-Query-Id"] == "mine"
    failed = post(resource, {"query": "SELECT nope", "context": {"sqlQueryId": "mine"}})
    assert failed.headers["X-Druid-SQL-Query-Id"] == "mine"
    assert len(post(resource, {"query": "SELECT 1"}).headers["X-Druid-SQL-Query-Id"]) == 36


def test_a_plain_text_body_is_the_statement(resource: SqlResource) -> None:
    assert text(post(resource, " SELECT 1 AS x\n", **{"content-type": "text/plain; charset=utf-8"})) == '[{"x":1}]\n'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "No content to map"),
        ("{", "not valid JSON"),
        ("query=SELECT+1", "Unrecognized token"),
        ("[]", "SqlQuery"),
        ("{}", "problem: query"),
        ({"query": "SELECT 1", "resultFormat": "nope"}, "ResultFormat.NOPE"),
        ({"query": "SELECT 1", "context": "x"}, "LinkedHashMap"),
        ({"query": "SELECT ?", "parameters": [{"type": "NOPE", "value": 1}]}, "avatica.SqlType"),
    ],
)
def test_bodies_that_are_no_requests(resource: SqlResource, body: Any, words: str) -> None:
    answer = post(resource, body)
    assert answer.status == 400
    assert words in answer.json["errorMessage"]
    assert answer.json["error"] == "Unknown exception"


def test_a_timeout_that_is_no_number(resource: SqlResource) -> None:
    answer = post(resource, {"query": "SELECT 1", "context": {"timeout": "x"}})
    assert answer.status == 400
    assert answer.json["errorMessage"] == "Expected key [timeout] to be in long format, but got [x]"


def test_parameters(sql: Any, resource: SqlResource) -> None:
    parameters = [
        {"type": "INTEGER", "value": 5},
        {"type": "VARCHAR", "value": "x"},
        {"type": "TIMESTAMP", "value": "2024-01-01 00:00:00"},
        {"type": "BOOLEAN", "value": True},
        {"type": "DOUBLE", "value": None},
    ]
    answer = post(resource, {"query": "SELECT ? + 1 AS a, ? AS b, ? AS c, ? AS d, ? AS e", "parameters": parameters})
    assert json.loads(text(answer)) == [{"a": 6, "b": "x", "c": "2024-01-01T00:00:00.000Z", "d": True, "e": None}]


def test_parameters_count_in_the_order_of_the_text(sql: Any, resource: SqlResource) -> None:
    parameters = [{"type": "VARCHAR", "value": "x"}, {"type": "INTEGER", "value": 5}, {"type": "INTEGER", "value": 3}]
    text(post(resource, {"query": "SELECT ? FROM wiki WHERE added > ? LIMIT ?", "parameters": parameters}))
    (query,) = sql.cluster.queries
    assert (query.filter.lower, query.limit) == (5, 3)


def test_a_failure_before_the_first_row_has_a_status(sql: Any, resource: SqlResource) -> None:
    def fail() -> Iterator[Any]:
        raise QueryException(QueryException.TIMEOUT, "too slow")
        yield

    sql.cluster.answers.append(fail())
    answer = post(resource, {"query": STATEMENT})
    assert answer.status == 504
    assert answer.json["error"] == "Query timeout"


def test_a_failure_after_the_first_row_ends_the_answer(sql: Any, resource: SqlResource) -> None:
    def fail() -> Iterator[Any]:
        yield ROWS[0]
        raise QueryException(QueryException.TIMEOUT, "too slow")

    sql.cluster.answers.append(fail())
    with pytest.raises(QueryException):
        text(post(resource, {"query": STATEMENT}))


def test_cancelling_stops_the_rows(sql: Any, resource: SqlResource) -> None:
    sql.cluster.answers.append(iter(ROWS * 5))
    answer = post(resource, {"query": STATEMENT, "context": {"sqlQueryId": "q"}})
    cancel = Request("DELETE", "/druid/v2/sql/q", path_params={"id": "q"})
    assert resource.cancel(cancel).status == 202
    assert sql.cluster.cancelled == ["q"]
    with pytest.raises(QueryException, match="canceled"):
        text(answer)
    assert resource.cancel(cancel).status == 404


def test_a_finished_statement_cannot_be_cancelled(resource: SqlResource) -> None:
    text(post(resource, {"query": "SELECT 1", "context": {"sqlQueryId": "q"}}))
    post(resource, {"query": "SELECT nope", "context": {"sqlQueryId": "q"}})
    assert resource.cancel(Request("DELETE", "/druid/v2/sql/q", path_params={"id": "q"})).status == 404


def test_the_data_sources_are_authorized_before_anything_runs(sql: Any, resource: SqlResource) -> None:
    def refuse(who: Any, actions: Any) -> None:
        if any(action.name == "other" for action in actions):
            raise forbidden("no")

    body = json.dumps({"query": "SELECT page FROM wiki WHERE page IN (SELECT page FROM other)"}).encode()
    with pytest.raises(Exception, match="no"):
        resource.post(Request("POST", "/druid/v2/sql", body=body, authorizer=refuse))
    assert sql.cluster.queries == []


def test_large_answers_come_in_pieces(sql: Any, resource: SqlResource) -> None:
    sql.cluster.answers.append({**ROWS[0], "event": {"d0": "x" * 1000, "a0": 1}} for _ in range(1000))
    sizes = [len(piece) for piece in post(resource, {"query": STATEMENT}).iterator]
    assert len(sizes) > 10
    assert max(sizes) < 2 * 65_536


def test_numbers_that_are_none_are_spelt_as_druid_spells_them(sql: Any, resource: SqlResource) -> None:
    events = [{"d0": "a", "a0": 1, "p0": 1.5}, {"d0": "b", "a0": 2, "p0": float("nan")}]
    sql.cluster.answers.append([{**ROWS[0], "event": event} for event in events])
    statement = "SELECT page, COUNT(*) AS c, COUNT(*) / 2.0 AS p FROM wiki GROUP BY page"
    body = b"".join(post(resource, {"query": statement, "resultFormat": "arrayLines"}).iterator)
    assert body.splitlines()[1] == b'["b",2,"NaN"]'


FIELDS = (Field("s", VARCHAR), Field("n", BIGINT), Field("d", DOUBLE))
CELLS = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)


@given(st.lists(CELLS.map(list), max_size=5), st.booleans(), st.booleans())
def test_every_format_keeps_the_values(rows: list[list[Any]], header: bool, are_plain: bool) -> None:
    blocks = [ShownRows(rows[:1], are_plain), ShownRows(rows[1:], are_plain)]

    def body(name: str) -> str:
        return b"".join(write(name, FIELDS, iter(blocks), Headers(header), Json())).decode()

    skipped = 1 if header else 0
    assert json.loads(body("array"))[skipped:] == rows
    assert [list(item.values()) for item in json.loads(body("object"))][skipped:] == rows
    lines = body("arrayLines")
    assert lines.endswith("\n\n")
    assert [json.loads(line) for line in lines[:-2].split("\n") if line][skipped:] == rows
    cells = list(csv.reader(io.StringIO(body("csv"), newline="")))
    assert [row[0] for row in cells[skipped:-1]] == [row[0] for row in rows]


def test_pydruid_reads_rows(sql: Any, resource: SqlResource, serve: Any) -> None:
    from pydruid.db import connect, exceptions

    port = serve(resource)
    sql.cluster.answers.append(ROWS)
    cursor = connect("127.0.0.1", port).cursor()
    cursor.execute("SELECT page, COUNT(*) AS c FROM wiki WHERE page = %(page)s GROUP BY page", {"page": "it's"})
    assert [tuple(row) for row in cursor.fetchall()] == [("a", 1), ("a", 1)]
    assert [column[0] for column in cursor.description] == ["page", "c"]
    assert sql.cluster.queries[0].filter.match_value == "it's"
    with pytest.raises(exceptions.ProgrammingError, match="INVALID_INPUT"):
        connect("127.0.0.1", port).cursor().execute("SELECT nope FROM wiki")
    with_header = connect("127.0.0.1", port, header=True).cursor()
    with_header.execute("SELECT 1 AS x, 'é' AS y")
    assert [column[0] for column in with_header.description] == ["x", "y"]
    assert with_header.fetchall() == [(1, "é")]


@pytest.fixture
def serve() -> Iterator[Any]:
    from nemeton.http.app import RoleApp
    from nemeton.http.loop import EventLoopThread
    from nemeton.http.server import HttpServer

    loop = EventLoopThread("test-sql")
    servers: list[HttpServer] = []

    def start(resource: SqlResource) -> int:
        server = HttpServer(RoleApp([resource]), loop, bind_host="127.0.0.1", name="test")
        servers.append(server)
        server.start()
        return server.port

    yield start
    for server in servers:
        server.stop()
    loop.stop()
