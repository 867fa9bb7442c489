"""What inner queries may give."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException, QueryException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.inline import rows_segment
from nemeton.query.model.context import QueryContext, SubqueryBytes, read_subquery_bytes
from nemeton.query.subqueries import SubqueryBudget, automatic_bytes, size_of
from nemeton.spi.query import Query

MANY = 120_000


@pytest.fixture(scope="module")
def execute():
    json = Json(load_extensions({}, ["nemeton.query.extension"]).registry)
    engine = QueryEngine()
    segment = rows_segment({"id": ("LONG", list(range(MANY)))}, MANY)

    def run(request):
        query = json.structure(request, Query)
        asked = []

        def tables(inner):
            asked.append(inner)
            return engine.merge(inner, [engine.run_segment(inner, segment)])

        return list(engine.execute(query, tables)), asked

    return run


def over(query_type, inner, **more):
    return {
        "queryType": query_type,
        "dataSource": {"type": "query", "query": inner},
        "intervals": "1970/2050",
        "granularity": "all",
        "aggregations": [{"type": "count", "name": "n"}],
        **more,
    }


ID = {"type": "default", "dimension": "id", "outputName": "id", "outputType": "LONG"}
GROUPS = {
    "queryType": "groupBy",
    "dataSource": "x",
    "intervals": "1970/2050",
    "granularity": "all",
    "dimensions": [ID],
}
SCAN = {"queryType": "scan", "dataSource": "x", "intervals": "1970/2050", "columns": ["id"]}


def test_a_group_by_over_more_groups_than_rows_may_be_held(execute):
    rows, _ = execute(over("groupBy", GROUPS))
    assert rows[0]["event"] == {"n": MANY}
    rows, _ = execute(over("groupBy", over("groupBy", GROUPS, dimensions=[ID])))
    assert rows[0]["event"] == {"n": MANY}


def test_other_queries_hold_the_rows_of_the_inner_one(execute):
    with pytest.raises(QueryException, match=r"beyond maximum\[100000\] rows"):
        execute(over("timeseries", GROUPS))
    rows, _ = execute(over("timeseries", GROUPS, context={"maxSubqueryRows": -1}))
    assert rows[0]["result"] == {"n": MANY}
    rows, _ = execute(over("timeseries", GROUPS, context={"maxSubqueryBytes": "auto"}))
    assert rows[0]["result"] == {"n": MANY}
    with pytest.raises(QueryException, match=r"beyond maximum\[100000\] bytes"):
        execute(over("timeseries", GROUPS, context={"maxSubqueryBytes": 100_000}))


def test_an_inner_scan_is_not_asked_for_more_than_may_be_held(execute):
    rows, (asked,) = execute(over("timeseries", {**SCAN, "limit": 7}, context={"maxSubqueryRows": 10}))
    assert (rows[0]["result"], asked.limit) == ({"n": 7}, 7)
    with pytest.raises(QueryException, match=r"beyond maximum\[10\] rows"):
        execute(over("groupBy", over("groupBy", SCAN), context={"maxSubqueryRows": 10}))
    _, (asked,) = execute(over("timeseries", {**SCAN, "limit": 9}, context={"maxSubqueryRows": -1}))
    assert asked.limit == 9


@pytest.mark.parametrize(
    ("given", "read"),
    [
        *[(None, SubqueryBytes.DISABLED), ("Auto", SubqueryBytes.AUTO), ("disabled", SubqueryBytes.DISABLED)],
        *[(12, 12), ("12", 12), ("+7", 7), (0, 0)],
    ],
)
def test_limits_of_bytes(given, read):
    assert read_subquery_bytes(given) == read


@pytest.mark.parametrize("given", ["", "1KiB", 1.5, True, [1], 2**63, "1_0", -1])
def test_limits_of_bytes_that_are_none(given):
    with pytest.raises(DruidException, match=r"Unable to parse the provided|Limit too large") as failed:
        read_subquery_bytes(given)
    assert failed.value.category == "INVALID_INPUT"


def test_sizes_go_by_the_values():
    columns = {"a": ("STRING", ["xy", None, "é"]), "l": ("LONG", [1, None, 3]), "r": ("ARRAY<LONG>", [[1], None, []])}
    assert size_of(rows_segment(columns, 3)) > 3 * (4 + 9 + 4)
    assert automatic_bytes() >= 10 * 1024**2


def test_rows_that_are_held_one_by_one():
    assert SubqueryBudget(QueryContext({"maxSubqueryRows": 3})).kept(iter([(1,), (2,), (3,)])) == [(1,), (2,), (3,)]
    with pytest.raises(QueryException, match=r"beyond maximum\[2\] rows"):
        SubqueryBudget(QueryContext({"maxSubqueryRows": 2})).kept([(1,), (2,), (3,)])
    weighed = SubqueryBudget(QueryContext({"maxSubqueryBytes": 60}))
    assert weighed.kept([("abc",), (1,)]) == [("abc",), (1,)]
    with pytest.raises(QueryException, match=r"beyond maximum\[60\] bytes"):
        weighed.kept([("abc" * 20,)])
    with pytest.raises(QueryException, match=r"beyond maximum\[60\] bytes"):
        weighed.start()
