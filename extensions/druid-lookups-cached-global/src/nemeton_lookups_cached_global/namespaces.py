"""Where a ``cachedNamespace`` lookup gets its keys and values: the ``type`` of ``extractionNamespace``."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, TypeVar

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.spi import LookupContext
from nemeton.time import Period

log = logging.getLogger(__name__)

#: What an entry costs beside its characters, about.
_ENTRY_BYTES = 160


@frozen
class Cached:
    """What was read, with a version that changes when the source does."""

    version: str
    entries: dict[str, str | None]


class ExtractionNamespace(ABC):
    """A source of keys and values (Druid's class of the same name)."""

    type_name: ClassVar[str]

    @property
    @abstractmethod
    def poll_s(self) -> float:
        """Seconds between two looks; 0: values are read once."""

    @property
    def jitter_s(self) -> float:
        """Up to so many seconds pass before the first look."""
        return 0.0

    @property
    def load_timeout_s(self) -> float:
        """How long an update of the lookup waits for its first values, in seconds."""
        return 60.0

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
        return one_of(kinds, value, json, "type", "extractionNamespace")

    def to_json(self, json: Any) -> dict[str, Any]:
        """As it was given."""
        return {"type": self.type_name, **json.unstructure_fields(self)}


class Named(Protocol):
    """A kind of something, with its name in JSON."""

    type_name: ClassVar[str]


T = TypeVar("T", bound=Named)


def one_of(kinds: tuple[type[T], ...], value: Any, json: Any, tag: str, what: str) -> T:
    """The object of the kind that a property names. Raises for another."""
    name = value.get(tag) if isinstance(value, dict) else None
    for kind in kinds:
        if kind.type_name == name:
            found: T = json.structure_fields(value, kind)
            return found
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


@frozen(kw_only=True)
class PolledNamespace(ExtractionNamespace):
    """One that is looked at every ``poll_period``, and warns of values that take much memory."""

    poll_period: Any = None
    max_heap_percentage: int = 10

    def __attrs_post_init__(self) -> None:
        period_s(self.poll_period)

    @property
    def poll_s(self) -> float:
        """``pollPeriod``."""
        return period_s(self.poll_period)

    def warn_if_large(self, entries: dict[str, str | None], what: str) -> None:
        """Log a warning when the values take more than ``maxHeapPercentage`` of the machine's memory."""
        import psutil

        size = sum(2 * (len(key) + len(value or "")) + _ENTRY_BYTES for key, value in entries.items())
        limit = psutil.virtual_memory().total * self.max_heap_percentage / 100
        if size > limit:
            log.warning("[%s] exceeded the byteLimit of [%d]. Current bytes [%d]", what, limit, size)


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
