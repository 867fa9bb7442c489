"""What Coordinator and nodes tell each other of lookups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.spi.lookups import LookupExtractorFactory


def is_newer(version: str | None, than: str | None) -> bool:
    """Whether a version replaces another: as Java compares texts, none before any."""
    if version is None:
        return False
    return than is None or _java_order(version) > _java_order(than)


def _java_order(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


class Versioned(Protocol):
    """A lookup's specification, read or not."""

    @property
    def version(self) -> str | None:
        """Any text that grows; None in what very old clusters wrote."""
        ...


@frozen
class LookupExtractorFactoryMapContainer:
    """A lookup as the Coordinator stores it: what is in the factory is of no concern there (Druid's class)."""

    version: str | None
    lookup_extractor_factory: dict[str, Any] = field()

    @lookup_extractor_factory.validator
    def _is_there(self, attribute: Any, value: dict[str, Any] | None) -> None:
        if value is None:
            raise invalid_input("null factory")

    def replaces(self, other: Versioned) -> bool:
        """Whether this one takes the other's place."""
        return is_newer(self.version, other.version)

    def __str__(self) -> str:
        factory = java_text(self.lookup_extractor_factory)
        return f"LookupExtractorFactoryContainer{{version='{self.version}', lookupExtractorFactory={factory}}}"


@frozen
class LookupExtractorFactoryContainer:
    """A lookup as a node loads it (Druid's class of the same name)."""

    version: str | None
    lookup_extractor_factory: LookupExtractorFactory

    def replaces(self, other: LookupExtractorFactoryContainer) -> bool:
        """Whether this one takes the other's place; without versions, whether it is another one."""
        if self.version is None and other.version is None:
            return self.lookup_extractor_factory != other.lookup_extractor_factory
        return is_newer(self.version, other.version)


@frozen
class LookupsState:
    """The lookups of one node: loaded, to be loaded, to be dropped. As a request: what to load and to drop."""

    current: dict[str, LookupExtractorFactoryMapContainer] = field(factory=dict)
    to_load: dict[str, LookupExtractorFactoryMapContainer] = field(factory=dict)
    to_drop: frozenset[str] = frozenset()


@frozen
class AnyLookupsState:
    """`LookupsState` with anything for specifications.

    Nodes read it so, and look at each specification on its own: a bad one spoils no other.
    """

    current: dict[str, Any] = field(factory=dict)
    to_load: dict[str, Any] = field(factory=dict)
    to_drop: frozenset[str] = frozenset()


def java_text(value: Any) -> str:
    """A JSON value as Java shows a map of it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={java_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
