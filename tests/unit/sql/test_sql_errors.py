"""Statements that are wrong: what Druid says, and where."""

from __future__ import annotations

from typing import Any

import pytest

from nemeton.common.errors import DruidException


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT nope FROM wiki", "Column 'nope' not found in any table (line [1], column [8])"),
        ("SELECT w.nope FROM wiki w", "Column 'nope' not found in table 'w' (line [1], column [10])"),
        ("SELECT x.page FROM wiki w", "Table 'x' not found (line [1], column [10])"),
        ("SELECT PAGE FROM wiki", "Column 'PAGE' not found in any table; did you mean 'page'? (line [1], column [8])"),
        ("SELECT 1 FROM nope", "Object 'nope' not found (line [1], column [15])"),
        ("SELECT 1 FROM sys.nope", "Object 'nope' not found within 'sys' (line [1], column [15])"),
        ("SELECT 1 FROM nope.t", "Object 'nope' not found (line [1], column [15])"),
        ("SELECT NOPE(added) FROM wiki", "No match found for function signature NOPE(<NUMERIC>) (line [1]"),
        ("SELECT UPPER() FROM wiki", "No match found for function signature UPPER()"),
        ("SELECT UPPER(tags) FROM wiki", "Cannot apply 'UPPER' to arguments of type 'UPPER(<ARRAY>)'"),
        ("SELECT SUM() FROM wiki", "No match found for function signature SUM()"),
        ("SELECT SUM(*) FROM wiki", "Unknown identifier '*' in SUM"),
        ("SELECT SUM(COUNT(*)) FROM wiki", "Aggregate expressions cannot be nested"),
        ("SELECT page, added FROM wiki GROUP BY page", "Expression 'added' is not being grouped (line [1]"),
        ("SELECT page FROM wiki GROUP BY 2", "Ordinal out of range (line [1], column [32])"),
        ("SELECT COUNT(*) FROM wiki GROUP BY 1", "Aggregate expression is illegal in GROUP BY clause"),
        ("SELECT page FROM wiki WHERE COUNT(*) > 1", "Aggregate expression is illegal in WHERE clause"),
        ("SELECT page FROM wiki WHERE added", "WHERE clause must be a condition (line [1], column [29])"),
        ("SELECT page FROM wiki WHERE page AND added > 1", "Cannot apply 'AND' to arguments of type"),
        ("SELECT page FROM wiki WHERE tags > 1", "Cannot apply '>' to arguments of type '<ARRAY> > <INTEGER>'"),
        ("SELECT page FROM wiki ORDER BY nope", "Column 'nope' not found in any table"),
        ("SELECT TIMESTAMP 'nope'", "Illegal TIMESTAMP literal 'nope': not in format 'yyyy-MM-dd HH:mm:ss'"),
        ("SELECT INTERVAL 'x' DAY", "Illegal interval literal format 'x'"),
        ("SELECT EXTRACT(NOPE FROM __time) FROM wiki", "'NOPE' is not a valid time frame (line [1], column [16])"),
        ("SELECT FLOOR(__time TO NOPE) FROM wiki", "'NOPE' is not a valid time frame (line [1], column [24])"),
        ("SELECT GROUPING(added) FROM wiki GROUP BY page", "Argument to GROUPING operator must be a grouped"),
        ("SELECT page FROM wiki UNION ALL SELECT page, page FROM wiki", "Column count mismatch in UNION ALL"),
        ("SELECT * FROM (VALUES (1, 2), (3))", "the same number of columns"),
        ("SELECT *", "SELECT * requires a FROM clause"),
        ("SELECT ?", "Illegal use of dynamic parameter (line [1], column [8])"),
        ("SELECT page FROM wiki WHERE added = ?", "No value bound for parameter (position [1])"),
        ("SELECT CAST(page AS NOPE) FROM wiki", "Unknown datatype name"),
        ("SELECT page FROM wiki LIMIT 1.5", "LIMIT takes a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(sql: Any, statement: str, message: str) -> None:
    with pytest.raises(DruidException) as raised:
        sql.execute(statement)
    assert message in raised.value.message
    assert (raised.value.persona, raised.value.category) == ("USER", "INVALID_INPUT")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM wiki a JOIN other b ON a.page = b.page",
        "SELECT 1 FROM wiki, other",
        "SELECT 1 FROM wiki LEFT JOIN UNNEST(ARRAY[1]) AS u(t) ON TRUE",
        "SELECT COUNT(*) OVER () FROM wiki",
        "SELECT ARRAY_AGG(page) FROM wiki",
        "SELECT 1 FROM (SELECT page FROM wiki LIMIT 2), UNNEST(ARRAY[1]) AS u(t)",
        "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a",
        "SELECT page FROM wiki GROUP BY sketch, page",
    ],
)
def test_what_this_version_cannot_do_is_said_so(sql: Any, statement: str) -> None:
    with pytest.raises(DruidException) as raised:
        list(sql.execute(statement).rows)
    assert raised.value.category == "UNSUPPORTED"
    assert "not supported in this version" in raised.value.message


def test_ordering_a_table_by_other_columns_is_refused_as_by_druid(sql: Any) -> None:
    with pytest.raises(DruidException) as raised:
        sql.execute("SELECT page, added FROM wiki ORDER BY added DESC, page LIMIT 3")
    assert raised.value.message == (
        "Query could not be planned. A possible reason is [SQL query requires ordering a table by non-time column "
        "[[added, page]], which is not supported.]"
    )
    assert raised.value.error_code == "general"


def test_the_end_of_a_call_is_its_parenthesis(sql: Any) -> None:
    with pytest.raises(DruidException) as raised:
        sql.execute("SELECT NOPE(UPPER(page), (1 + 2)) FROM wiki")
    assert raised.value.context["endColumn"] == "33"
