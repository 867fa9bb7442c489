"""Random native queries over the golden data sources, answered by a real Druid and by the engine, and compared.

usage: python -m tests.conformance.random_queries http://BROKER [--count N] [--seed S] [--only TYPE]

The Druid holds `mixed`, made by the golden specs, and the golden lookups. Each difference is printed with its query; a
query comes again from its seed. Errors count as equal when both sides refuse.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from tests.conformance.golden_engine import Cluster, check, golden_cluster
from tests.conformance.record_queries import ask

Json = dict[str, Any]

STRINGS = ("id", "low", "sn", "uni", "slong", "mv", "mvn", "nums", "bools", "autos", "ip", "tstr")
LONGS = ("seq", "l", "lx", "bool", "autol", "t2")
DOUBLES = ("f", "d", "dx", "autod")
ARRAYS = {"as": "STRING", "al": "LONG", "ad": "DOUBLE"}
VALUES = ("alpha", "beta", "v1", "", "blue", "été", "10", "3", "007", "true", "w", "zzz", "gamma", None, "red", "nope")
GRANULARITIES: tuple[Any, ...] = (
    "all",
    "none",
    "day",
    "hour",
    "week",
    "month",
    {"type": "period", "period": "P2D"},
    {"type": "period", "period": "PT6H", "timeZone": "America/Los_Angeles"},
    {"type": "duration", "duration": 7_200_000},
)
INTERVALS = ("2024-02-01/2024-04-01", "2024-02-28/2024-03-03", "2024-02-26T10:00/2024-02-26T20:00", "2020/2021")


class Generator:
    """Makes queries from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def column(self) -> str:
        return self.one(*STRINGS, *LONGS, *DOUBLES, *ARRAYS, "__time", "missing", "v0")

    # ---- parts

    def number(self) -> float:
        return self.one(0, 1, -5, 7, 322, 2.5, -33.75, 0.2, 2147483647)

    def filter(self, depth: int = 0) -> Json:
        if depth < 2 and self.maybe(0.3):
            kind = self.one("and", "or", "not")
            if kind == "not":
                return {"type": "not", "field": self.filter(depth + 1)}
            return {"type": kind, "fields": [self.filter(depth + 1) for _ in range(self.one(1, 2, 3))]}
        return getattr(self, f"_filter_{self.one(*FILTERS)}")()

    def _filter_selector(self) -> Json:
        return {"type": "selector", "dimension": self.column(), "value": self.one(*VALUES), **self.extraction(0.2)}

    def _filter_in(self) -> Json:
        return {"type": "in", "dimension": self.column(), "values": self.random.sample(VALUES, self.one(1, 3))}

    def _filter_bound(self) -> Json:
        numeric = self.maybe(0.5)
        bounds: Json = {
            "type": "bound",
            "dimension": self.column(),
            "ordering": self.one("lexicographic", "alphanumeric"),
        }
        if numeric:
            bounds["ordering"] = "numeric"
        for end in ("lower", "upper"):
            if self.maybe(0.7):
                bounds[end] = str(self.number()) if numeric else self.one("a", "b", "gamma", "", "5", "é")
                bounds[f"{end}Strict"] = self.maybe(0.5)
        return bounds if "lower" in bounds or "upper" in bounds else {**bounds, "lower": "1"}

    def _filter_range(self) -> Json:
        kind = self.one("STRING", "LONG", "DOUBLE")
        bounds: Json = {"type": "range", "column": self.column(), "matchValueType": kind}
        for end in ("lower", "upper"):
            if self.maybe(0.7):
                bounds[end] = self.one("a", "gamma", "5") if kind == "STRING" else self.number()
                bounds[f"{end}Open"] = self.maybe(0.5)
        return bounds if "lower" in bounds or "upper" in bounds else {**bounds, "lower": 1}

    def _filter_equals(self) -> Json:
        kind = self.one("STRING", "LONG", "DOUBLE", "ARRAY<LONG>", "ARRAY<STRING>")
        value = {
            "STRING": self.one("alpha", "v1", "", "10", "blue"),
            "ARRAY<LONG>": self.one([1], [-5, -4], []),
            "ARRAY<STRING>": self.one(["red", ""], ["a"], [None]),
        }.get(kind, self.number())
        return {"type": "equals", "column": self.column(), "matchValueType": kind, "matchValue": value}

    def _filter_null(self) -> Json:
        return {"type": "null", "column": self.column()}

    def _filter_like(self) -> Json:
        pattern = self.one("a%", "%a", "%e%", "_lpha", "v_", "", "%", "1%")
        return {"type": "like", "dimension": self.column(), "pattern": pattern, **self.extraction(0.1)}

    def _filter_regex(self) -> Json:
        return {"type": "regex", "dimension": self.column(), "pattern": self.one("^a", "a$", "[0-9]+", "", "é")}

    def _filter_search(self) -> Json:
        query = self.one(
            {"type": "contains", "value": "A", "caseSensitive": True},
            {"type": "insensitive_contains", "value": "A"},
            {"type": "fragment", "values": ["a", "l"]},
        )
        return {"type": "search", "dimension": self.column(), "query": query}

    def _filter_interval(self) -> Json:
        return {"type": "interval", "dimension": self.one("__time", "t2"), "intervals": [self.one(*INTERVALS)]}

    def _filter_expression(self) -> Json:
        return {"type": "expression", "expression": self.expression()}

    def _filter_columnComparison(self) -> Json:
        return {"type": "columnComparison", "dimensions": [self.one(*STRINGS, *LONGS), self.one(*STRINGS, *LONGS)]}

    def _filter_arrayContainsElement(self) -> Json:
        name = self.one(*ARRAYS)
        value = self.one("red", "", None) if ARRAYS[name] == "STRING" else self.one(1, 3, -5, 2.5)
        kind = ARRAYS[name]
        return {
            "type": "arrayContainsElement",
            "column": name,
            "elementMatchValueType": kind,
            "elementMatchValue": value,
        }

    def expression(self) -> str:
        return self.one(
            "l + 1",
            "d * 2 - f",
            "concat(low, '-', sn)",
            "upper(low)",
            "l > 5",
            "l / 3",
            "if(l > 0, 'pos', 'neg')",
            "case_searched(low == 'alpha', 1, sn == 'v1', 2, 3)",
            "nvl(sn, 'none')",
            "strlen(uni)",
            "substring(uni, 1, 2)",
            "timestamp_floor(__time, 'PT1H')",
            "timestamp_extract(__time, 'DAY')",
            "cast(nums, 'LONG')",
            "cast(d, 'LONG')",
            "l % 7",
            "isnull(l)",
            "low == 'alpha' && l > 0",
            "low == 'alpha' || l > 0",
            "!(l > 0)",
            "mv == 'blue'",
            "array_length(al)",
            "array_contains(as, 'red')",
            "mv_length(mv)",
            "round(d, 1)",
            "abs(f)",
            "max(l, seq)",
            "greatest(l, seq)",
            "regexp_extract(ip, '^([0-9]+)', 1)",
            "lookup(low, 'low_code')",
            "json_value(nest, '$.a.b', 'LONG')",
            "json_value(nest, '$.a.c')",
            "bitwiseAnd(l, 3)",
            "safe_divide(l, bool)",
        )

    def extraction(self, chance: float) -> Json:
        if not self.maybe(chance):
            return {}
        function = self.one(
            {"type": "upper"},
            {"type": "substring", "index": 1, "length": 2},
            {"type": "strlen"},
            {"type": "regex", "expr": "(.)$", "replaceMissingValue": self.maybe(0.5)},
            {"type": "lookup", "lookup": {"type": "map", "map": {"alpha": "A", "v1": "V"}}, "retainMissingValue": True},
            {
                "type": "stringFormat",
                "format": "<%s>",
                "nullHandling": self.one("nullString", "emptyString", "returnNull"),
            },
            {"type": "cascade", "extractionFns": [{"type": "upper"}, {"type": "substring", "index": 0, "length": 3}]},
            {"type": "bucket", "size": 5, "offset": 1},
        )
        return {"extractionFn": function}

    def dimension(self, number: int) -> Any:
        column = self.column()
        if self.maybe(0.3):
            return column
        spec: Json = {"type": "default", "dimension": column, "outputName": f"d{number}"}
        roll = self.random.random()
        if roll < 0.25:
            spec["outputType"] = self.one("STRING", "LONG", "FLOAT", "DOUBLE")
        elif roll < 0.5 and column not in ARRAYS:
            function = self.extraction(1)
            if column == "__time":
                function = {
                    "extractionFn": {
                        "type": "timeFormat",
                        "format": self.one("EEEE", "yyyy-MM", "HH"),
                        "timeZone": "UTC",
                    }
                }
            spec = {"type": "extraction", "dimension": column, "outputName": f"d{number}", **function}
        elif roll < 0.6 and column not in ARRAYS:
            spec = {
                "type": "listFiltered",
                "delegate": spec,
                "values": ["blue", "été", "10", "3"],
                "isWhitelist": self.maybe(0.7),
            }
        return spec

    def aggregator(self, number: int, depth: int = 0) -> Json:
        kind = self.one(*AGGREGATORS)
        name = f"a{number}"
        if kind == "count":
            return {"type": "count", "name": name}
        if kind == "filtered":
            if depth:
                return {"type": "count", "name": name}
            return {
                "type": "filtered",
                "name": name,
                "filter": self.filter(1),
                "aggregator": self.aggregator(number, 1),
            }
        if kind == "cardinality":
            fields = [self.one(*STRINGS, *LONGS) for _ in range(self.one(1, 2))]
            return {"type": kind, "name": name, "fields": fields, "byRow": self.maybe(0.5), "round": True}
        if kind.startswith("string"):
            return {
                "type": kind,
                "name": name,
                "fieldName": self.one("low", "sn", "uni", "l", "v0"),
                "maxStringBytes": 64,
            }
        field = self.one(*LONGS, *DOUBLES, "nums", "missing", "v0")
        if self.maybe(0.1) and not kind.endswith(("First", "Last", "Any", "Mean")):
            return {"type": kind, "name": name, "expression": self.one("l + seq", "d * 2", "strlen(uni)")}
        return {"type": kind, "name": name, "fieldName": field}

    def post_aggregations(self, names: list[str]) -> list[Json]:
        if not names or not self.maybe(0.4):
            return []
        operands = [{"type": "finalizingFieldAccess", "fieldName": self.one(*names)}, {"type": "constant", "value": 2}]
        return [
            self.one(
                {
                    "type": "arithmetic",
                    "name": "p0",
                    "fn": self.one("+", "-", "*", "/", "quotient"),
                    "fields": operands,
                },
                {"type": "expression", "name": "p0", "expression": f"{names[0]} + 1"},
                {"type": self.one("doubleGreatest", "longLeast"), "name": "p0", "fields": operands},
            )
        ]

    def common(self) -> Json:
        query: Json = {"dataSource": "mixed", "intervals": self.random.sample(INTERVALS, self.one(1, 1, 1, 2))}
        query["virtualColumns"] = [{"type": "expression", "name": "v0", "expression": self.expression()}]
        if self.maybe(0.3):
            query["virtualColumns"][0]["outputType"] = self.one("STRING", "LONG", "DOUBLE")
        if self.maybe(0.6):
            query["filter"] = self.filter()
        return query

    def aggregate(self) -> tuple[Json, list[str]]:
        aggregations = [self.aggregator(i) for i in range(self.one(1, 2, 3))]
        names = [each["name"] for each in aggregations]
        posts = self.post_aggregations(names)
        parts = {"granularity": self.one(*GRANULARITIES), "aggregations": aggregations, "postAggregations": posts}
        return {**self.common(), **parts}, names

    # ---- queries

    def query(self, kind: str | None = None) -> Json:
        return getattr(self, kind or self.one("timeseries", "topN", "groupBy", "groupBy", "scan", "search"))()

    def timeseries(self) -> Json:
        query, _ = self.aggregate()
        context = {"skipEmptyBuckets": True} if self.maybe(0.4) else {}
        if self.maybe(0.2):
            context["grandTotal"] = True
        if query["granularity"] == "none":
            context["skipEmptyBuckets"] = True
        return {**query, "queryType": "timeseries", "descending": self.maybe(0.3), "context": context}

    def topN(self) -> Json:
        query, names = self.aggregate()
        metric = self.one(
            names[0],
            {"type": "dimension", "ordering": self.one("lexicographic", "numeric", "strlen", "alphanumeric")},
            {"type": "inverted", "metric": {"type": "dimension", "ordering": "lexicographic"}},
        )
        # all values, so that ties do not decide
        return {**query, "queryType": "topN", "dimension": self.dimension(0), "metric": metric, "threshold": 5000}

    def groupBy(self) -> Json:
        query, names = self.aggregate()
        dimensions = [self.dimension(i) for i in range(self.one(0, 1, 1, 2, 3))]
        outputs = [
            each if isinstance(each, str) else (each.get("delegate") or each)["outputName"] for each in dimensions
        ]
        if len(set(outputs)) < len(outputs):
            dimensions, outputs = dimensions[:1], outputs[:1]
        query.update(queryType="groupBy", dimensions=dimensions)
        if outputs and self.maybe(0.3):
            # by all dimensions, so that a limit is definite
            orders = [{"dimension": name, "direction": self.one("ascending", "descending")} for name in outputs]
            query["limitSpec"] = {
                "type": "default",
                "columns": orders,
                "limit": self.one(3, 10, 1000),
                "offset": self.one(0, 2),
            }
        if self.maybe(0.2):
            having = {"type": self.one("greaterThan", "lessThan", "equalTo"), "aggregation": names[0], "value": 10}
            query["having"] = having
        if len(outputs) > 1 and self.maybe(0.2) and "limitSpec" not in query:
            query["subtotalsSpec"] = [outputs[:1], outputs, []]
        return query

    def scan(self) -> Json:
        columns = self.random.sample([*STRINGS, *LONGS, *DOUBLES, *ARRAYS, "__time", "missing", "v0", "nest"], 4)
        query = {**self.common(), "queryType": "scan", "columns": columns}
        query["resultFormat"] = self.one("list", "compactedList")
        return query

    def search(self) -> Json:
        text = {"type": "insensitive_contains", "value": self.one("a", "1", "é")}
        query = {
            **self.common(),
            "queryType": "search",
            "granularity": self.one("all", "day"),
            "query": text,
            "limit": 9000,
        }
        query["searchDimensions"] = self.random.sample([*STRINGS, "l", "d", "v0"], 3)
        return query


FILTERS = tuple(name.removeprefix("_filter_") for name in dir(Generator) if name.startswith("_filter_"))
AGGREGATORS = (
    "count",
    "filtered",
    "cardinality",
    *(
        f"{kind}{what}"
        for kind in ("long", "double", "float")
        for what in ("Sum", "Min", "Max", "First", "Last", "Any")
    ),
    "doubleMean",
    "stringFirst",
    "stringLast",
    "stringAny",
)
TIMEOUT_MS = 10_000
REFUSED = "Predicate does not support"  # filters on arrays that are answered here
#: Aggregates of values that have the same time, or any value, depend on the order in which segments are read.
INDEFINITE = ("First", "Last", "Any")


def compare(cluster: Cluster, base: str, query: Json) -> str | None:
    """What differs, or None."""
    status, expected = ask(base, {**query, "context": {**query.get("context", {}), "timeout": TIMEOUT_MS}})
    if status == 504:  # buckets without number
        return None
    for wire in (False, True):
        ours = {**query, "context": {**query.get("context", {}), "testWire": wire}}
        try:
            code, text = cluster.answer(ours)
        except Exception:  # noqa: BLE001 - whatever it is, it is a difference
            return (
                "failed: " + traceback.format_exc().splitlines()[-1] + " at " + traceback.format_exc().splitlines()[-3]
            )
        if status >= 400 or code >= 400:
            if code >= 400 and status < 400:
                return f"Druid answers, here {code}: {text[:300]}"
            if code < 400 and REFUSED not in json.dumps(expected):
                return f"here an answer, Druid {status}: {json.dumps(expected)[:300]}"
            continue
        record = {
            "status": 200,
            "request": query,
            "response": expected,
            "endpoint": "/druid/v2",
            "float_tolerance": 1e-6,
        }
        record["ordered"] = False
        why = check.compare(record, code, "application/json", {}, text)
        if why:
            return f"{'wire: ' if wire else ''}{why}"
    return None


def is_whole(base: str) -> bool:
    """Whether Druid has all segments; under load its Broker may lose sight of them for a while."""
    count = {"queryType": "timeseries", "dataSource": "mixed", "intervals": ["2000/3000"], "granularity": "all"}
    _, found = ask(base, {**count, "aggregations": [{"type": "count", "name": "rows"}]})
    return isinstance(found, list) and bool(found) and found[0]["result"]["rows"] == 2900


def too_long(*_: Any) -> NoReturn:
    """What the alarm does."""
    raise TimeoutError


def main() -> int:
    """Compare, print the differences, and say how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--wide", action="store_true", help="over what is made of tables; see random_sources")
    parser.add_argument("--indefinite", action="store_true", help="first, last and any aggregators as well")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    counts: Counter[str] = Counter()
    generator: type[Generator] = Generator
    if options.wide:
        from tests.conformance.random_sources import WideGenerator as generator  # noqa: N813 - it builds on this module
    with tempfile.TemporaryDirectory() as folder, golden_cluster(Path(folder)) as cluster:
        for seed in range(options.seed, options.seed + options.count):
            query = generator(seed).query(options.only)
            if not options.indefinite and any(f'{word}"' in json.dumps(query) for word in INDEFINITE):
                counts["left out"] += 1
                continue
            signal.alarm(60)  # whatever takes so long is a fault
            why = compare(cluster, options.base, query)
            signal.alarm(0)
            if why is not None and not is_whole(options.base):
                time.sleep(20)
                why = compare(cluster, options.base, query)
            counts["equal" if why is None else "different"] += 1
            if why is not None:
                print(f"--- seed {seed}\n{json.dumps(query)}\n    {why[:600]}", flush=True)
    print(dict(counts))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
