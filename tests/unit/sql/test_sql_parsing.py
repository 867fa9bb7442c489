"""Statements to syntax trees: what sqlglot takes too easily, and what it alters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.sql.dialect import parse


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("", "Received an unexpected token [<EOF>]"),
        ("   ", "Received an unexpected token [<EOF>]"),
        ("-- nothing", "Received an unexpected token [<EOF>]"),
        ("SELECT", "the SELECT list is empty"),
        ("SELECT FROM t", "the SELECT list is empty"),
        ("SELECT a, FROM t", "Received an unexpected token [FROM]"),
        ("SELECT a FROM t GROUP BY", "the GROUP BY list is empty"),
        ("SELECT a FROM t WHERE a IN ()", "the list of IN is empty"),
        ("SELECT a::int FROM t", "Received an unexpected token [::]"),
        ("SELECT a == 1 FROM t", "Received an unexpected token [==]"),
        ("SELECT 0x10", "Received an unexpected token [x10]"),
        ("SELECT (1", "Received an unexpected token [<EOF>] (line [1], column [9])"),
        ("SELECT 1;", "Received an unexpected token [;] (line [1], column [9])"),
        ("SELECT 1; SELECT 2", "Received an unexpected token [;]"),
        ("SELECT 1 2", "Received an unexpected token [2]"),
        ("SELECT * FORM t", "Received an unexpected token [t] (line [1], column [15])"),
        ("SELECT a % 3 FROM t", "Percent remainder '%' is not allowed"),
        ("SELECT 'open", "Lexical error"),
        ("EXPLAIN SELECT 1", "Incorrect syntax near the keyword 'EXPLAIN'"),
        ("EXPLAIN PLAN FOR", "Received an unexpected token [<EOF>]"),
        ("SHOW TABLES", "Incorrect syntax near the keyword 'SHOW'"),
        ("CALL f()", "Incorrect syntax near the keyword 'CALL'"),
        ("DELETE FROM t", "Unsupported SQL statement [DELETE]"),
        ("INSERT INTO t SELECT 1", "INSERT operations are not supported by the requested SQL engine [native]"),
        ("REPLACE INTO t OVERWRITE ALL SELECT 1 PARTITIONED BY DAY", "REPLACE operations are not supported"),
    ],
)
def test_what_is_no_query_is_refused(statement: str, message: str) -> None:
    with pytest.raises(DruidException) as raised:
        parse(statement)
    assert message in raised.value.message
    assert raised.value.category == "INVALID_INPUT"
    assert raised.value.context["sourceType"] == "sql"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * EXCEPT(a) FROM t",
        "SELECT * REPLACE (1 AS a) FROM t",
        "SELECT DISTINCT ON (a) b FROM t",
        "SELECT a FROM t TABLESAMPLE (10)",
        "SELECT a FROM t PIVOT(SUM(b) FOR c IN ('x'))",
        "SELECT a FROM t LIMIT 10 PERCENT",
        "SELECT a FROM t LIMIT 2 BY a",
        "SELECT a FROM t FETCH FIRST 10 ROWS WITH TIES",
        "SELECT a FROM t UNION ALL BY NAME SELECT a FROM u",
    ],
)
def test_clauses_that_nobody_reads_are_refused(statement: str) -> None:
    with pytest.raises(DruidException) as raised:
        parse(statement)
    assert raised.value.category == "UNSUPPORTED"


def test_the_place_of_a_syntax_error_counts_lines() -> None:
    with pytest.raises(DruidException) as raised:
        parse("SELECT a\nFROM t\nWHERE x ==== 3")
    assert raised.value.context["line"] == "3"


def test_explain_is_noted_and_places_stay() -> None:
    statement = parse("EXPLAIN  PLAN\nFOR SELECT foo FROM t")
    assert statement.explain
    span = statement.span(statement.tree.expressions[0])
    assert span is not None
    assert (span.line, span.column, span.end_column) == (2, 12, 14)


@pytest.mark.parametrize(
    "call",
    [
        "TIMESTAMPDIFF(HOUR,a,b)", "LEFT(a,2)", "STRPOS(a,b)", "DATE_TRUNC('day',t)", "LOG10(a)", "CHAR_LENGTH(a)",
        "LENGTH(a)", "NVL(a,b)", "SAFE_DIVIDE(a,b)", "ARRAY_CONCAT(a,b)", "STRING_AGG(a,b)", "POWER(a,b)",
    ],
)  # fmt: skip
def test_calls_keep_their_name_and_arguments(call: str) -> None:
    node = parse(f"SELECT {call} FROM t").tree.expressions[0]
    name, _, arguments = call.rstrip(")").partition("(")
    assert type(node).__name__ == "Anonymous"
    assert node.name == name
    assert [argument.sql() for argument in node.expressions] == arguments.split(",")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_string_literals_keep_every_character(text: str) -> None:
    quoted = text.replace("'", "''")
    node = parse(f"SELECT '{quoted}' AS x FROM t").tree.expressions[0].this
    assert node.this == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_quoted_identifiers_keep_every_character(name: str) -> None:
    quoted = name.replace('"', '""')
    assert parse(f'SELECT "{quoted}" FROM t').tree.expressions[0].name == name


def test_the_parser_is_not_imported_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = "import nemeton.sql.engine, nemeton.sql.web.resource, sys; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
