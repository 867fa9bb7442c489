"""Bodies that are no query, told in the words of Jackson, which clients of Druid see: class, place, chain of fields.

What has no counterpart here (None) keeps the words of our own converter.
"""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

_PACKAGE = "org.apache.druid.query"
_QUERIES = {
    "timeseries": f"{_PACKAGE}.timeseries.TimeseriesQuery",
    "topN": f"{_PACKAGE}.topn.TopNQuery",
    "groupBy": f"{_PACKAGE}.groupby.GroupByQuery",
    "scan": f"{_PACKAGE}.scan.ScanQuery",
    "search": f"{_PACKAGE}.search.SearchQuery",
    "timeBoundary": f"{_PACKAGE}.timeboundary.TimeBoundaryQuery",
    "segmentMetadata": f"{_PACKAGE}.metadata.metadata.SegmentMetadataQuery",
    "dataSourceMetadata": f"{_PACKAGE}.datasourcemetadata.DataSourceMetadataQuery",
}
_MISSING = {
    "dataSource": "dataSource can't be null",
    "granularity": "Must specify a granularity",
    "dimension": "dimension must not be null",
}
_QUERY_IDS = (
    "dataSourceMetadata, groupBy, scan, search, segmentMetadata, select, timeBoundary, timeseries, topN, union, "
    "windowOperator"
)
_FAILURE = re.compile(r"Cannot read JSON at \[\$(?P<path>[^\]]*(?:\[\d+\][^\]]*)*)\]: (?P<text>.*)", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s,:{}\[\]]+|[,:{}\[\]])')
_INSTANTIATION, _MISMATCH = "exc.ValueInstantiationException", "exc.MismatchedInputException"

Path = tuple[str | int, ...]


def malformed(text: str) -> str | None:
    """What Jackson says of a text that does not begin like JSON at all, without the place; None when it does."""
    word = re.match(r"\w+", text)
    expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
    if word is not None and word[0][0].isalpha():
        return f"Unrecognized token '{word[0]}': was expecting {expected}{place(len(word[0]) + 2)}"
    if text[:1] and text[0] not in '{["-' and not text[0].isspace() and not text[0].isdigit():
        return f"Unexpected character ('{text[0]}' (code {ord(text[0])})): expected a valid value {expected}{place(2)}"
    return None


def place(column: int) -> str:
    """Where in the body."""
    return f"\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: {column}]"


@frozen
class JacksonError:
    """A text of Jackson's and the class of its exception."""

    message: str
    error_class: str

    @classmethod
    def at(cls, text: str, kind: str, column: int, chain: str = "") -> JacksonError:
        """With the place; bodies have one line, as the clients of Druid write them."""
        source = place(column)
        shown = f" (through reference chain: {chain})" if chain else ""
        return cls(text + source + shown, f"com.fasterxml.jackson.{kind}")


def explain(body: bytes, failure: str) -> JacksonError | None:
    """What Jackson says of the body that our converter refused with `failure`."""
    try:
        return _explain(body, failure)
    except RecursionError:  # nested too deep to look for the place
        return None


def _explain(body: bytes, failure: str) -> JacksonError | None:
    text = body.decode("utf-8", "replace")
    if not text.strip():
        return JacksonError.at("No content to map due to end-of-input", f"databind.{_MISMATCH}", 0)
    try:
        value = json.loads(text)
    except ValueError:
        if text.lstrip().startswith("{") and text.rstrip().endswith(","):
            said = "Unexpected end-of-input within/between Object entries"
            return JacksonError.at(said, "core.JsonParseException", len(text) + 1)
        return None
    found = _FAILURE.match(failure)
    if found is None or "\n" in text or not isinstance(value, dict):
        return None
    path: Path = tuple(name or int(index) for name, index in _STEP.findall(found["path"]))
    return _of_query(value, value_places(text), path, found["text"])


def _of_query(value: dict[str, Any], places: dict[Path, tuple[int, int]], path: Path, text: str) -> JacksonError | None:
    kind = value.get("queryType")
    if kind is None:
        said = (
            f"Could not resolve subtype of [simple type, class {_PACKAGE}.Query]: missing type id property 'queryType'"
        )
        return JacksonError.at(said, "databind.exc.InvalidTypeIdException", places[()][1])
    if not isinstance(kind, str):
        return None
    if kind not in _QUERIES:
        said = (
            f"Please make sure to load all the necessary extensions and jars with type '{kind}' on 'druid/router' "
            f"service. Could not resolve type id '{kind}' as a subtype of `{_PACKAGE}.Query` known type ids = "
            f"[{_QUERY_IDS}]"
        )
        return JacksonError.at(said, "databind.exc.InvalidTypeIdException", places[("queryType",)][0] + 1)
    if text == "is required":
        text = _MISSING.get(str(path[-1]), "")
        path = path[:-1]
    known = _of_enum(value, places, path, text) or _of_kind(value, places, path, text)
    if known is not None:
        return known
    owner = _class_at(value, path, text)
    if not text or owner is None or path not in places:
        return None
    java_class, text = owner
    start, end = places[path]
    is_text = isinstance(_value_at(value, path), str)
    said = f"Cannot construct instance of `{java_class}`, problem: {text}"
    column = start + 1 if is_text else end
    return JacksonError.at(said, f"databind.{_INSTANTIATION}", column, _chain(_QUERIES[kind], path))


def _of_enum(value: dict[str, Any], places: dict[Path, tuple[int, int]], path: Path, text: str) -> JacksonError | None:
    """A word that is none of an enumeration's."""
    query = _QUERIES[value["queryType"]]
    order = value.get("order")
    if not path and text.startswith("No enum constant") and isinstance(order, str):
        said = f"Cannot construct instance of `{_PACKAGE}.Order`, problem: {text}"
        return JacksonError.at(said, f"databind.{_INSTANTIATION}", places[("order",)][0] + 1, f'{query}["order"]')
    found = re.match(r"analysisTypes: unknown type \[(.*?)\]", text)
    if path or found is None:
        return None
    types = value.get("analysisTypes") or []
    index = types.index(found[1])
    enum = f"{query}.AnalysisType"
    java_class = f"{query}$AnalysisType"
    said = f"Cannot construct instance of `{java_class}`, problem: No enum constant {enum}.{found[1].upper()}"
    chain = f'{query}["analysisTypes"]->java.util.RegularEnumSet[{index}]'
    return JacksonError.at(said, f"databind.{_INSTANTIATION}", places[("analysisTypes", index)][0] + 1, chain)


def _of_kind(value: dict[str, Any], places: dict[Path, tuple[int, int]], path: Path, text: str) -> JacksonError | None:
    """A text where a list of dimensions or the context's map is wanted."""
    item = _value_at(value, path)
    if not isinstance(item, str) or not text.startswith("expected"):
        return None
    if path == ("context",):
        said = (
            "Cannot construct instance of `java.util.LinkedHashMap` (although at least one Creator exists): no "
            f"String-argument constructor/factory method to deserialize from String value ('{item}')"
        )
    elif path == ("dimensions",):
        said = (
            f"Cannot deserialize value of type `java.util.ArrayList<{_PACKAGE}.dimension.DimensionSpec>` from String "
            "value (token `JsonToken.VALUE_STRING`)"
        )
    else:
        return None
    chain = _chain(_QUERIES[value["queryType"]], path)
    return JacksonError.at(said, f"databind.{_MISMATCH}", places[path][0] + 1, chain)


def _class_at(value: dict[str, Any], path: Path, text: str) -> tuple[str, str] | None:
    """The Java class that is made at the path, and what it says."""
    if not path:
        return _QUERIES[value["queryType"]], text
    item = _value_at(value, path)
    kind = item.get("type") if isinstance(item, dict) else None
    named = kind[:1].upper() + kind[1:] if isinstance(kind, str) else None
    if path == ("intervals",):
        return f"{_PACKAGE}.spec.LegacySegmentSpec", text
    if path == ("granularity",) and isinstance(item, str):
        package = "org.apache.druid.java.util.common.granularity"
        return f"{package}.Granularity", f"No enum constant {package}.GranularityType.{item.upper()}"
    if path == ("limitSpec",):
        return f"{_PACKAGE}.groupby.orderby.DefaultLimitSpec", text
    if named is None or "Unknown" in text or "expected" in text:
        return None
    packages = {
        ("filter",): f"{_PACKAGE}.filter.{named}DimFilter",
        ("dataSource",): f"{_PACKAGE}.{named}DataSource",
        ("aggregations", 1): f"{_PACKAGE}.aggregation.{named}AggregatorFactory",
        ("postAggregations", 1): f"{_PACKAGE}.aggregation.post.{named}PostAggregator",
        ("virtualColumns", 1): f"org.apache.druid.segment.virtual.{named}VirtualColumn",
    }
    found = packages.get(path if len(path) == 1 else (path[0], 1) if len(path) == 2 else ())
    return None if found is None else (found, text)


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _chain(query: str, path: Path) -> str:
    if not path:
        return ""
    parts = [f'{query}["{path[0]}"]']
    parts.extend(f"java.util.ArrayList[{step}]" for step in path[1:] if isinstance(step, int))
    return "->".join(parts)


def value_places(text: str) -> dict[Path, tuple[int, int]]:
    """Where each value of a well-formed JSON text begins and ends (offsets, the end exclusive)."""
    places: dict[Path, tuple[int, int]] = {}
    tokens = [(found.group(1), found.start(1), found.end(1)) for found in _TOKEN.finditer(text)]

    def value(at: int, path: Path) -> int:
        token, start, _ = tokens[at]
        at += 1
        if token in "{[" and tokens[at][0] not in "}]":
            index = 0
            while True:
                inner = json.loads(tokens[at][0]) if token == "{" else index
                at = value(at + 2 if token == "{" else at, (*path, inner))
                index += 1
                at += 1
                if tokens[at - 1][0] != ",":
                    break
        elif token in "{[":
            at += 1
        places[path] = (start, tokens[at - 1][2])
        return at

    value(0, ())
    return places
