"""Values that do not fit where they stand: of no known type, of another kind, no word of an enumeration."""

from __future__ import annotations

import re
from typing import Any

from nemeton.dataserver.jackson_shapes import FAMILIES, QUERIES, QUERY, Place, find
from nemeton.dataserver.jackson_text import INSTANTIATION, MISMATCH, JacksonError, Path, Places, value_at


def of_type(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """An object without a type, or of an unknown one."""
    unknown = re.match(r"Unknown [\w -]+ (?:type|spec) \[(.*?)\]; known types are \[(.*)\]", text)
    nameless = text.startswith("is required: the type of") or re.match(
        r"expected an? [\w -]+ object, got the string", text
    )
    if unknown is None and not nameless:
        return None
    path = path[:-1] if path and path[-1] == "type" else path
    found = find(value, path)
    if found is None or found.family is None or path not in places:
        return None
    java_class = FAMILIES[found.family].java_class
    names = [step for step in path if isinstance(step, str)]
    wanted = f" (for POJO property '{'#temporary-name' if names[-1] == 'virtualColumns' else names[-1]}')"
    if unknown is None:
        said = (
            f"Could not resolve subtype of [simple type, class {java_class}]: missing type id property 'type'{wanted}"
        )
        is_text = isinstance(value_at(value, path), str)
        column = places[path][0] + 1 if is_text else places[path][1]
        return JacksonError.at(said, "databind.exc.InvalidTypeIdException", column, found.chain)
    if (*path, "type") not in places:
        return None
    known = ", ".join(sorted({*unknown[2].split(", ")} ^ FAMILIES[found.family].differing))
    said = (
        f"Please make sure to load all the necessary extensions and jars with type '{unknown[1]}' on 'druid/router' "
        f"service. Could not resolve type id '{unknown[1]}' as a subtype of `{java_class}` known type ids = "
        f"[{known}]{wanted}"
    )
    return JacksonError.at(said, "databind.exc.InvalidTypeIdException", places[*path, "type"][0] + 1, found.chain)


def of_virtual(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """What is wrong with the virtual columns together."""
    if path or not text.startswith(("Duplicate virtualColumn", "virtualColumn name[", "Self-referential")):
        return None
    said = f"Cannot construct instance of `org.apache.druid.segment.VirtualColumns`, problem: {text}"
    chain = f'{QUERIES[value["queryType"]]}["virtualColumns"]'
    return JacksonError.at(said, f"databind.{INSTANTIATION}", places["virtualColumns",][1], chain)


_NO_OBJECTS = {
    "DataSource": f"{QUERY}.TableDataSource",
    "LimitSpec": f"{QUERY}.groupby.orderby.NoopLimitSpec",
    "OrderByColumnSpec": f"{QUERY}.groupby.orderby.OrderByColumnSpec",
}
_LEGACY = {
    "DimensionSpec": (f"{QUERY}.dimension.LegacyDimensionSpec", "dimension"),
    "TopNMetricSpec": (f"{QUERY}.topn.LegacyTopNMetricSpec", "metric"),
}
_STARTS = {dict: "START_OBJECT", list: "START_ARRAY", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}


def of_no_object(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A number or a list where an object is wanted."""
    item = value_at(value, path)
    found = find(value, path)
    if found is None or path not in places or not text.lower().startswith(("expected a", "limitspec: expected")):
        return None
    granularity = "org.apache.druid.java.util.common.granularity.Granularity"
    java_class = granularity if path == ("granularity",) else _NO_OBJECTS.get(found.family or "")
    column, end = places[path][0] + 1, places[path][1]
    legacy = _LEGACY.get(found.family or "")
    if legacy is not None and isinstance(item, (int, list)) and text.startswith(("expected a dim", "expected a topN")):
        kind = "java.lang.Integer" if isinstance(item, int) else "java.util.ArrayList"
        shown = item if isinstance(item, int) else f"[{', '.join(map(str, item))}]"
        said = (
            f"Cannot construct instance of `{legacy[0]}`, problem: Unknown type[class {kind}] for {legacy[1]}[{shown}]"
        )
        return JacksonError.at(
            said, f"databind.{INSTANTIATION}", max(column, end if isinstance(item, list) else 0), found.chain
        )
    if java_class is None:
        return _of_array(found, item, places, path)
    creators = f"Cannot construct instance of `{java_class}` (although at least one Creator exists): no "
    if isinstance(item, int):
        said = f"{creators}int/Int-argument constructor/factory method to deserialize from Number value ({item})"
    elif isinstance(item, str) and found.family == "LimitSpec":
        said = f"{creators}String-argument constructor/factory method to deserialize from String value ('{item}')"
    elif isinstance(item, list):
        said = f"Cannot deserialize value of type `{java_class}` from Array value (token `JsonToken.START_ARRAY`)"
    else:
        return None
    return JacksonError.at(said, f"databind.{MISMATCH}", column, found.chain)


def _of_array(found: Place, item: Any, places: Places, path: Path) -> JacksonError | None:
    """An array where an object of some type is wanted: Jackson looks for the type's name in it."""
    if found.family is None or not isinstance(item, list) or not item or type(item[0]) not in _STARTS:
        return None
    said = (
        f"Unexpected token ({_STARTS[type(item[0])]}), expected VALUE_STRING: need JSON String that contains type id "
        f"(for subtype of {FAMILIES[found.family].java_class})"
    )
    return JacksonError.at(said, f"databind.{MISMATCH}", places[*path, 0][0] + 1, found.chain)


_TOKENS = {
    "a string": ("String", "JsonToken.VALUE_STRING"),
    "an object": ("Object", "JsonToken.START_OBJECT"),
    "an array": ("Array", "JsonToken.START_ARRAY"),
}
_LONGS = frozenset(["ScanQuery", "DurationGranularity"])


def of_token(value: dict[str, Any], places: Places, path: Path, text: str) -> JacksonError | None:
    """A value of another kind than the field's."""
    kinds = re.match(r"expected (an array|a string|an integer|true or false), got (.*)", text)
    found = find(value, path)
    owner = find(value, path[:-1])
    if kinds is None or found is None or owner is None or path not in places:
        return None
    column = places[path][0] + 1
    item = value_at(value, path)
    if isinstance(item, str) and kinds[1] in ("an integer", "true or false"):
        if kinds[1] == "true or false":
            said = f'`boolean` from String "{item}": only "true"/"True"/"TRUE" or "false"/"False"/"FALSE" recognized'
        else:
            number = "long" if (owner.java_class or "").rpartition(".")[2] in _LONGS else "int"
            said = f'`{number}` from String "{item}": not a valid `{number}` value'
        said = f"Cannot deserialize value of type {said}"
        return JacksonError.at(said, "databind.exc.InvalidFormatException", column, found.chain)
    got = "a string" if isinstance(item, str) else kinds[2]
    if got not in _TOKENS or kinds[1] in ("an integer", "true or false"):
        return None
    if found.family == "VirtualColumn" and got == "an object":
        column += 1  # which has been begun
    said = _of_own_collection(owner, path[-1], item) or _of_wrong_token(found, item, kinds[1], got)
    return JacksonError.at(said, f"databind.{MISMATCH}", column, found.chain)


def _of_own_collection(owner: Place, field: str | int, item: Any) -> str | None:
    """A text where a collection of a class of its own is wanted."""
    place = (owner.java_class or "").rpartition(".")[2], field
    if place == ("SegmentMetadataQuery", "analysisTypes") and isinstance(item, str):
        named = "`java.util.EnumSet<java.lang.Enum>`"
        return f"Cannot deserialize value of type {named} from String value (token `JsonToken.VALUE_STRING`)"
    if place == ("InDimFilter", "values") and isinstance(item, str):
        return (
            f"Cannot construct instance of `{owner.java_class}$ValuesSet` (although at least one Creator exists): no "
            f"String-argument constructor/factory method to deserialize from String value ('{item}')"
        )
    return None


def _of_wrong_token(found: Place, item: Any, wanted: str, got: str) -> str:
    name, token = _TOKENS[got]
    if wanted == "a string":
        return f"Cannot deserialize value of type `java.lang.String` from {name} value (token `{token}`)"
    if found.family is None and isinstance(item, str):
        return (
            "Cannot construct instance of `java.util.ArrayList` (although at least one Creator exists): no "
            f"String-argument constructor/factory method to deserialize from String value ('{item}')"
        )
    inner = "java.lang.String" if found.family is None else FAMILIES[found.family].java_class
    if found.family == "VirtualColumn" and got == "an object":
        token = "JsonToken.FIELD_NAME"
    return f"Cannot deserialize value of type `java.util.ArrayList<{inner}>` from {name} value (token `{token}`)"
