"""What authors of kinds of lookups implement: maps from keys to values, by name, that every node of a tier holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import frozen

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.common.clock import Clock
    from nemeton.json import Json

__all__ = ["LookupContext", "LookupExtractor", "LookupExtractorFactory", "LookupProvider"]


class LookupExtractor(ABC):
    """What a lookup says at one moment (Druid's class of the same name). It does not change, and is thread-safe."""

    @property
    def is_one_to_one(self) -> bool:
        """Whether no two keys have the same value, and every value of a column has one."""
        return False

    @abstractmethod
    def apply(self, key: str) -> str | None:
        """The value of a key, None where there is none."""

    def apply_all(self, keys: Sequence[str | None]) -> list[str | None]:
        """The values of many keys; that of a null key is null."""
        apply = self.apply
        return [None if key is None else apply(key) for key in keys]

    def as_map(self) -> Mapping[str, str | None] | None:
        """All keys and values; None where they cannot be listed. Then the lookup is no data source."""
        return None

    def cache_key(self) -> bytes | None:
        """What is different whenever any value is; None where that cannot be told, and nothing may be cached."""
        return None


@frozen(kw_only=True)
class LookupContext:
    """What a lookup may use on the node where it is loaded. ``get`` gives what the role's modules bind."""

    clock: Clock
    json: Json
    get: Callable[[type[Any]], Any]


@extension_point(hook="lookups", name="lookup type")
class LookupExtractorFactory(ABC):
    """One lookup as it is configured: fills itself, and gives the newest state (Druid's class of the same name).

    Subclasses are attrs classes; their fields are the JSON of ``lookupExtractorFactory``. Two with the same JSON are
    two lookups: keep what is loaded in the object, in fields marked ``wire(skip=True)``.
    """

    def start(self, context: LookupContext) -> bool:
        """Begin to load; False, or an exception, where it failed and may be tried again. May wait, within a bound.

        Called before anything else, and once again after each failure; on threads of the node's lookup manager.
        """
        return True

    def close(self) -> None:  # noqa: B027 - optional
        """The node stops: let threads and connections go. Called once, also where `start` failed."""

    def destroy(self) -> None:
        """The lookup is dropped or replaced: as `close`, and whatever it has left on disk goes, too."""
        self.close()

    @property
    def is_initialized(self) -> bool:
        """Whether there is something to look up in. A new version takes over only when it is."""
        return True

    def await_initialization(self) -> None:  # noqa: B027 - optional
        """Wait until it `is_initialized`, within a bound of its own. Raises TimeoutError."""

    @abstractmethod
    def get(self) -> LookupExtractor:
        """The newest state. Raises a ``DruidException`` where there is none yet. Called once a query and block."""

    @property
    def version(self) -> str | None:
        """The version of the loaded state, which introspection shows; None for lookups that have none."""
        return None


@runtime_checkable
class LookupProvider(Protocol):
    """Finds a lookup by name at query time (Druid: ``LookupExtractorFactoryContainerProvider``). Thread-safe."""

    def get(self, name: str) -> LookupExtractor | None:
        """The lookup's newest state, or None when there is no such lookup here. Raises what `LookupExtractorFactory`
        does."""
        ...

    def names(self) -> Iterable[str]:
        """The names of all lookups here."""
        ...
