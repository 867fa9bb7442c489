"""Bodies that are no query, told in the words of Jackson, which clients of Druid see: class, place, chain of fields.

What has no counterpart here (None) keeps the words of our own converter.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nemeton.dataserver.jackson_kinds import of_no_object, of_token, of_type, of_virtual
from nemeton.dataserver.jackson_shapes import QUERIES, find
from nemeton.dataserver.jackson_text import (
    INSTANTIATION,
    MISMATCH,
    JacksonError,
    Path,
    Places,
    place,
    value_at,
    value_places,
)
from nemeton.dataserver.jackson_values import (
    of_comparator,
    of_context,
    of_granularity,
    of_joda,
    of_number,
    of_word,
)

_PACKAGE = "org.apache.druid.query"
_QUERY_IDS = (
    "dataSourceMetadata, groupBy, scan, search, segmentMetadata, select, timeBoundary, timeseries, topN, union, "
    "windowOperator"
)
_FAILURE = re.compile(r"Cannot read JSON at \[\$(?P<path>[^\]]*(?:\[\d+\][^\]]*)*)\]: (?P<text>.*)", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def malformed(text: str) -> str | None:
    """What Jackson says of a text that does not begin like JSON at all, without the place; None when it does."""
    word = re.match(r"\w+", text)
    expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
    if word is not None and word[0][0].isalpha():
        return f"Unrecognized token '{word[0]}': was expecting {expected}{place(len(word[0]) + 2)}"
    if text[:1] and text[0] not in '{["-' and not text[0].isspace() and not text[0].isdigit():
        return f"Unexpected character ('{text[0]}' (code {ord(text[0])})): expected a valid value {expected}{place(2)}"
    return None


def explain(body: bytes, failure: str) -> JacksonError | None:
    """What Jackson says of the body that our converter refused with `failure`."""
    try:
        return _explain(body, failure)
    except (RecursionError, LookupError):  # nested too deep to look for the place; a shape that is not foreseen
        return None


def _explain(body: bytes, failure: str) -> JacksonError | None:
    text = body.decode("utf-8", "replace")
    if not text.strip():
        return JacksonError.at("No content to map due to end-of-input", f"databind.{MISMATCH}", 0)
    try:
        value = json.loads(text)
    except ValueError:
        if text.lstrip().startswith("{") and text.rstrip().endswith(","):
            said = "Unexpected end-of-input within/between Object entries"
            return JacksonError.at(said, "core.JsonParseException", len(text) + 1)
        return None
    found = _FAILURE.match(failure)
    if isinstance(value, list) and value and isinstance(value[0], int):
        said = "Unexpected token (VALUE_NUMBER_INT), expected VALUE_STRING: need JSON String that contains type id "
        return JacksonError.at(f"{said}(for subtype of {_PACKAGE}.Query)", f"databind.{MISMATCH}", 2)
    if found is None or "\n" in text or not isinstance(value, dict):
        return None
    path: Path = tuple(name or int(index) for name, index in _STEP.findall(found["path"]))
    return _of_query(value, value_places(text), path, found["text"])


def _of_query(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    kind = value.get("queryType")
    if "queryType" in value and (kind is None or isinstance(kind, int)):
        kind = "null" if kind is None else str(kind)
    if kind is None:
        said = (
            f"Could not resolve subtype of [simple type, class {_PACKAGE}.Query]: missing type id property 'queryType'"
        )
        return JacksonError.at(said, "databind.exc.InvalidTypeIdException", places[()][1])
    if not isinstance(kind, str):
        return None
    if kind == "select":
        said = (
            f"Cannot construct instance of `{_PACKAGE}.select.SelectQuery`, problem: The 'select' query has been "
            "removed, use 'scan' instead. See https://druid.apache.org/docs/latest/querying/select-query.html for more "
            "details."
        )
        return JacksonError.at(said, f"databind.{INSTANTIATION}", places["queryType",][1] + 3)
    if kind not in QUERIES:
        said = (
            f"Please make sure to load all the necessary extensions and jars with type '{kind}' on 'druid/router' "
            f"service. Could not resolve type id '{kind}' as a subtype of `{_PACKAGE}.Query` known type ids = "
            f"[{_QUERY_IDS}]"
        )
        return JacksonError.at(said, "databind.exc.InvalidTypeIdException", places[("queryType",)][0] + 1)
    if text == "is required":
        lacking = find(value, path[:-1])
        problem = None if lacking is None else lacking.missing(str(path[-1]))
        return None if problem is None else _of_class(value, places, path[:-1], problem)
    for explained in _WAYS:
        known = explained(value, places, path, text)
        if known is not None:
            return known
    owner = _class_at(value, path, text)
    if not text or owner is None or path not in places:
        return None
    java_class, text = owner
    start, end = places[path]
    is_text = isinstance(value_at(value, path), str)
    said = f"Cannot construct instance of `{java_class}`, problem: {text}"
    column = start + 1 if is_text else end
    found_at = find(value, path)
    chain = _chain(QUERIES[kind], path) if found_at is None else found_at.chain
    return JacksonError.at(said, f"databind.{INSTANTIATION}", column, chain)


def _of_class(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """What the class at the path says when it is made."""
    found = find(value, path)
    if found is None or found.java_class is None or path not in places:
        return None
    said = f"Cannot construct instance of `{found.java_class}`, problem: {text}"
    return JacksonError.at(said, f"databind.{INSTANTIATION}", places[path][1], found.chain)


def _of_enum(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A word that is none of an enumeration's."""
    query = QUERIES[value["queryType"]]
    found = re.match(r"analysisTypes: unknown type \[(.*?)\]", text)
    if path or found is None:
        return None
    types = value.get("analysisTypes") or []
    index = types.index(found[1])
    enum = f"{query}.AnalysisType"
    java_class = f"{query}$AnalysisType"
    said = f"Cannot construct instance of `{java_class}`, problem: No enum constant {enum}.{found[1].upper()}"
    chain = f'{query}["analysisTypes"]->java.util.RegularEnumSet[{index}]'
    return JacksonError.at(said, f"databind.{INSTANTIATION}", places[("analysisTypes", index)][0] + 1, chain)


def _of_kind(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A text where a list of dimensions or the context's map is wanted."""
    item = value_at(value, path)
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
    chain = _chain(QUERIES[value["queryType"]], path)
    return JacksonError.at(said, f"databind.{MISMATCH}", places[path][0] + 1, chain)


_WAYS = (
    of_type, of_token, of_no_object, of_comparator, of_virtual, of_word, of_joda, of_number, of_granularity, of_context,
    _of_enum, _of_kind,
)  # fmt: skip


def _class_at(value: dict[str, Any], path: Path, text: str) -> tuple[str, str] | None:
    """The Java class that is made at the path, and what it says."""
    if not path:
        return QUERIES[value["queryType"]], text
    item = value_at(value, path)
    if path == ("intervals",):
        return f"{_PACKAGE}.spec.LegacySegmentSpec", text
    if path == ("granularity",):
        return _granularity(item, text)
    if path == ("limitSpec",):
        return f"{_PACKAGE}.groupby.orderby.DefaultLimitSpec", text
    found = find(value, path)
    is_ours = text.startswith("expected") or re.match("Unknown [a-z]", text) is not None
    if found is None or found.java_class is None or (is_ours and not text.startswith("Unknown operation")):
        return None
    return found.java_class, text


def _granularity(item: Any, text: str) -> tuple[str, str] | None:
    """The class of a granularity, and what it says."""
    package = "org.apache.druid.java.util.common.granularity"
    if isinstance(item, str):
        return f"{package}.Granularity", f"No enum constant {package}.GranularityType.{item.upper()}"
    for start, (name, said) in _GRANULARITIES.items():
        if text.startswith(start):
            return f"{package}.{name}", said
    return None


_GRANULARITIES = {
    "period: required": ("PeriodGranularity", "period can't be null!"),
    "zero-length": ("PeriodGranularity", "zero period is not acceptable in PeriodGranularity!"),
    "duration: expected milliseconds, not [None]": ("DurationGranularity", "duration should be greater than 0!"),
    "duration should be": ("DurationGranularity", "duration should be greater than 0!"),
}


def _chain(query: str, path: Path) -> str:
    if not path:
        return ""
    parts = [f'{query}["{path[0]}"]']
    parts.extend(f"java.util.ArrayList[{step}]" for step in path[1:] if isinstance(step, int))
    return "->".join(parts)
