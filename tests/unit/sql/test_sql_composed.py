"""Statements that take more than one native query."""

from __future__ import annotations

from typing import Any

import pytest

from nemeton.common.errors import QueryException


def group(**event: Any) -> dict[str, Any]:
    return {"version": "v1", "timestamp": None, "event": event}


def test_one_distinct_count_is_an_exact_nested_group_by(sql: Any) -> None:
    query = sql.native(
        "SELECT page, COUNT(DISTINCT user) AS u FROM wiki GROUP BY page "
        "HAVING COUNT(DISTINCT user) > 1 ORDER BY u DESC LIMIT 3",
        useApproximateCountDistinct=False,
    )
    inner = query["dataSource"]["query"]
    assert [dimension["dimension"] for dimension in inner["dimensions"]] == ["page", "user"]
    assert inner["aggregations"] == []
    assert query["aggregations"][0]["filter"] == {"type": "not", "field": {"type": "null", "column": "d1"}}
    assert query["having"]["filter"]["column"] == "a0"
    assert query["limitSpec"]["limit"] == 3


def test_distinct_counts_are_estimates_unless_the_context_says_else(sql: Any) -> None:
    (aggregator,) = sql.native("SELECT COUNT(DISTINCT user) FROM wiki")["aggregations"]
    field = {"type": "default", "dimension": "user", "outputName": "user", "outputType": "STRING"}
    assert aggregator == {"type": "cardinality", "name": "a0", "fields": [field], "byRow": False, "round": True}
    query = sql.native("SELECT APPROX_COUNT_DISTINCT(user) FROM wiki", useApproximateCountDistinct=False)
    assert query["aggregations"][0]["type"] == "cardinality"


def test_several_distinct_counts_are_joined_by_their_groups(sql: Any) -> None:
    sql.cluster.answers += [
        [group(d0="a", a0=3), group(d0=None, a0=1)],
        [group(d0="a", a0=7), group(d0="b", a0=8)],
        [group(d0="a", a0=10), group(d0="b", a0=20), group(d0=None, a0=30)],
    ]
    statement = (
        "SELECT page, COUNT(DISTINCT user), SUM(added), COUNT(DISTINCT score) FILTER (WHERE added > 5) "
        "FROM wiki GROUP BY page ORDER BY 2 DESC, page LIMIT 2"
    )
    assert sql.rows(statement, useApproximateCountDistinct=False) == [["a", 3, 10, 7], [None, 1, 30, 0]]
    first, second, plain = sql.cluster.queries
    assert [aggregator.name for aggregator in plain.aggregations] == ["a0"]
    assert first.data_source.query.dimensions[1].dimension == "user"
    assert second.data_source.query.filter is not None


def test_distinct_arguments_of_other_aggregates(sql: Any) -> None:
    query = sql.native("SELECT SUM(DISTINCT added) FROM wiki")
    assert query["aggregations"] == [{"type": "longSum", "name": "a0", "fieldName": "d0"}]
    assert sql.native("SELECT MAX(DISTINCT added) FROM wiki")["dataSource"]["type"] == "table"


def test_grouping_sets_are_one_query_each(sql: Any) -> None:
    sql.cluster.answers += [
        [group(d0="a", d1="u", a0=1)],
        [group(d0="a", a0=2)],
        [{"timestamp": None, "result": {"a0": 3}}],
    ]
    rows = sql.rows(
        "SELECT page, user, COUNT(*) AS c, GROUPING(page, user) AS g "
        "FROM wiki GROUP BY ROLLUP(page, user) ORDER BY c DESC"
    )
    assert rows == [[None, None, 3, 3], ["a", None, 2, 1], ["a", "u", 1, 0]]


@pytest.mark.parametrize(
    ("clause", "sets"),
    [
        ("ROLLUP(page, user)", [["page", "user"], ["page"], []]),
        ("CUBE(page, user)", [["page", "user"], ["page"], ["user"], []]),
        ("GROUPING SETS((page, user), (user), ())", [["page", "user"], ["user"], []]),
        ("page, ROLLUP(user)", [["page", "user"], ["page"]]),
        ("()", [[]]),
    ],
)
def test_grouping_sets_as_they_are_written(sql: Any, clause: str, sets: list[list[str]]) -> None:
    queries = sql.explain(f"SELECT COUNT(*) FROM wiki GROUP BY {clause}")
    assert [[d["dimension"] for d in query.get("dimensions", [])] for query in queries] == sets


def test_an_in_subquery_runs_first(sql: Any) -> None:
    sql.cluster.answers += [[group(d0="b"), group(d0="a")], [{"timestamp": None, "result": {"a0": 4}}]]
    assert sql.rows("SELECT COUNT(*) FROM wiki WHERE page IN (SELECT page FROM other GROUP BY page)") == [[4]]
    assert set(sql.cluster.queries[1].filter.sorted_values) == {"a", "b"}


def test_an_empty_in_subquery_matches_nothing(sql: Any) -> None:
    sql.cluster.answers += [[], [{"timestamp": None, "result": {"a0": 0}}]]
    assert sql.rows("SELECT COUNT(*) FROM wiki WHERE page IN (SELECT page FROM other GROUP BY page)") == [[0]]
    assert type(sql.cluster.queries[1].filter).__name__ == "FalseDimFilter"


def test_a_scalar_subquery_becomes_its_value(sql: Any) -> None:
    sql.cluster.answers += [[{"timestamp": None, "result": {"a0": 7}}], []]
    list(sql.execute("SELECT page FROM wiki WHERE added > (SELECT MAX(added) FROM wiki)").rows)
    assert sql.cluster.queries[1].filter.lower == 7


def test_subqueries_are_bounded(sql: Any) -> None:
    sql.cluster.answers.append([{"segmentId": "s", "columns": ["page"], "events": [["a"], ["b"], ["c"]]}])
    with pytest.raises(QueryException, match=r"beyond maximum\[2\] rows"):
        list(sql.execute("SELECT page FROM (SELECT page FROM wiki LIMIT 5) ORDER BY page", maxSubqueryRows=2).rows)


def test_union_all_is_read_one_after_the_other(sql: Any) -> None:
    sql.cluster.answers += [[{"timestamp": None, "result": {"a0": 1}}], [{"timestamp": None, "result": {"a0": 2}}]]
    assert sql.rows("SELECT 'a' AS src, COUNT(*) FROM wiki UNION ALL SELECT 'b', COUNT(*) FROM other") == [
        ["a", 1],
        ["b", 2],
    ]


def test_expressions_over_several_distinct_counts_are_computed_by_the_engine(sql: Any) -> None:
    sql.cluster.answers += [[group(d0="a", a0=3)], [group(d0="a", a0=10)], []]
    statement = "SELECT page, SUM(added) / COUNT(DISTINCT user) FROM wiki GROUP BY page"
    list(sql.execute(statement, useApproximateCountDistinct=False).rows)
    assert sql.cluster.queries[2].data_source.rows == (("a", 10, 3),)


def test_an_estimate_of_a_plain_column_is_exact(sql: Any) -> None:
    assert sql.explain("SELECT APPROX_COUNT_DISTINCT(user) FROM wiki") == sql.explain(
        "SELECT COUNT(DISTINCT user) FROM wiki"
    )
    (aggregator,) = sql.native("SELECT APPROX_COUNT_DISTINCT(sketch) FROM wiki")["aggregations"]
    assert aggregator["type"] == "hyperUnique"


def test_the_timeout_counts_for_all_native_queries_together(sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = type(sql)()  # its clock goes on
    clock = sql.engine._clock
    execute = sql.cluster.execute

    def slow(query: Any, identity: Any) -> Any:
        clock.advance(0.6)
        return execute(query, identity)

    monkeypatch.setattr(sql.cluster, "execute", slow)
    sql.cluster.answers += [[group(d0="a", a0=3)], [group(d0="a", a0=10)], []]
    statement = "SELECT page, COUNT(DISTINCT user), COUNT(DISTINCT score), SUM(added) FROM wiki GROUP BY page"
    with pytest.raises(QueryException) as raised:
        list(sql.execute(statement, timeout=1000, useApproximateCountDistinct=False).rows)
    assert raised.value.error == "Query timeout"
    assert [query.context["timeout"] for query in sql.cluster.queries] == [1000, 400]


def test_an_in_subquery_of_another_type_is_refused(sql: Any) -> None:
    with pytest.raises(Exception, match="must have compatible types"):
        sql.execute("SELECT 1 FROM wiki WHERE added IN (SELECT page FROM other)")


def test_aggregates_of_a_nested_query_are_finished_before_they_are_aggregated_again(sql: Any) -> None:
    sql.cluster.answers.append([{"event": {"a0": 3.0}}])
    sql.rows("SELECT SUM(c) FROM (SELECT page, APPROX_COUNT_DISTINCT(user) AS c FROM wiki GROUP BY page)")
    assert sql.cluster.queries[0].data_source.query.context["finalize"] is True
