"""Arrays, objects with free keys, and unions of plain types."""

from __future__ import annotations

import types
import typing
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from typing import Any, Union, get_args, get_origin

from cattrs import Converter

from nemeton.json.errors import JsonError, expected, within
from nemeton.json.scalars import READERS

Hook = Callable[[Any, Any], Any]

_ARRAYS: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: lambda items: items,
    Sequence: lambda items: items,
    MutableSequence: lambda items: items,
    Iterable: lambda items: items,
    Collection: lambda items: items,
    tuple: tuple,
    set: set,
    Set: frozenset,
    MutableSet: set,
    frozenset: frozenset,
}
_MAPS = (dict, Mapping, MutableMapping)


def is_array(annotation: Any) -> bool:
    """Whether a JSON array is read into it."""
    return (get_origin(annotation) or annotation) in _ARRAYS


def is_map(annotation: Any) -> bool:
    """Whether a JSON object of free keys is read into it."""
    return (get_origin(annotation) or annotation) in _MAPS


def is_union(annotation: Any) -> bool:
    """Whether it is a union, ``X | None`` among them."""
    return get_origin(annotation) in (Union, types.UnionType)


def array_reader(annotation: Any, converter: Converter) -> Hook:
    """Reads ``list[X]``, ``tuple[X, ...]``, ``tuple[X, Y]``, ``frozenset[X]`` and the like."""
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin is tuple and args and args[-1] is not Ellipsis:
        return _fixed_tuple_reader(args, converter)
    build = _ARRAYS[origin]
    item = args[0] if args else Any
    if item is Any:
        return lambda value, _: build(list(_array(value)))

    as_they_are = {item} if item in READERS else None
    read_item = READERS.get(item) or converter.get_structure_hook(item, cache_result=False)

    def read(value: Any, _: Any) -> Any:
        elements = _array(value)
        if as_they_are is not None and set(map(type, elements)) <= as_they_are:
            return build(list(elements))
        items: list[Any] = []
        append = items.append
        try:
            for element in elements:
                append(read_item(element, item))
        except Exception as e:  # noqa: BLE001 - whatever reading raised is told with its place
            raise within(len(items), e) from None
        return build(items)

    return read


def _array(value: Any) -> Collection[Any]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise expected("an array", value)
    return value


def _fixed_tuple_reader(args: tuple[Any, ...], converter: Converter) -> Hook:
    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if len(_array(value)) != len(args):
            raise JsonError(f"expected an array of {len(args)} elements, got {len(value)}")
        items: list[Any] = []
        for element, item in zip(value, args, strict=True):
            try:
                items.append(converter.structure(element, item))
            except Exception as e:  # noqa: BLE001 - whatever reading raised is told with its place
                raise within(len(items), e) from None
        return tuple(items)

    return read


def map_reader(annotation: Any, converter: Converter) -> Hook:
    """Reads ``dict[K, V]`` and ``Mapping[K, V]``."""
    key, item = get_args(annotation) or (Any, Any)

    def read_plain(value: Any, _: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise expected("an object", value)
        return dict(value)

    if key in (Any, str) and item is Any:
        return read_plain

    def read(value: Any, _: Any) -> dict[Any, Any]:
        result = {}
        for name, element in read_plain(value, None).items():
            try:
                result[read_key(name, key)] = read_item(element, item)
            except Exception as e:  # noqa: BLE001 - whatever reading raised is told with its place
                raise within(name, e) from None
        return result

    read_key, read_item = (converter.get_structure_hook(t, cache_result=False) for t in (key, item))
    return read


def union_reader(annotation: Any, converter: Converter) -> Hook:
    """Reads ``X | None`` and unions: the member whose JSON type fits exactly, else the first that can read it."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    nullable = len(members) < len(get_args(annotation))
    if len(members) == 1:
        return _optional_reader(members[0], converter)
    scalars = {member for member in members if member in READERS}

    def read(value: Any, _: Any) -> Any:
        if value is None and nullable:
            return None
        if type(value) in scalars or Any in members:
            return value
        problems = []
        for member in sorted(members, key=lambda m: m in scalars):
            try:
                return converter.structure(value, member)
            except Exception as e:  # noqa: BLE001 - the next member may fit
                problems.append(within("", e).problem)
        raise JsonError("; or ".join(dict.fromkeys(problems)))

    return read


def _optional_reader(member: Any, converter: Converter) -> Hook:
    def read(value: Any, _: Any) -> Any:
        return None if value is None else read_member(value, member)

    read_member = converter.get_structure_hook(member, cache_result=False)
    return read


def literal_reader(annotation: Any) -> Hook:
    """Reads ``Literal["a", "b"]``."""
    options = get_args(annotation)

    def read(value: Any, _: Any) -> Any:
        if isinstance(value, str | int) and value in options:
            return value
        raise expected(f"one of [{', '.join(map(str, options))}]", value)

    return read


def is_literal(annotation: Any) -> bool:
    """Whether it is a ``Literal``."""
    return get_origin(annotation) is typing.Literal
