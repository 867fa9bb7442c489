"""Values that Java makes of one text or number: instants, intervals, numbers, words of enumerations, granularities."""

from __future__ import annotations

import re
from typing import Any

from nemeton.dataserver.jackson_shapes import QUERIES, QUERY, find
from nemeton.dataserver.jackson_text import INSTANTIATION, MISMATCH, JacksonError, Path, Places, value_at

_GRANULARITY = "org.apache.druid.java.util.common.granularity"
_JODA = re.compile(r'Format requires a \'/\' separator: (?P<interval>.*)|(?P<format>Invalid format: "(?P<value>.*?)")')


def of_joda(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """An interval of a filter, a period or an origin that cannot be read: told without a place."""
    said = _JODA.match(text)
    node = value_at(value, path)
    if said is None or path == ("intervals",):
        return None
    found = find(value, path)
    if found is None:
        return None
    if said["interval"] is not None:
        words, chain = f"Invalid interval[{said['interval']}]: [{text}]", found.chain
    elif isinstance(node, dict) and path[-1] == "granularity":
        name = next((key for key, item in node.items() if item == said["value"]), "period")
        words, chain = said["format"], f'{found.chain}->{_GRANULARITY}.PeriodGranularity["{name}"]'
    else:
        return None
    return JacksonError(
        f"{words} (through reference chain: {chain})", "com.fasterxml.jackson.databind.JsonMappingException"
    )


_NUMBERS = {
    ("HavingSpec", "value"): ("java.lang.Number", "number"),
    ("AggregatorFactory", "breaks"): ("java.lang.Float", "`Float` value"),
}


def of_number(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A text that is no number where one is wanted."""
    name = next((step for step in reversed(path) if isinstance(step, str)), None)
    node, found = value_at(value, path), find(value, path)
    if found is None or name is None or path not in places:
        return None
    if name == "granularity" and text.startswith("duration: expected milliseconds") and isinstance(node, dict):
        node, path = node.get("duration"), (*path, "duration")
        java_class, kind = "long", "`long` value"
        chain = f'{found.chain}->{_GRANULARITY}.DurationGranularity["duration"]'
    elif text.startswith("expected a number, got the string"):
        owner = find(value, path[: path.index(name)])
        wanted = _NUMBERS.get((owner.family or "", name)) if owner is not None else None
        if wanted is None:
            return None
        (java_class, kind), chain = wanted, found.chain
    else:
        return None
    if not isinstance(node, str):
        return None
    said = f'Cannot deserialize value of type `{java_class}` from String "{node}": not a valid {kind}'
    return JacksonError.at(said, "databind.exc.InvalidFormatException", places[path][0] + 1, chain)


def of_granularity(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A granularity of no known type, and a word that is none."""
    node, found = value_at(value, path), find(value, path)
    if found is None or path not in places or not text.startswith("Unknown granularity"):
        return None
    granularity = f"{_GRANULARITY}.Granularity"
    if isinstance(node, str):
        said = f"Cannot construct instance of `{granularity}`, problem: No enum constant {_GRANULARITY}."
        said += f"GranularityType.{node.upper()}"
        return JacksonError.at(said, f"databind.{INSTANTIATION}", places[path][0] + 1, found.chain)
    said = (
        f"Cannot construct instance of `{granularity}` (although at least one Creator exists): cannot deserialize from "
        "Object value (no delegate- or property-based Creator)"
    )
    return JacksonError.at(said, f"databind.{MISMATCH}", places[path][1], found.chain)


_WORDS = {
    "joinType": 'Cannot deserialize value of type `org.apache.druid.segment.join.JoinType` from String "{0}": not one '
    "of the values accepted for Enum class: [RIGHT, INNER, LEFT, FULL]",
    "joinAlgorithm": f"Cannot construct instance of `{QUERY}.JoinAlgorithm`, problem: No such join algorithm [{{0}}]. "
    "Supported values are: [broadcast, sortMerge]",
}


def of_word(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A word that is none of an enumeration's, which Jackson looks up itself."""
    node = value_at(value, path)
    if path and path[-1] in _WORDS and isinstance(node, str) and text.startswith("expected one of"):
        found = find(value, path)
        said = _WORDS[str(path[-1])].format(node)
        kind = INSTANTIATION if "problem" in said else "exc.InvalidFormatException"
        return None if found is None else JacksonError.at(said, f"databind.{kind}", places[path][0] + 1, found.chain)
    constant = re.match(r"No enum constant (.*)\.(\w+)$", text)
    field = _ENUMERATIONS.get(constant[1]) if constant else None
    if constant is None or field is None:
        return None
    where = _place_of(node, path, (field,), lambda word: word.upper() == constant[2])
    found = None if where is None else find(value, where)
    if where is None or found is None:
        return None
    java_class = re.sub(r"\.([A-Z]\w*)\.([A-Z]\w*)$", r".\1$\2", constant[1])
    said = f"Cannot construct instance of `{java_class}`, problem: {text}"
    return JacksonError.at(said, f"databind.{INSTANTIATION}", places[where][0] + 1, found.chain)


_ENUMERATIONS = {
    f"{QUERY}.Order": "order",
    f"{QUERY}.extraction.StringFormatExtractionFn.NullHandling": "nullHandling",
}


def of_comparator(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """An order of strings that there is not."""
    unknown = re.match(r"Unknown string comparator \[(.*?)\]", text)
    if unknown is None:
        return None
    fields = ("ordering", "sort", "dimensionOrder", "type")
    where = _place_of(value_at(value, path), path, fields, lambda word: word == unknown[1])
    if where is None:
        return None
    is_object = where[-1] == "type" and where[-2:] != ("sort", "type")
    found = find(value, where[:-1] if is_object else where)
    said = f"Cannot construct instance of `{QUERY}.ordering.StringComparator`, problem: "
    said += f"Unknown string comparator[{unknown[1]}]"
    chain = "" if found is None else found.chain
    return JacksonError.at(said, f"databind.{INSTANTIATION}", places[where][0] + 1, chain)


def _place_of(node: Any, path: Path, fields: tuple[str, ...], fits: Any) -> Path | None:
    """Where below the path the first word stands that fits, in a field of one of these names."""
    if isinstance(node, str):
        return path if path and path[-1] in fields and fits(node) else None
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    places = (_place_of(item, (*path, key), fields, fits) for key, item in items)
    return next((place for place in places if place is not None), None)


def of_context(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A context that is no object."""
    item = value_at(value, path)
    if path != ("context",) or not text.startswith("expected an object") or isinstance(item, str):
        return None
    kinds = {
        list: ("Array", "START_ARRAY"),
        int: ("Integer", "VALUE_NUMBER_INT"),
        float: ("Floating-point", "VALUE_NUMBER_FLOAT"),
    }
    name, token = ("Boolean", f"VALUE_{str(item).upper()}") if isinstance(item, bool) else kinds[type(item)]
    said = (
        "Cannot deserialize value of type `java.util.LinkedHashMap<java.lang.String,java.lang.Object>` from "
        f"{name} value (token `JsonToken.{token}`)"
    )
    chain = f'{QUERIES[value["queryType"]]}["context"]'
    return JacksonError.at(said, f"databind.{MISMATCH}", places[path][0] + 1, chain)
