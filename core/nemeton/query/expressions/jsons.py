"""Functions of documents (``COMPLEX<json>``)."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from nemeton.model import ColumnType
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import PROCESSING, failed, misused
from nemeton.query.expressions.logic import convert, of_any
from nemeton.query.expressions.vec import Vec, constant, map_values, text
from nemeton.query.json_path import find, find_literal, leaf_paths, parse_json_path
from nemeton.query.numbers import format_double
from nemeton.query.vectors import object_array

_JSON = str(ColumnType.NESTED_DATA)


def _path(name: str, vec: Vec) -> Any:
    if not vec.is_constant or vec.type != "STRING":
        raise misused(name, "second argument [path] must be a literal")
    return parse_json_path(vec.constant() or "")


@register("json_value", 2, 3)
def json_value(args: list[Vec], count: int) -> Vec:
    """The string or number at a path, as a type where one is given; null for objects and arrays."""
    path = _path("json_value", args[1])
    named = args[2].constant() if len(args) > 2 and args[2].is_constant else None
    kind = str(ColumnType.parse(named.upper().replace("JSON", "json"))) if isinstance(named, str) else None
    documents = args[0].objects()
    if kind is not None and kind.startswith("ARRAY"):
        found = map_values([args[0]], count, f"ARRAY<{_JSON}>", lambda value: _array(find(value, path)))
        return convert(found, kind)
    if not documents:
        return Vec(kind, map_values([], 0, kind or "STRING", lambda: None).values)
    items = [find(value, path) for value in documents]
    if kind is None and any(isinstance(item, list) for item in items) and not any(map(_is_plain, items)):
        arrays = [_best_effort(item) if isinstance(item, list) else None for item in items]
        flat = [item for row in arrays for item in row or []]
        nested = any(isinstance(item, (dict, list)) for item in flat)
        return Vec(f"ARRAY<{_JSON if nested else of_any(flat).type}>", object_array(arrays))
    found = of_any([find_literal(value, path) for value in documents])
    return found if kind is None else convert(found, kind)


def _is_plain(item: Any) -> bool:
    return item is not None and not isinstance(item, (dict, list))


def _array(value: Any) -> list[Any] | None:
    """An array of strings and numbers, a single one as an array of one; None for what is none."""
    if _is_plain(value):
        return [int(value) if isinstance(value, bool) else value]
    if not isinstance(value, list) or any(isinstance(item, dict | list) for item in value):
        return None
    return [int(item) if isinstance(item, bool) else item for item in value]


def _best_effort(items: list[Any]) -> list[Any]:
    """Elements of one type: all as texts where one is."""
    if any(isinstance(item, (dict, list)) for item in items) or not any(isinstance(item, str) for item in items):
        return items
    return [text(item) for item in items]


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
        if found is None or isinstance(found, dict):
            return None if found is None else [found]
        if not isinstance(found, list):
            return [int(found) if isinstance(found, bool) else found]
        return _best_effort(found)

    return map_values([args[0]], count, f"ARRAY<{_JSON}>", one)


@register("json_keys", 2)
def json_keys(args: list[Vec], count: int) -> Vec:
    """The names in the object at a path."""
    path = _path("json_keys", args[1])

    def one(value: Any) -> Any:
        found = find(value, path)
        if isinstance(found, list):
            return [str(at) for at in range(len(found))]
        return list(found) if isinstance(found, dict) else None

    return map_values([args[0]], count, "ARRAY<STRING>", one)


@register("json_paths", 1)
def json_paths(args: list[Vec], count: int) -> Vec:
    """The paths of all values in a document."""
    if not (args[0].type or "").startswith("COMPLEX"):
        return constant(["$"], "ARRAY<STRING>")
    return map_values([args[0]], count, "ARRAY<STRING>", lambda value: ["$"] if value is None else leaf_paths(value))


@register("json_object", 0, None)
def json_object(args: list[Vec], count: int) -> Vec:
    """A document of names and values in turn."""
    if not args:
        return constant({}, _JSON)
    if len(args) % 2:
        raise misused("json_object", "must have an even number of arguments")

    def one(*values: Any) -> dict[str, Any]:
        if any(not isinstance(name, str) for name in values[::2]):
            raise failed("Function[json_object] names must be strings", PROCESSING)
        return dict(zip(values[::2], values[1::2], strict=True))

    return map_values(args, count, _JSON, one)


@register("json_merge", 1, None)
def json_merge(args: list[Vec], count: int) -> Vec:
    """Documents (or their texts) laid over each other: what comes later counts, objects and arrays are joined."""

    def one(*values: Any) -> Any:
        documents = [_parsed("json_merge", value) if isinstance(value, str) else value for value in values]
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
        return None if value is None else _written(value)

    return map_values([args[0]], count, "STRING", one)


def _written(value: Any) -> str:
    """JSON with doubles as Java writes them."""
    if isinstance(value, float):
        return format_double(value) if math.isfinite(value) else f'"{format_double(value)}"'
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{msgspec.json.encode(k).decode()}:{_written(v)}" for k, v in value.items()) + "}"
    return msgspec.json.encode(value).decode()


@register("parse_json", 1)
def parse_json(args: list[Vec], count: int) -> Vec:
    """The document that a text is; raises for what is no JSON. Documents stay."""
    if args[0].type not in ("STRING", None) and not (args[0].type or "").startswith("COMPLEX"):
        raise failed(f"Function[parse_json] invalid input expected STRING but got {args[0].type} instead", PROCESSING)
    return map_values(
        [args[0]], count, _JSON, lambda value: _parsed("parse_json", value) if isinstance(value, str) else value
    )


@register("try_parse_json", 1)
def try_parse_json(args: list[Vec], count: int) -> Vec:
    """As parse_json, with null for what is no JSON, and for what is no text."""

    def one(value: Any) -> Any:
        if not isinstance(value, str):
            return value if isinstance(value, (dict, list)) else None
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None

    return map_values([args[0]], count, _JSON, one)


def _parsed(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise failed(f"Function[{name}] bad string input [{value}]", PROCESSING) from None
