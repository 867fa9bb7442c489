"""How an attrs class says what its JSON looks like, where the defaults do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from attrs import frozen

_KEY = "nemeton.json"
C = TypeVar("C", bound=type)


@frozen
class Wire:
    """How one field is written and read; see `wire`."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    as_datetime: bool = False
    omit_none: bool = False
    omit_default: bool = False
    skip: bool = False
    injected: bool = False


@frozen
class Options:
    """How the objects of one class are written; see `json_options`."""

    omit_none: bool = False
    omit_defaults: bool = False


def wire(
    name: str | None = None,
    *,
    aliases: tuple[str, ...] = (),
    as_datetime: bool = False,
    omit_none: bool = False,
    omit_default: bool = False,
    skip: bool = False,
    injected: bool = False,
) -> dict[str, Any]:
    """Metadata of an attrs field: ``size: int = field(metadata=wire("otherName"))``.

    Without a name the field's own is used in camelCase. ``aliases`` are read too, never written. ``as_datetime``: epoch
    milliseconds here, ISO 8601 in JSON (numbers are read as well). ``omit_none`` and ``omit_default`` leave the
    property out when it is None or equals its default. ``skip`` keeps the field out of JSON in both directions;
    ``injected`` too, and it is filled by its type from the injector when the object is read (Jackson's
    ``@JacksonInject``).
    """
    return {_KEY: Wire(name, aliases, as_datetime, omit_none, omit_default, skip, injected)}


def json_options(*, omit_none: bool = False, omit_defaults: bool = False) -> Callable[[C], C]:
    """Decorate an attrs class: properties that are None, or that equal their defaults, are not written."""
    options = Options(omit_none, omit_defaults)

    def mark(cls: C) -> C:
        cls.__json_options__ = options  # type: ignore[attr-defined]
        return cls

    return mark


def options_of(cls: type) -> Options:
    """The options of the class or of the one it inherits them from."""
    found: Options = getattr(cls, "__json_options__", Options())
    return found


def wire_of(attribute: attrs.Attribute[Any]) -> Wire:
    """What the field's metadata says."""
    found: Wire = attribute.metadata.get(_KEY, Wire())
    return found


def wire_name(attribute: attrs.Attribute[Any]) -> str:
    """The JSON property of the field."""
    return wire_of(attribute).name or camel_case(attribute.name)


def camel_case(name: str) -> str:
    """``max_rows_per_segment`` → ``maxRowsPerSegment``; leading and trailing underscores fall off."""
    return re.sub(r"_+([a-zA-Z0-9])", lambda match: match.group(1).upper(), name.strip("_"))
