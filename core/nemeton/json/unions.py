"""Type-tagged unions: JSON objects whose ``type`` says which class of an extension point they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nemeton.json.errors import JsonError, expected, within
from nemeton.plugins import ExtensionPoint, LazyImportError, UnknownTypeError, own_point, point_of, type_names

if TYPE_CHECKING:
    from nemeton.json.converter import Json

Hook = Callable[[Any, Any], Any]


def union_reader(base: type, json: Json) -> Hook:
    """Reads any member of the extension point. The registry is asked at each use, so that late members count."""
    point = own_point(base)
    assert point is not None
    readers: dict[str, tuple[type, Hook]] = {}

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            if isinstance(value, base):
                return value
            given, value = value, None if point.shorthand is None else point.shorthand(value)
            if not isinstance(value, Mapping):
                raise expected(f"a {point.name} object", given)
        name = value.get(point.tag) or point.default
        if type(name) is not str:
            raise _bad_tag(point, name, json, base)
        reader = readers.get(name)
        if reader is None:
            cls = _member(base, name, point, json)
            reader = readers[name] = (cls, json.converter.get_structure_hook(cls, cache_result=False))
        return reader[1](value, reader[0])

    return read


def _member(base: type, name: str, point: ExtensionPoint, json: Json) -> type:
    try:
        return json.registry.get(base, name)
    except UnknownTypeError as e:
        if point.default_for_unknown and point.default is not None:
            return json.registry.get(base, point.default)
        raise within(point.tag, e) from None
    except LazyImportError as e:
        raise JsonError(f"the class of {point.name} type [{name}] cannot be imported: {e}", (point.tag,)) from e


def _bad_tag(point: ExtensionPoint, name: Any, json: Json, base: type) -> JsonError:
    known = f"the type of {point.name}, one of [{', '.join(json.registry.names(base))}]"
    return (
        JsonError(f"is required: {known}", (point.tag,)) if name is None else within(point.tag, expected(known, name))
    )


def tag_of(cls: type, json: Json) -> tuple[str, str] | None:
    """The property and the type name that a member of an extension point is written with; None for other classes."""
    point = point_of(cls)
    if point is None:
        return None
    for ancestor in cls.__mro__:
        names = type_names(ancestor)
        if names:
            return point.tag, names[0]
    raise TypeError(f"{cls.__qualname__} is a {point.name} without a type name; decorate it with @json_type")
