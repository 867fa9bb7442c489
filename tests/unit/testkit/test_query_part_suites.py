"""Core's own filters and query types keep the promises of their suites, and so does a function; broken ones do not."""

from __future__ import annotations

import pytest
from attrs import frozen

from nemeton.query.authoring import NumericFunction, PredicateFilter, TextFunction
from nemeton.query.filters.ranges import BoundDimFilter
from nemeton.spi.query import DimFilter, Query
from nemeton.testkit.isolation import load_isolated
from nemeton.testkit.suites.aggregator import sample_columns
from nemeton.testkit.suites.expression_function import ExpressionFunctionSuite
from nemeton.testkit.suites.filter import FilterSuite
from nemeton.testkit.suites.query_type import QueryTypeSuite


def structured(value, base):
    return load_isolated(core=("nemeton.query.extension",)).json.structure(value, base)


STRING = {"dimension": "string"}
FILTERS = {
    "selector": ({"type": "selector", **STRING, "value": "a"}, lambda r: of(r, "string", lambda v: v == "a")),
    "null": ({"type": "null", "column": "string"}, lambda r: r["string"] is None),
    "in": ({"type": "in", **STRING, "values": ["a", "cc"]}, lambda r: of(r, "string", lambda v: v in ("a", "cc"))),
    "like": ({"type": "like", **STRING, "pattern": "d%"}, lambda r: of(r, "string", lambda v: v[:1] == "d")),
    "regex": ({"type": "regex", **STRING, "pattern": "c+"}, lambda r: of(r, "string", lambda v: "c" in v)),
    "bound": (
        {"type": "bound", "dimension": "long", "lower": "0", "ordering": "numeric"},
        lambda r: of(r, "long", lambda v: v >= 0),
    ),
    "range": (
        {"type": "range", "column": "double", "matchValueType": "DOUBLE", "upper": 0.5, "upperOpen": True},
        lambda r: of(r, "double", lambda v: v < 0.5),
    ),
    "equals": (
        {"type": "equals", "column": "string", "matchValueType": "STRING", "matchValue": "b"},
        lambda r: of(r, "string", lambda v: v == "b"),
    ),
    "expression": ({"type": "expression", "expression": "long > 100"}, lambda r: of(r, "long", lambda v: v > 100)),
    "not": (
        {"type": "not", "field": {"type": "selector", **STRING, "value": "a"}},
        lambda r: of(r, "string", lambda v: v != "a"),
    ),
}


def of(row, name, holds):
    return None if row[name] is None else bool(holds(row[name]))


@pytest.mark.parametrize("name", FILTERS)
class TestFilters(FilterSuite):
    @pytest.fixture
    def condition(self, name):
        return structured(FILTERS[name][0], DimFilter)

    @pytest.fixture(autouse=True)
    def _rule(self, name):
        self.expected = FILTERS[name][1]

    @pytest.fixture
    def columns(self):
        columns = sample_columns()
        kind, values = columns["string"]
        return {**columns, "string": (kind, [value or None for value in values])}

    def test_a_column_that_is_not_there(self, condition, columns):
        if not isinstance(condition, BoundDimFilter):
            super().test_a_column_that_is_not_there(condition, columns)
            return
        # To Druid it is a text that comes before all others, and that is known.
        whole = {"__time": columns["__time"]}
        assert not any(self.found(condition, whole, False))
        assert not any(self.found(condition, whole, True))


class Mean(NumericFunction):
    arguments = (2, 2)

    def compute(self, one, other):
        return (one + other) / 2


class Glue(TextFunction):
    arguments = (1, None)

    def compute(self, *texts):
        return "-".join(texts)


class TestNumericFunction(ExpressionFunctionSuite):
    @pytest.fixture
    def function(self):
        return Mean()

    @pytest.fixture
    def names(self):
        return ["long", "double"]

    def expected(self, one, other):
        return None if one is None or other is None else (one + other) / 2


class TestTextFunction(ExpressionFunctionSuite):
    @pytest.fixture
    def function(self):
        return Glue()

    @pytest.fixture
    def names(self):
        return ["string", "long"]

    def expected(self, one, other):
        return None if one is None or other is None else f"{one}-{other}"


WHOLE = {"dataSource": "x", "intervals": ["1970-01-01/1970-02-01"], "granularity": "all"}
TOTAL = [{"type": "longSum", "name": "n", "fieldName": "long"}]


def total(rows):
    return sum(row["long"] or 0 for row in rows)


class TestTimeseries(QueryTypeSuite):
    @pytest.fixture
    def query(self):
        return structured({**WHOLE, "queryType": "timeseries", "granularity": "day", "aggregations": TOTAL}, Query)

    def expected(self, rows):
        return [{"timestamp": "1970-01-01T00:00:00.000Z", "result": {"n": total(rows)}}] if rows else []


class TestGroupBy(QueryTypeSuite):
    ordered = False

    @pytest.fixture
    def query(self):
        return structured({**WHOLE, "queryType": "groupBy", "dimensions": ["string"], "aggregations": TOTAL}, Query)

    def expected(self, rows):
        groups = {row["string"] for row in rows}
        events = [{"string": text, "n": total(row for row in rows if row["string"] == text)} for text in groups]
        return [{"version": "v1", "timestamp": "1970-01-01T00:00:00.000Z", "event": event} for event in events]


class TestTimeBoundary(QueryTypeSuite):
    @pytest.fixture
    def query(self):
        return structured({"queryType": "timeBoundary", "dataSource": "x", "bound": "maxTime"}, Query)

    def test_it_asks_whether_to_go_on(self):
        """Two times are read, which takes no time."""

    def expected(self, rows):
        if not rows:
            return []
        seconds, millis = divmod(rows[-1]["__time"], 1000)
        time = f"1970-01-01T00:{seconds // 60:02}:{seconds % 60:02}.{millis:03}Z"
        return [{"timestamp": time, "result": {"maxTime": time}}]


def test_a_filter_that_takes_unknown_for_false_is_caught():
    @frozen
    class Careless(PredicateFilter):
        dimension: str

        null_matches = False

        def match_strings(self, values):
            return [value == "a" for value in values]

    class Promises(FilterSuite):
        def expected(self, row):
            return None if row["string"] is None else row["string"] == "a"

    with pytest.raises(AssertionError):
        Promises().test_its_negation_is_true_where_the_condition_does_not_hold(Careless("string"), sample_columns())


@pytest.mark.parametrize("suite", [FilterSuite, ExpressionFunctionSuite, QueryTypeSuite])
def test_every_suite_says_what_to_override(suite):
    with pytest.raises(NotImplementedError, match="override `expected`"):
        suite().expected({})
