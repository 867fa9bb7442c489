"""Functions of documents (``COMPLEX<json>``)."""

from __future__ import annotations

from typing import Any

import msgspec

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.logic import convert, of_any
from nemeton.query.expressions.vec import Vec, map_values
from nemeton.query.json_path import find, find_literal, leaf_paths, parse_json_path

_JSON = str(ColumnType.NESTED_DATA)


def _path(name: str, vec: Vec) -> Any:
    if not vec.is_constant or vec.type != "STRING":
        raise invalid_input(f"Function[{name}] second argument [path] must be a literal")
    return parse_json_path(vec.constant() or "")


@register("json_value", 2, 3)
def json_value(args: list[Vec], count: int) -> Vec:
    """The string or number at a path, as a type where one is given; null for objects and arrays."""
    path = _path("json_value", args[1])
    kind = str(ColumnType.parse(args[2].constant())) if len(args) > 2 else None
    documents = args[0].objects()
    if kind is not None and kind.startswith("ARRAY"):
        found = map_values([args[0]], count, f"ARRAY<{_JSON}>", lambda value: _array(find(value, path)))
        return convert(found, kind)
    if not documents:
        return Vec(kind, map_values([], 0, kind or "STRING", lambda: None).values)
    found = of_any([find_literal(value, path) for value in documents])
    return found if kind is None else convert(found, kind)


def _array(value: Any) -> list[Any] | None:
    """An array of strings and numbers; None for what is none."""
    if not isinstance(value, list) or any(isinstance(item, dict | list) for item in value):
        return None
    return [int(item) if isinstance(item, bool) else item for item in value]


@register("json_query", 2)
def json_query(args: list[Vec], count: int) -> Vec:
    """What lies at a path, whatever it is."""
    path = _path("json_query", args[1])
    return map_values([args[0]], count, _JSON, lambda value: find(value, path))


@register("json_query_array", 2)
def json_query_array(args: list[Vec], count: int) -> Vec:
    """The array of documents at a path; a single one as an array of one."""
    path = _path("json_query_array", args[1])

    def one(value: Any) -> Any:
        found = find(value, path)
        return found if found is None or isinstance(found, list) else [found]

    return map_values([args[0]], count, f"ARRAY<{_JSON}>", one)


@register("json_keys", 2)
def json_keys(args: list[Vec], count: int) -> Vec:
    """The names in the object at a path."""
    path = _path("json_keys", args[1])

    def one(value: Any) -> Any:
        found = find(value, path)
        return list(found) if isinstance(found, dict) else None

    return map_values([args[0]], count, "ARRAY<STRING>", one)


@register("json_paths", 1)
def json_paths(args: list[Vec], count: int) -> Vec:
    """The paths of all values in a document."""
    return map_values([args[0]], count, "ARRAY<STRING>", lambda value: None if value is None else leaf_paths(value))


@register("json_object", 0, None)
def json_object(args: list[Vec], count: int) -> Vec:
    """A document of names and values in turn."""
    if len(args) % 2:
        raise invalid_input("Function[json_object] must have an even number of arguments")

    def one(*values: Any) -> dict[str, Any]:
        if any(not isinstance(name, str) for name in values[::2]):
            raise invalid_input("Function[json_object] names must be strings")
        return dict(zip(values[::2], values[1::2], strict=True))

    return map_values(args, count, _JSON, one)


@register("json_merge", 1, None)
def json_merge(args: list[Vec], count: int) -> Vec:
    """Documents (or their texts) laid over each other: what comes later counts, objects and arrays are joined."""

    def one(*values: Any) -> Any:
        documents = [_parsed(value) if isinstance(value, str) else value for value in values]
        if any(document is None for document in documents):
            return None
        merged = documents[0]
        for document in documents[1:]:
            merged = _merged(merged, document)
        return merged

    return map_values(args, count, _JSON, one)


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _merged(below[name], v) if name in below else v for name, v in above.items()}}
    return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above


@register("to_json_string", 1)
def to_json_string(args: list[Vec], count: int) -> Vec:
    """The text of a value as JSON."""

    def one(value: Any) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    return map_values([args[0]], count, "STRING", one)


@register("parse_json", 1)
def parse_json(args: list[Vec], count: int) -> Vec:
    """The document that a text is; raises for what is no JSON."""
    return map_values([args[0]], count, _JSON, lambda value: _parsed(value) if isinstance(value, str) else value)


@register("try_parse_json", 1)
def try_parse_json(args: list[Vec], count: int) -> Vec:
    """As parse_json, with null for what is no JSON."""

    def one(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None

    return map_values([args[0]], count, _JSON, one)


def _parsed(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as failure:
        raise invalid_input(f"Bad string input [{value}] to [parse_json]: {failure}") from failure
