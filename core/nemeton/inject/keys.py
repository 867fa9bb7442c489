"""Keys of bindings, and how the annotations of a constructor name them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class Named:
    """Tells bindings of one type apart: ``Annotated[DruidLeaderSelector, Named("overlord")]``."""

    name: str


class Provider(Generic[T]):
    """Annotate a parameter ``Provider[T]`` to get T when it is first needed; this also breaks a cycle.

    Call it to get the object.
    """

    def __init__(self, supply: Callable[[], T]) -> None:
        self._supply = supply

    def __call__(self) -> T:
        """Give the object, making it if need be; raises what its constructor raises."""
        return self._supply()


@frozen
class Key:
    """What a binding is found by: a type, and a name where there are several of that type."""

    type: Any
    name: str | None = None

    def __str__(self) -> str:
        shown = getattr(self.type, "__qualname__", None) if isinstance(self.type, type) else None
        text = shown or str(self.type).replace("typing.", "")
        return f'{text} named "{self.name}"' if self.name else text


def set_key(element: Key) -> Key:
    """The key under which a set of the element is asked for: ``list[T]``."""
    return Key(types.GenericAlias(list, (element.type,)), element.name)


def map_key(element: Key) -> Key:
    """The key under which a map to the element is asked for: ``dict[str, T]``."""
    return Key(types.GenericAlias(dict, (str, element.type)), element.name)


@frozen
class Dependency:
    """One parameter of a constructor or provider function, as the injector sees it."""

    parameter: str
    key: Key
    required: bool
    lazy: bool
    """Asked for as ``Provider[T]``."""


def dependencies_of(target: Callable[..., Any]) -> list[Dependency]:
    """Read what `target` (a class or function) wants injected. Raises TypeError for a parameter without annotation."""
    function = _constructor(target) if isinstance(target, type) else target
    if function is object.__init__:
        return []
    hints = _hints(target, function)
    return list(_read(target, inspect.signature(function), hints))


def _constructor(cls: type) -> Callable[..., Any]:
    constructor: Callable[..., Any] = cls.__init__  # type: ignore[misc]
    return constructor


def _hints(target: Callable[..., Any], function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        # names under TYPE_CHECKING: an attrs class knows its fields' resolved types no better, so say which class it is
        raise TypeError(
            f"The annotations of {_name(target)} cannot be resolved at run time; "
            "import the types of its constructor's parameters outside TYPE_CHECKING"
        ) from None


def _read(target: Callable[..., Any], signature: inspect.Signature, hints: dict[str, Any]) -> Iterator[Dependency]:
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        if (index == 0 and name == "self") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        optional = parameter.default is not parameter.empty
        if name not in hints:
            if optional:
                continue
            raise TypeError(f"Parameter [{name}] of {_name(target)} has no annotation, so nothing can be injected")
        key, lazy = key_of(hints[name])
        yield Dependency(name, key, not optional, lazy)


def key_of(annotation: Any) -> tuple[Key, bool]:
    """Turn an annotation into its key, and whether it is asked for lazily."""
    lazy = False
    name = None
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation, *marks = typing.get_args(annotation)
            name = next((mark.name for mark in marks if isinstance(mark, Named)), name)
        elif origin is Provider:
            (annotation,) = typing.get_args(annotation)
            lazy = True
        elif origin in (typing.Union, types.UnionType):
            present = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
            if len(present) != 1:
                return Key(annotation, name), lazy
            annotation = present[0]
        else:
            return Key(annotation, name), lazy


def _name(target: Callable[..., Any]) -> str:
    return getattr(target, "__qualname__", repr(target))
