"""Fills attrs classes from the properties below a prefix (Druid's ``JsonConfigurator``)."""

from __future__ import annotations

import functools
import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import attrs

from nemeton.config.problems import ConfigurationError, Problem
from nemeton.config.properties import Properties
from nemeton.config.secrets import is_secret
from nemeton.config.values import convert

T = TypeVar("T")

PROPERTY = "property"
"""Metadata key of an attrs field whose property is not the field's name in camelCase."""


SHOWN_DEFAULT = "shown_default"
"""Metadata key of an attrs field whose default depends on the machine: what the reference says of it."""


class JsonConverter(Protocol):
    """The part of ``Json`` that configuration needs."""

    @property
    def registry(self) -> Any:
        """The type registry behind it."""

    def structure(self, value: Any, cls: Any) -> Any:
        """Turn parsed JSON into the type; raises with the path of the fault."""


class JsonConfigurator:
    """Reads config classes from one set of properties. Thread-safe; without state beyond them."""

    def __init__(self, properties: Properties, json_converter: JsonConverter | None = None) -> None:
        self.properties = properties
        self._json = json_converter

    @property
    def registry(self) -> Any:
        """The type registry that choices are made from; None where there is none."""
        return self._json.registry if self._json is not None else None

    def configurate(self, prefix: str, config_class: type[T]) -> T:
        """Make the config object. Raises `ConfigurationError` that lists every fault below the prefix."""
        problems: list[Problem] = []
        made = self._read(prefix, config_class, problems)
        if problems:
            raise ConfigurationError(problems)
        return typing.cast(T, made)

    def check(self, configs: Iterable[tuple[str, type]], faults: Mapping[str, str] | None = None) -> None:
        """Try all config classes and raise one `ConfigurationError` with the faults of all.

        `faults` are properties whose faults are known already, with what is wrong.
        """
        problems: list[Problem] = []
        for name, message in (faults or {}).items():
            self._problem(problems, name, message)
        for prefix, config_class in configs:
            self._read(prefix, config_class, problems)
        if problems:
            raise ConfigurationError(dict.fromkeys(problems))

    def _read(self, prefix: str, config_class: type, problems: list[Problem]) -> Any:
        arguments: dict[str, Any] = {}
        before = len(problems)
        for field in fields_of(config_class):
            name = f"{prefix}.{property_name(field)}"
            if name in self.properties:
                self._read_value(name, field, arguments, problems)
            elif nested_class(field.type) is not None:
                arguments[field.alias or field.name] = self._read(name, nested_class(field.type), problems)  # type: ignore[arg-type]
            elif (entries := self._entries_below(name, field.type)) is not None:
                arguments[field.alias or field.name] = entries
            elif field.default is attrs.NOTHING:
                self._problem(problems, name, f"must be set ({_described(field)})")
        if len(problems) > before:
            return None
        return self._make(prefix, config_class, arguments, problems)

    def _read_value(
        self, name: str, field: attrs.Attribute[Any], arguments: dict[str, Any], problems: list[Problem]
    ) -> None:
        text = self.properties[name]
        try:
            arguments[field.alias or field.name] = convert(text, field.type, self._structure)
        except Exception as error:  # noqa: BLE001 - each fault becomes one line of the report
            # an error may quote the value
            message = f"cannot be read as {_described(field)}" if is_secret(name) else f"[{text}] {error}"
            self._problem(problems, name, message)

    def _entries_below(self, name: str, wanted: Any) -> dict[str, str] | None:
        """A map may also be given as one property for each entry."""
        if typing.get_origin(wanted) is not dict:
            return None
        start = name + "."
        found = {key.removeprefix(start): self.properties[key] for key in self.properties if key.startswith(start)}
        return found or None

    def _make(self, prefix: str, config_class: type, arguments: dict[str, Any], problems: list[Problem]) -> Any:
        try:
            return config_class(**arguments)
        except (ValueError, TypeError) as error:
            self._problem(problems, prefix, str(error.args[0] if error.args else error))
            return None

    def _structure(self, value: Any, wanted: Any) -> Any:
        if self._json is None:
            raise ValueError(f"cannot be read as {wanted} here: no JSON converter is at hand")
        return self._json.structure(value, wanted)

    def _problem(self, problems: list[Problem], name: str, message: str) -> None:
        problems.append(Problem(name, self.properties.origin(name), message))


def property_name(field: attrs.Attribute[Any]) -> str:
    """The last part of the property that fills the field: the metadata's, or the name in camelCase."""
    given = field.metadata.get(PROPERTY)
    if given is not None:
        return str(given)
    head, *rest = field.name.strip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


@functools.cache
def fields_of(config_class: type) -> tuple[attrs.Attribute[Any], ...]:
    """The fields of an attrs class that are set from outside, with resolved types."""
    attrs.resolve_types(config_class)
    return tuple(field for field in attrs.fields(config_class) if field.init)


def nested_class(wanted: Any) -> type | None:
    """The attrs class of a field that is a config of its own, one prefix deeper."""
    if isinstance(wanted, type) and attrs.has(wanted) and hasattr(wanted, "__config__"):
        return wanted
    return None


def names_below(prefix: str, config_class: type) -> Iterator[str]:
    """All properties that a config class reads; those of maps end in ``.*``."""
    for field in fields_of(config_class):
        name = f"{prefix}.{property_name(field)}"
        yield name
        nested = nested_class(field.type)
        if nested is not None:
            yield from names_below(name, nested)
        elif typing.get_origin(field.type) is dict:
            yield f"{name}.*"


def _described(field: attrs.Attribute[Any]) -> str:
    wanted = field.type
    return getattr(wanted, "__name__", None) or json.dumps(str(wanted))
