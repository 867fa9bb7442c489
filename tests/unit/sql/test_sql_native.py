"""Which native query a statement becomes, by Druid's rules."""

from __future__ import annotations

from typing import Any

import pytest

ETERNITY = "-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT COUNT(*) FROM wiki", "timeseries"),
        ("SELECT FLOOR(__time TO DAY), COUNT(*) FROM wiki GROUP BY 1", "timeseries"),
        ("SELECT TIME_FLOOR(__time, 'PT6H'), COUNT(*) FROM wiki GROUP BY 1 ORDER BY 1 DESC LIMIT 3", "timeseries"),
        ("SELECT FLOOR(__time TO DAY), COUNT(*) FROM wiki GROUP BY 1 ORDER BY 2", "groupBy"),
        ("SELECT FLOOR(__time TO DAY), COUNT(*) FROM wiki GROUP BY 1 HAVING COUNT(*) > 1", "groupBy"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC LIMIT 5", "topN"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c LIMIT 5", "topN"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY page LIMIT 5", "topN"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC", "groupBy"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC, page LIMIT 5", "groupBy"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC LIMIT 5 OFFSET 5", "groupBy"),
        ("SELECT page, COUNT(*) AS c FROM wiki GROUP BY page HAVING COUNT(*) > 1 ORDER BY c DESC LIMIT 5", "groupBy"),
        ("SELECT page, user, COUNT(*) FROM wiki GROUP BY 1, 2", "groupBy"),
        ("SELECT DISTINCT page FROM wiki", "groupBy"),
        ("SELECT page FROM wiki", "scan"),
        ("SELECT page FROM wiki ORDER BY __time DESC LIMIT 3", "scan"),
        ("SELECT UPPER(page) FROM wiki WHERE added > 3", "scan"),
    ],
)
def test_the_choice_of_the_query_type(sql: Any, statement: str, kind: str) -> None:
    assert sql.native(statement)["queryType"] == kind


def test_top_n_can_be_turned_off(sql: Any) -> None:
    statement = "SELECT page, COUNT(*) AS c FROM wiki GROUP BY page ORDER BY c DESC LIMIT 5"
    assert sql.native(statement, useApproximateTopN=False)["queryType"] == "groupBy"


def test_a_whole_group_by(sql: Any) -> None:
    query = sql.native(
        "SELECT UPPER(page) AS p, SUM(added) AS s, AVG(delta) AS a, COUNT(user) FILTER (WHERE added > 1) AS n "
        "FROM wiki WHERE user = 'bob' GROUP BY 1 HAVING SUM(added) BETWEEN 1 AND 5 ORDER BY s DESC, p LIMIT 7 OFFSET 2"
    )
    assert query == {
        "queryType": "groupBy",
        "dataSource": {"type": "table", "name": "wiki"},
        "intervals": {"type": "intervals", "intervals": [ETERNITY]},
        "virtualColumns": [{"type": "expression", "name": "v0", "expression": 'upper("page")', "outputType": "STRING"}],
        "filter": {"type": "equals", "column": "user", "matchValueType": "STRING", "matchValue": "bob"},
        "granularity": {"type": "all"},
        "dimensions": [{"type": "default", "dimension": "v0", "outputName": "d0", "outputType": "STRING"}],
        "aggregations": [
            {"type": "longSum", "name": "a0", "fieldName": "added"},
            {"type": "doubleSum", "name": "a1:sum", "fieldName": "delta"},
            {
                "type": "filtered",
                "aggregator": {"type": "count", "name": "a1:count"},
                "filter": {"type": "not", "field": {"type": "null", "column": "delta"}},
                "name": "a1:count",
            },
            {
                "type": "filtered",
                "aggregator": {"type": "count", "name": "a2"},
                "filter": {
                    "type": "and",
                    "fields": [
                        {"type": "not", "field": {"type": "null", "column": "user"}},
                        {"type": "range", "column": "added", "matchValueType": "LONG", "lower": 1, "lowerOpen": True},
                    ],
                },
                "name": "a2",
            },
        ],
        "postAggregations": [
            {
                "type": "arithmetic",
                "name": "a1",
                "fn": "quotient",
                "fields": [
                    {"type": "fieldAccess", "name": "a1:sum", "fieldName": "a1:sum"},
                    {"type": "fieldAccess", "name": "a1:count", "fieldName": "a1:count"},
                ],
            }
        ],
        "having": {
            "type": "filter",
            "filter": {
                "type": "and",
                "fields": [{"type": "range", "column": "a0", "matchValueType": "LONG", "lower": 1, "upper": 5}],
            },
            "finalize": True,
        },
        "limitSpec": {
            "type": "default",
            "columns": [
                {"dimension": "a0", "direction": "descending", "dimensionOrder": {"type": "numeric"}},
                {"dimension": "d0", "direction": "ascending", "dimensionOrder": {"type": "lexicographic"}},
            ],
            "offset": 2,
            "limit": 7,
        },
    }


@pytest.mark.parametrize(
    ("condition", "intervals"),
    [
        ("__time >= '2024-01-01'", ["2024-01-01T00:00:00.000Z/146140482-04-24T15:36:27.903Z"]),
        ("__time > TIMESTAMP '2024-01-01'", ["2024-01-01T00:00:00.001Z/146140482-04-24T15:36:27.903Z"]),
        (
            "__time >= TIMESTAMP '2024-01-01 00:00:00' AND __time < TIMESTAMP '2024-02-01 00:00:00'",
            ["2024-01-01T00:00:00.000Z/2024-02-01T00:00:00.000Z"],
        ),
        ("TIME_IN_INTERVAL(__time, '2024-01-01/P1D')", ["2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z"]),
        (
            "__time < TIMESTAMP '2024-01-01' OR __time >= TIMESTAMP '2024-02-01'",
            [
                "-146136543-09-08T08:23:32.096Z/2024-01-01T00:00:00.000Z",
                "2024-02-01T00:00:00.000Z/146140482-04-24T15:36:27.903Z",
            ],
        ),
        (
            "NOT (__time >= TIMESTAMP '2024-01-01')",
            ["-146136543-09-08T08:23:32.096Z/2024-01-01T00:00:00.000Z"],
        ),
        (
            "__time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY",
            ["2023-12-31T00:00:00.000Z/146140482-04-24T15:36:27.903Z"],
        ),
        (
            "__time BETWEEN TIMESTAMP '2024-01-01' AND TIMESTAMP '2024-01-02'",
            ["2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.001Z"],
        ),
        (
            "TIME_SHIFT(TIMESTAMP '2024-03-01', 'P1M', -1) <= __time",
            ["2024-02-01T00:00:00.000Z/146140482-04-24T15:36:27.903Z"],
        ),
    ],
)
def test_conditions_on_time_become_intervals(sql: Any, condition: str, intervals: list[str]) -> None:
    query = sql.native(f"SELECT COUNT(*) FROM wiki WHERE {condition}")
    assert query["intervals"]["intervals"] == intervals
    assert "filter" not in query


def test_times_are_read_in_the_time_zone_of_the_query(sql: Any) -> None:
    query = sql.native("SELECT COUNT(*) FROM wiki WHERE __time >= '2024-01-01'", sqlTimeZone="Asia/Kolkata")
    assert query["intervals"]["intervals"][0].startswith("2023-12-31T18:30:00.000Z/")


def test_time_mixed_with_another_column_stays_a_filter(sql: Any) -> None:
    query = sql.native("SELECT COUNT(*) FROM wiki WHERE __time >= '2024-01-01' OR page = 'x'")
    assert query["intervals"]["intervals"] == [ETERNITY]
    assert query["filter"]["type"] == "or"


def test_contradicting_times_read_nothing(sql: Any) -> None:
    query = sql.native("SELECT COUNT(*) FROM wiki WHERE __time < '2024-01-01' AND __time > '2024-02-01'")
    assert query["filter"] == {"type": "false"}


PAGE = {"column": "page", "matchValueType": "STRING"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("page = 'x'", {"type": "equals", **PAGE, "matchValue": "x"}),
        ("'x' = page", {"type": "equals", **PAGE, "matchValue": "x"}),
        ("page <> 'x'", {"type": "not", "field": {"type": "equals", **PAGE, "matchValue": "x"}}),
        ("page IS NULL", {"type": "null", "column": "page"}),
        ("page IS NOT NULL", {"type": "not", "field": {"type": "null", "column": "page"}}),
        ("page IN ('b', 'a')", {"type": "inType", **PAGE, "sortedValues": ["a", "b"]}),
        ("page LIKE 'a!%%' ESCAPE '!'", {"type": "like", "dimension": "page", "pattern": "a!%%", "escape": "!"}),
        ("added > 5", {"type": "range", "column": "added", "matchValueType": "LONG", "lower": 5, "lowerOpen": True}),
        ("5 >= added", {"type": "range", "column": "added", "matchValueType": "LONG", "upper": 5}),
        ("added >= 5.5", {"type": "range", "column": "added", "matchValueType": "DOUBLE", "lower": 5.5}),
        (
            "(added > 5) IS NOT TRUE",
            {
                "type": "not",
                "field": {
                    "type": "istrue",
                    "field": {
                        "type": "range", "column": "added", "matchValueType": "LONG", "lower": 5, "lowerOpen": True
                    },
                },
            },
        ),
        ("added = delta", {"type": "expression", "expression": '("added" == "delta")'}),
        ("REGEXP_LIKE(page, '^a')", {"type": "expression", "expression": "regexp_like(\"page\",'^a')"}),
    ],
)  # fmt: skip
def test_conditions_become_typed_filters(sql: Any, condition: str, expected: dict[str, Any]) -> None:
    assert sql.native(f"SELECT COUNT(*) FROM wiki WHERE {condition}")["filter"] == expected


@pytest.mark.parametrize(
    ("expression", "native"),
    [
        ("page || '-' || user", 'concat("page",\'-\',"user")'),
        ("SUBSTRING(page, 2, 3)", 'substring("page", 1, 3)'),
        ("SUBSTRING(page FROM 2)", 'substring("page", 1, -1)'),
        ("POSITION('a' IN page)", "(strpos(\"page\",'a') + 1)"),
        ("TRIM(LEADING 'x' FROM page)", "ltrim(\"page\",'x')"),
        ("CAST(page AS BIGINT)", "CAST(\"page\", 'LONG')"),
        ("CAST(__time AS VARCHAR)", "timestamp_format(\"__time\",'yyyy-MM-dd HH:mm:ss','UTC')"),
        ("CAST(page AS TIMESTAMP)", "timestamp_parse(\"page\",null,'UTC')"),
        ("COALESCE(page, user, 'x')", 'coalesce("page","user",\'x\')'),
        ("NVL(page, 'x')", "nvl(\"page\",'x')"),
        ("NULLIF(page, 'x')", 'case_searched(("page" == \'x\'),null,"page")'),
        ("CASE WHEN added > 1 THEN 'a' ELSE 'b' END", "case_searched((\"added\" > 1),'a','b')"),
        ("MOD(added, 3)", '("added" % 3)'),
        ("-added", '(- "added")'),
        ("EXTRACT(HOUR FROM __time)", "timestamp_extract(\"__time\",'HOUR','UTC')"),
        ("FLOOR(__time TO QUARTER)", "timestamp_floor(\"__time\",'P3M',null,'UTC')"),
        ("CEIL(__time TO DAY)", "timestamp_ceil(\"__time\",'P1D',null,'UTC')"),
        ("TIME_SHIFT(__time, 'P1D', -1)", "timestamp_shift(\"__time\",'P1D',-1,'UTC')"),
        ("__time + INTERVAL '1' DAY", '("__time" + 86400000)'),
        ("__time - INTERVAL '1' MONTH", "timestamp_shift(\"__time\",'P1M',-1,'UTC')"),
        ("TIMESTAMPADD(MONTH, 2, __time)", "timestamp_shift(\"__time\",'P1M',2,'UTC')"),
        ("TIMESTAMPDIFF(HOUR, __time, CURRENT_TIMESTAMP)", 'div((1704067200000 - "__time"), 3600000)'),
        ("page LIKE user", 'like("page","user")'),
        ("U&'\\00e9' || page", "concat('\\u00e9',\"page\")"),
        ("tags[1]", 'array_offset("tags",1)'),
    ],
)
def test_expressions_in_druids_language(sql: Any, expression: str, native: str) -> None:
    query = sql.native(f"SELECT {expression} FROM wiki")
    assert [column["expression"] for column in query["virtualColumns"]] == [native]


def test_a_projection_over_a_subquery_is_one_query(sql: Any) -> None:
    query = sql.native(
        "SELECT p, COUNT(*) FROM (SELECT UPPER(page) AS p, added FROM wiki WHERE added > 1) WHERE p > 'a' GROUP BY p"
    )
    assert query["queryType"] == "groupBy"
    assert query["dataSource"] == {"type": "table", "name": "wiki"}
    assert len(query["filter"]["fields"]) == 2


def test_an_aggregation_over_an_aggregation_is_nested(sql: Any) -> None:
    query = sql.native("SELECT AVG(c) FROM (SELECT page, COUNT(*) AS c FROM wiki GROUP BY page)")
    assert query["queryType"] == "groupBy"  # which reads a groupBy without holding its rows
    assert query["dataSource"]["type"] == "query"
    assert query["dataSource"]["query"]["queryType"] == "groupBy"


def test_a_union_of_tables_is_a_union_data_source(sql: Any) -> None:
    query = sql.native("SELECT page, COUNT(*) FROM (SELECT page FROM wiki UNION ALL SELECT page FROM other) GROUP BY 1")
    assert query["dataSource"]["type"] == "union"
    assert query["queryType"] == "groupBy"


def test_what_runs_natively_says_whose_query_it_is(sql: Any) -> None:
    list(sql.execute("SELECT COUNT(*) FROM wiki", sqlQueryId="me", priority=3).rows)
    (query,) = sql.cluster.queries
    assert query.context["sqlQueryId"] == "me"
    assert query.context["queryId"] == "me"
    assert query.context["priority"] == 3
