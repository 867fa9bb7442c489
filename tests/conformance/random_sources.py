"""Random queries over what is made of tables: joins, unnested arrays, filters, unions, inner queries, windows.

usage: python -m tests.conformance.random_queries http://BROKER --wide [--only KIND]
"""

from __future__ import annotations

from typing import Any

from tests.conformance.random_queries import ARRAYS, DOUBLES, LONGS, STRINGS, Generator

Json = dict[str, Any]

MULTI_VALUE = (
    "mv_filter_only(mv, array('blue','red',''))",
    "mv_filter_none(mv, array('blue'))",
    "mv_to_string(mv, ',')",
    "mv_offset(mv, 1)",
    "mv_ordinal_of(mv, 'red')",
    "mv_prepend('x', mvn)",
    "mv_append(mv, 'z')",
    "mv_concat(mv, mvn)",
    "mv_slice(mv, 0, 1)",
    "mv_contains(mv, 'blue')",
    "mv_contains(mv, array('blue','red'))",
    "mv_overlap(mv, array('blue','nope'))",
    "mv_harmonize_nulls(mv)",
    "string_to_mv(uni, 'a')",
    "array_to_mv(as)",
    "concat(mv, '-', low)",
    "upper(mv)",
    "strlen(mvn)",
    "map((x) -> concat(x, 'q'), mv)",
    "filter((x) -> x != 'red', mv)",
    "fold((x, acc) -> acc + 1, mv, 0)",
    "any((x) -> x == 'blue', mv)",
    "all((x) -> x > '1', mvn)",
    "cartesian_map((x, y) -> concat(x, y), mv, mvn)",
    "case_simple(mv, 'red', 1, 'blue', 2, 0)",
    "nvl(mv, 'none')",
    "isnull(mv)",
    "mvn + 1",
    "cast(mvn, 'LONG')",
    "if(mv == 'red', mvn, low)",
)
ARRAY_EXPRESSIONS = (
    "array_concat(al, array(1, null))",
    "array_append(as, low)",
    "array_slice(al, 0, 2)",
    "array_offset(ad, 0)",
    "array_ordinal(al, 1)",
    "array_offset_of(al, 3)",
    "array_to_string(as, '|')",
    "string_to_array(uni, 'a')",
    "array_overlap(al, array(1, 3, 5))",
    "array_contains(al, array(1))",
    "array_set_add(al, 7)",
    "array_set_add_all(al, al)",
    "array_length(mv_to_array(mv))",
    "mv_to_array(mv)",
    "map((x) -> x * 2, al)",
    "filter((x) -> x > 1, ad)",
    "fold((x, acc) -> x + acc, al, 0)",
    "scalar_in_array(low, array('alpha','beta'))",
    "array(l, seq)",
    "array(d, l)",
    "array(low, sn)",
    "cast(al, 'ARRAY<STRING>')",
    "cast(as, 'ARRAY<LONG>')",
)
NESTED = (
    "json_value(nest, '$.f', 'DOUBLE')",
    "json_value(nest, '$.n')",
    "json_value(nest, '$.n', 'STRING')",
    "json_query(nest, '$.arr')",
    "json_value(nest, '$.arr[0]', 'LONG')",
    "json_value(nest, '$.objs[0].k')",
    "json_keys(nest, '$.a')",
    "json_paths(nest)",
    "to_json_string(json_query(nest, '$.a'))",
    "json_value(json_object('x', l), '$.x', 'LONG')",
)
SCALARS = (
    "concat(low, l)",
    "d + f",
    "l - lx",
    "lx * 2",
    "dx / 3",
    "seq / 0",
    "d % 3",
    "l ^ 2",
    "-l",
    "pow(f, 2)",
    "sqrt(abs(d))",
    "floor(d)",
    "ceil(f)",
    "round(d)",
    "round(l, -1)",
    "like(low, '%a')",
    "regexp_like(sn, '^v')",
    "regexp_replace(low, 'a', 'o')",
    "contains_string(uni, 'a')",
    "icontains_string(uni, 'A')",
    "lpad(low, 8, '*')",
    "rpad(sn, 3, 'x')",
    "reverse(uni)",
    "repeat(sn, 2)",
    "strpos(low, 'a')",
    "trim(uni)",
    "left(low, 2)",
    "right(low, 2)",
    "format('%s-%d', low, l)",
    "parse_long(nums)",
    "parse_long(nums, 16)",
    "cast(nums, 'DOUBLE')",
    "cast(tstr, 'LONG')",
    "timestamp(tstr)",
    "timestamp_parse(tstr)",
    "timestamp_format(t2, 'yyyy-MM-dd HH')",
    "timestamp_shift(__time, 'P1D', 2)",
    "timestamp_ceil(__time, 'P1W', null, 'Asia/Kolkata')",
    "timestamp_extract(t2, 'DOW', 'America/Los_Angeles')",
    "timestamp_extract(t2, 'EPOCH')",
    "ipv4_match(ip, '172.16.0.0/12')",
    "ipv4_parse(ip)",
    "ipv4_stringify(ipv4_parse(ip))",
    "nvl(l, d)",
    "coalesce(sn, low)",
    "notnull(sn)",
    "istrue(bool)",
    "isdistinctfrom(sn, low)",
    "notdistinctfrom(l, seq)",
    "case_searched(l > 0, 'p', l < 0, 'n')",
    "case_simple(low, 'alpha', 1, 'beta', 2)",
    "if(isnull(sn), low, sn)",
    "l == null",
    "l > d",
    "sn == low",
    "low > 'beta'",
    "bool == 1",
    "bools == 'true'",
    "nums > 5",
    "sn < 5",
    "bitwiseXor(l, 5)",
    "bitwiseShiftLeft(l, 2)",
    "human_readable_decimal_byte_format(abs(l))",
    "least(d, f)",
    "greatest(low, sn)",
    "max(d, l)",
    "div(l, 7)",
    "lookup(low, 'nope', 'miss')",
    "autol + autod",
    "upper(autos)",
    "array_length(autom)",
)
FLAT = {"type": "range", "column": "seq", "matchValueType": "LONG", "upper": 200, "upperOpen": True}


class WideGenerator(Generator):
    """As `Generator`, with more expressions, and queries over what is made of tables."""

    KINDS = (
        "timeseries", "topN", "groupBy", "groupBy", "scan", "search",
        "join", "join", "unnest", "unnest", "filtered", "union", "outer", "outer", "window", "ordered", "inline",
    )  # fmt: skip

    def expression(self) -> str:
        return self.one(*self.one(SCALARS, SCALARS, MULTI_VALUE, ARRAY_EXPRESSIONS, NESTED))

    def column(self) -> str:
        return self.one(*STRINGS, *LONGS, *DOUBLES, *ARRAYS, "__time", "missing", "v0", "v0", "v1", "autom")

    def common(self) -> Json:
        query = super().common()
        query["virtualColumns"].append(self._second_column())
        return query

    def _second_column(self) -> Json:
        nested: Json = {"type": "nested-field", "columnName": "nest", "outputName": "v1"}
        return self.one(
            {**nested, "path": self.one("$.a.b", "$.n", "$.f", "$.a.c", "$.arr[0]", "$.objs[1].v", "$.a")},
            {**nested, "path": "$.a.b", "expectedType": self.one("LONG", "DOUBLE", "STRING")},
            {"type": "mv-filtered", "name": "v1", "delegate": self.one("mv", "mvn"), "values": ["blue", "3", None]},
            {"type": "mv-prefix-filtered", "name": "v1", "delegate": "mv", "prefix": self.one("b", "")},
            {"type": "expression", "name": "v1", "expression": self.expression()},
        )

    def query(self, kind: str | None = None) -> Json:
        return getattr(self, kind or self.one(*self.KINDS))()

    # ---- what tables are made into

    def _over(self, source: Any, more: tuple[str, ...] = ()) -> Json:
        """A query of a plain type over a data source, which has these columns too."""
        old = self.column
        if more:
            self.column = lambda: self.one(*more) if self.maybe(0.5) else old()  # type: ignore[method-assign]
        try:
            query = getattr(self, self.one("timeseries", "topN", "groupBy", "groupBy", "scan"))()
        finally:
            self.column = old  # type: ignore[method-assign]
        return {**query, "dataSource": source}

    def join(self) -> Json:
        right, keys, columns = self.one(
            ({"type": "lookup", "lookup": "low_code"}, ("k",), ("v",)),
            (self._inline(), ("k", "n"), ("k", "n")),
            ({"type": "query", "query": self._inner()}, ("low", "l"), ("low", "c")),
        )
        key = self.one(*keys)
        left = self.one("low", "low", "sn", "mv", "upper(low)") if key in ("k", "low") else self.one("l", "seq", "bool")
        name = f'"j.{key}"'
        condition = f"{left} == {name}"
        kind = self.one("INNER", "LEFT", "INNER", "LEFT", "RIGHT", "FULL")
        source: Json = {"type": "join", "left": "mixed", "right": right, "rightPrefix": "j.", "joinType": kind}
        if self.maybe(0.2):
            source["leftFilter"] = self.filter(1)
        return self._over({**source, "condition": condition}, tuple(f"j.{each}" for each in columns))

    def _inline(self) -> Json:
        rows = [["alpha", 1], ["beta", 5], ["gamma", None], ["v1", 7], ["blue", 2], [None, 3], ["ALPHA", 9]]
        if self.maybe(0.3):
            rows.append(["alpha", 2])
        return {"type": "inline", "columnNames": ["k", "n"], "columnTypes": ["STRING", "LONG"], "rows": rows}

    def _inner(self) -> Json:
        return {
            "queryType": "groupBy",
            "dataSource": "mixed",
            "intervals": ["2024-02-01/2024-04-01"],
            "granularity": "all",
            "dimensions": ["low", {"type": "default", "dimension": "l", "outputName": "l", "outputType": "LONG"}],
            "aggregations": [{"type": "count", "name": "c"}],
            "filter": FLAT,
        }

    def unnest(self) -> Json:
        made = self.one("mv_to_array(mv)", "as", "al", "ad", "array(low, sn)", "string_to_array(uni, 'a')", "autom")
        column = {"type": "expression", "name": "u", "expression": f'"{made}"' if made.isalpha() else made}
        source: Json = {"type": "unnest", "base": self._base(), "virtualColumn": column}
        if self.maybe(0.3):
            source["unnestFilter"] = self.one(
                {"type": "in", "dimension": "u", "values": ["red", "blue", "3", None]},
                {"type": "null", "column": "u"},
                {"type": "equals", "column": "u", "matchValueType": "STRING", "matchValue": "3"},
                {"type": "not", "field": {"type": "selector", "dimension": "u", "value": "red"}},
            )
        return self._over(source, ("u",))

    def _base(self) -> Any:
        return self.one("mixed", "mixed", {"type": "filter", "base": "mixed", "filter": self.filter(1)})

    def filtered(self) -> Json:
        return self._over({"type": "filter", "base": "mixed", "filter": self.filter()})

    def union(self) -> Json:
        return self._over({"type": "union", "dataSources": self.one(["mixed", "mixed"], ["mixed", "nope"])})

    def inline(self) -> Json:
        return self._over({**self._inline()}, ("k", "n"))

    def outer(self) -> Json:
        """Over the rows of an inner query."""
        inner = getattr(self, self.one("groupBy", "groupBy", "timeseries", "topN", "scan"))()
        if inner["queryType"] == "scan":
            inner["columns"] = list(dict.fromkeys(["__time", *inner["columns"]]))
            inner["resultFormat"] = "list"
        names = [each["name"] for each in inner.get("aggregations", ())]
        for each in inner.get("dimensions", ()) or [inner["dimension"]] if "dimension" in inner else ():
            names.append(each if isinstance(each, str) else (each.get("delegate") or each)["outputName"])
        names += inner.get("columns", [])
        granularity = self.one("all", "all", "day")
        query = self._over({"type": "query", "query": inner}, tuple(names) or ("a0",))
        return {**query, "intervals": ["2024-02-01/2024-04-01"], "granularity": granularity}

    def ordered(self) -> Json:
        query = self.scan()
        query["columns"] = list(dict.fromkeys(["__time", *query["columns"]]))
        query["order"] = self.one("ascending", "descending")
        return query

    def window(self) -> Json:
        inner = {**self.scan(), "columns": ["__time", "id", "low", "sn", "l", "d", "seq"], "resultFormat": "list"}
        inner["filter"] = FLAT
        keys = self.one([], ["low"], ["sn"], ["low", "sn"])
        sort = [{"column": each, "direction": self.one("ASC", "DESC")} for each in (*keys, "l", "id", "__time")]
        operators: list[Json] = [
            {"type": "naiveSort", "columns": sort},
            {"type": "naivePartition", "partitionColumns": keys},
            {"type": "window", "processor": self._processor()},
        ]
        types = {"id": "STRING", "low": "STRING", "sn": "STRING", "d": "DOUBLE"}
        names = [*inner["columns"], "w"]
        signature = [{"name": each, "type": types.get(each, "LONG")} for each in names[:-1]]
        return {
            "queryType": "windowOperator",
            "dataSource": {"type": "query", "query": inner},
            "intervals": ["2000/3000"],
            "outputSignature": [*signature, {"name": "w", "type": "LONG"}],
            "operatorDefinition": operators,
        }

    def _processor(self) -> Json:
        simple: list[Json] = [
            {"type": "rowNumber", "outputColumn": "w"},
            {"type": "rank", "group": [self.one("l", "low")], "outputColumn": "w", "asPercent": self.maybe(0.3)},
            {"type": "denseRank", "group": [self.one("l", "low")], "outputColumn": "w"},
            {"type": "cumeDist", "group": [self.one("l", "low")], "outputColumn": "w"},
            {"type": "ntile", "numTiles": self.one(1, 3), "outputColumn": "w"},
            {"type": "offset", "inputColumn": self.one("l", "sn", "d"), "outputColumn": "w", "offset": self.one(1, -2)},
            {"type": self.one("first", "last"), "inputColumn": self.one("l", "sn"), "outputColumn": "w"},
            {"type": "framedAgg", "frame": self._frame(), "aggregations": [self._framed()]},
        ]
        return self.one(*simple)

    def _frame(self) -> Json:
        return self.one(
            {"type": "rows", "lowerOffset": self.one(-2, 0), "upperOffset": self.one(0, 3)},
            {"type": "rows", "upperOffset": 0},
            {"type": "rows"},
            {"type": "groups", "upperOffset": 0, "orderByColumns": ["l"]},
            {"type": "unbounded"},
        )

    def _framed(self) -> Json:
        kind = self.one("count", "longSum", "doubleSum", "longMin", "longMax")
        return {"type": kind, "name": "w"} if kind == "count" else {"type": kind, "name": "w", "fieldName": "l"}
