"""Where a ``cachedNamespace`` lookup gets its keys and values: the ``type`` of ``extractionNamespace``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.spi import LookupContext
from nemeton.time import Period


@frozen
class Cached:
    """What was read, with a version that changes when the source does."""

    version: str
    entries: dict[str, str | None]


class ExtractionNamespace(ABC):
    """A source of keys and values (Druid's class of the same name)."""

    type_name: ClassVar[str]

    #: How long an update of the lookup waits for its first values, in seconds.
    load_timeout_s: float = 60.0

    @property
    @abstractmethod
    def poll_s(self) -> float:
        """Seconds between two looks; 0: values are read once."""

    @property
    def jitter_s(self) -> float:
        """Up to so many seconds pass before the first look."""
        return 0.0

    @abstractmethod
    def load(self, last_version: str | None, context: LookupContext) -> Cached | None:
        """Read all keys and values; None when nothing has changed since the last version. Raises where it fails."""

    @staticmethod
    def from_json(value: Any, json: Any) -> ExtractionNamespace:
        """By ``type``: ``uri``, ``jdbc``, ``staticMap``."""
        from nemeton_lookups_cached_global.jdbc import JdbcExtractionNamespace
        from nemeton_lookups_cached_global.uri import UriExtractionNamespace

        kinds: tuple[type[ExtractionNamespace], ...] = (
            UriExtractionNamespace,
            JdbcExtractionNamespace,
            StaticMapExtractionNamespace,
        )
        return one_of(kinds, value, json, "type", "extractionNamespace")  # type: ignore[no-any-return]

    def to_json(self, json: Any) -> dict[str, Any]:
        """As it was given."""
        return {"type": self.type_name, **json.unstructure_fields(self)}


def one_of(kinds: tuple[type[Any], ...], value: Any, json: Any, tag: str, what: str) -> Any:
    """The object of the kind that a property names. Raises for another."""
    name = value.get(tag) if isinstance(value, dict) else None
    for kind in kinds:
        if kind.type_name == name:
            return json.structure_fields(value, kind)
    known = ", ".join(kind.type_name for kind in kinds)
    raise invalid_input(f"{what}: [{name}] is no known {tag}; known are {known}")


def period_s(value: Any) -> float:
    """Seconds of a period as JSON has it: ISO 8601, or a number of milliseconds; 0 for none."""
    if value is None:
        return 0.0
    seconds = float(value) / 1000 if isinstance(value, int | float) else Period.parse(str(value)).to_seconds()
    if seconds < 0:
        raise invalid_input(f"pollPeriod [{value}] must not be negative")
    return seconds


@frozen
class StaticMapExtractionNamespace(ExtractionNamespace):
    """Keys and values that are written out."""

    type_name: ClassVar[str] = "staticMap"

    map: dict[str, str | None]

    @property
    def poll_s(self) -> float:
        """Never again."""
        return 0.0

    def load(self, last_version: str | None, context: LookupContext) -> Cached | None:
        """See `ExtractionNamespace`."""
        return Cached("static", self.map)
