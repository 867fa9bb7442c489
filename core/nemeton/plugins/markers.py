"""The marks that extensions and the framework put on hooks, on abstract bases and on classes.

They only leave notes on what they mark; the loader and the registry read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, overload

import pluggy
from attrs import field, frozen

from nemeton.plugins.lazytype import LazyType
from nemeton.plugins.stability import Stability

PROJECT = "nemeton"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of an extension as the implementation of the hook of the same name."""

_mark_spec = pluggy.HookspecMarker(PROJECT)

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

HookKind = Literal["types", "modules", "objects"]


@frozen
class HookInfo:
    """What a hookspec says of itself beyond its signature.

    ``kind``: ``types`` — the hook returns classes (or `LazyType`) that are filed in the registry by type name, once, at
    start; ``modules`` — it returns inject Modules; ``objects`` — whatever the part that calls it expects.
    ``roles``: the roles (``"overlord"`` …) in whose processes the hook counts; None means all.
    """

    kind: HookKind = "types"
    roles: frozenset[str] | None = None
    stability: Stability = "unstable"


@overload
def hookspec(function: F) -> F: ...
@overload
def hookspec(
    *, kind: HookKind = "types", roles: Iterable[str] | None = None, stability: Stability = "unstable"
) -> Callable[[F], F]: ...
def hookspec(
    function: F | None = None,
    *,
    kind: HookKind = "types",
    roles: Iterable[str] | None = None,
    stability: Stability = "unstable",
) -> F | Callable[[F], F]:
    """Declare a hook; used bare (a hook that returns classes) or with arguments, see `HookInfo`."""

    def mark(spec: F) -> F:
        spec.__hook_info__ = HookInfo(kind, None if roles is None else frozenset(roles), stability)  # type: ignore[attr-defined]
        return _mark_spec(spec)

    return mark if function is None else mark(function)


def hook_info(spec: Callable[..., Any]) -> HookInfo:
    """What the hookspec said of itself."""
    info: HookInfo = getattr(spec, "__hook_info__", HookInfo())
    return info


@frozen
class ExtensionPoint:
    """The note on the abstract base of a family of types.

    ``hook`` is the hook that brings its members in, ``name`` what messages call one, ``default`` the type name that
    a JSON object without a tag has (None: the tag is required), ``tag`` the JSON property that holds the type name.
    With ``default_for_unknown`` the default is taken for names that nobody knows too (Jackson's ``defaultImpl``).
    """

    hook: str
    name: str
    default: str | None = None
    tag: str = "type"
    shorthand: Callable[[Any], Any] | None = field(default=None, eq=False)
    default_for_unknown: bool = False


def extension_point(
    *,
    hook: str,
    name: str,
    default: str | None = None,
    tag: str = "type",
    shorthand: Callable[[Any], Any] | None = None,
    default_for_unknown: bool = False,
) -> Callable[[C], C]:
    """Make a class the base of a family of types that extensions add to.

    An annotation with that class is a tagged union in JSON. ``shorthand`` turns JSON that is no object (``"page"`` for
    a dimension) into the object it stands for.
    """
    point = ExtensionPoint(hook, name, default, tag, shorthand, default_for_unknown)

    def mark(cls: C) -> C:
        cls.__extension_point__ = point  # type: ignore[attr-defined]
        return cls

    return mark


def own_point(cls: Any) -> ExtensionPoint | None:
    """The extension point that this very class is the base of."""
    return cls.__dict__.get("__extension_point__") if isinstance(cls, type) else None


def point_of(cls: type) -> ExtensionPoint | None:
    """The extension point that the class is the base or a member of."""
    return getattr(cls, "__extension_point__", None)


def json_type(name: str, *aliases: str) -> Callable[[C], C]:
    """Give a concrete class its type name in JSON and in properties; aliases are only read, never written."""

    def mark(cls: C) -> C:
        cls.__json_type__ = (name, *aliases)  # type: ignore[attr-defined]
        return cls

    return mark


def type_names(cls: type) -> tuple[str, ...]:
    """The type names of a concrete class, its main one first; empty when the class itself was given none."""
    names: tuple[str, ...] = cls.__dict__.get("__json_type__", ())
    return names


def lazy(name: str, target: str, *aliases: str) -> LazyType:
    """A class by dotted name (``"package.module:Class"``), imported when it is first needed."""
    return LazyType(name, target, aliases)
