"""From the text of a property to a value of the type that a config class asks for."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nemeton.common.units import parse_bytes
from nemeton.time import Interval, Period

Structure = Callable[[Any, Any], Any]
"""Turns parsed JSON into a type, with the process's type registry: ``Json.structure``."""


class HumanReadableBytes(int):
    """A number of bytes; in properties also with a unit: ``500MiB``, ``1g``, ``2GB``."""

    @classmethod
    def parse(cls, text: str) -> HumanReadableBytes:
        """Read a number with an optional unit. Raises ValueError."""
        return cls(parse_bytes(text))

    @classmethod
    def from_json(cls, value: Any) -> HumanReadableBytes:
        """In JSON: a number, or a text with a unit. Raises ValueError."""
        return cls.parse(value if isinstance(value, str) else str(value))


def convert(text: str, wanted: Any, structure: Structure) -> Any:
    """Turn the text into the wanted type. Raises ValueError with what would be right."""
    origin = typing.get_origin(wanted)
    arguments = typing.get_args(wanted)
    if origin is typing.Annotated:
        return convert(text, arguments[0], structure)
    if origin in (typing.Union, types.UnionType):
        return _optional(text, arguments, structure)
    if origin in (list, tuple, set, frozenset) or wanted in (list, tuple, set, frozenset):
        return _items(text, origin or wanted, arguments, structure)
    if origin in (dict, Mapping) or wanted is dict:
        return _entries(text, arguments, structure)
    simple = _SIMPLE.get(wanted)
    if simple is not None:
        return simple(text)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _member(text, wanted)
    return _structured(text, wanted, structure)


def _optional(text: str, arguments: tuple[Any, ...], structure: Structure) -> Any:
    present = [argument for argument in arguments if argument is not type(None)]
    if text.strip() in ("", "null") and len(present) < len(arguments):
        return None
    errors = []
    for argument in present:
        try:
            return convert(text, argument, structure)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError("; or: ".join(errors))


def _items(text: str, kind: Any, arguments: tuple[Any, ...], structure: Structure) -> Any:
    values = _json(text, list, 'a JSON list such as ["a","b"]')
    element = arguments[0] if arguments else Any
    return kind(_from_json(value, element, structure) for value in values)


def _entries(text: str, arguments: tuple[Any, ...], structure: Structure) -> Any:
    values = _json(text, dict, 'a JSON object such as {"a":"b"}')
    element = arguments[1] if arguments else Any
    return {key: _from_json(value, element, structure) for key, value in values.items()}


def _json(text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError(f"must be {what}") from None
    if not isinstance(value, kind):
        raise ValueError(f"must be {what}")
    return value


def _from_json(value: Any, wanted: Any, structure: Structure) -> Any:
    if wanted is Any:
        return value
    if wanted in _SIMPLE:
        return convert(value if isinstance(value, str) else json.dumps(value), wanted, structure)
    return structure(value, wanted)


def _structured(text: str, wanted: Any, structure: Structure) -> Any:
    """A value that Druid's JSON describes: an object, or a plain string for types that take one."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return structure(value, wanted)


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def _integer(text: str) -> int:
    try:
        return int(text.strip().replace("_", ""))
    except ValueError:
        raise ValueError("must be an integer") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def _period(text: str) -> Period:
    try:
        return Period.parse(text.strip().strip('"'))
    except Exception:  # noqa: BLE001 - whatever the parser raises, the operator needs the same advice
        raise ValueError("must be an ISO-8601 period such as PT5M or P1D") from None


def _interval(text: str) -> Interval:
    try:
        return Interval.parse(text.strip().strip('"'))
    except Exception:  # noqa: BLE001 - see _period
        raise ValueError("must be an ISO-8601 interval such as 2013-01-01/P1M") from None


def _bytes(text: str) -> HumanReadableBytes:
    try:
        return HumanReadableBytes.parse(text)
    except Exception:  # noqa: BLE001 - see _period
        raise ValueError("must be a number of bytes such as 1048576, 500MiB or 1GB") from None


def _member(text: str, wanted: type[enum.Enum]) -> enum.Enum:
    for member in wanted:
        if text.strip().lower() in (str(member.value).lower(), member.name.lower()):
            return member
    raise ValueError(f"must be one of {[str(member.value) for member in wanted]}")


def _path(text: str) -> Path:
    return Path(text).expanduser()


_SIMPLE: dict[Any, Callable[[str], Any]] = {
    Any: str,
    str: str,
    int: _integer,
    float: _float,
    bool: _boolean,
    Path: _path,
    Period: _period,
    Interval: _interval,
    HumanReadableBytes: _bytes,
}
