"""Lookups by name at query time, and the kind that holds its map itself."""

from __future__ import annotations

import contextvars
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from attrs import field, frozen

from nemeton.common.closing import close_if_possible
from nemeton.common.errors import illegal_state
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.lookups import LookupExtractor, LookupExtractorFactory, LookupProvider

T = TypeVar("T")


class MapLookup(LookupExtractor):
    """A lookup of a map in memory, which nobody may change any more."""

    def __init__(
        self, entries: Mapping[str, str | None], *, is_one_to_one: bool = False, version: str | None = None
    ) -> None:
        """``version``: what tells this map from others of the same lookup; without one its content is hashed."""
        self._entries = entries
        self._is_one_to_one = is_one_to_one
        self._version = version

    @property
    def is_one_to_one(self) -> bool:
        """See `LookupExtractor`."""
        return self._is_one_to_one

    def apply(self, key: str) -> str | None:
        """See `LookupExtractor`."""
        return self._entries.get(key)

    def apply_all(self, keys: Sequence[str | None]) -> list[str | None]:
        """See `LookupExtractor`."""
        get: Any = self._entries.get
        return [None if key is None else get(key) for key in keys]

    def as_map(self) -> Mapping[str, str | None]:
        """See `LookupExtractor`."""
        return self._entries

    def cache_key(self) -> bytes:
        """See `LookupExtractor`."""
        return self._cache_key

    @cached_property
    def _cache_key(self) -> bytes:
        if self._version is not None:
            return self._version.encode()
        digest = hashlib.sha256(b"1" if self._is_one_to_one else b"0")
        for key, value in self._entries.items():
            for text in (key, value):
                encoded = b"" if text is None else text.encode("utf-8", "surrogatepass")
                digest.update(b"%d:" % (-1 if text is None else len(encoded)) + encoded)
        return digest.digest()


@json_type("map")
@frozen
class MapLookupExtractorFactory(LookupExtractorFactory):
    """Keys and values in the configuration itself (Druid's class of the same name)."""

    map: dict[str, str | None]
    is_one_to_one: bool = False
    _made: MapLookup = field(init=False, eq=False, repr=False, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_made", MapLookup(self.map, is_one_to_one=self.is_one_to_one))

    def get(self) -> LookupExtractor:
        """See `LookupExtractorFactory`."""
        return self._made


class FixedLookups:
    """A `LookupProvider` of maps that are given; none by default."""

    def __init__(self, lookups: Mapping[str, Mapping[str, str | None]] | None = None) -> None:
        self._lookups = {name: MapLookup(entries) for name, entries in (lookups or {}).items()}

    def get(self, name: str) -> LookupExtractor | None:
        """See `LookupProvider`."""
        return self._lookups.get(name)

    def names(self) -> list[str]:
        """See `LookupProvider`."""
        return list(self._lookups)


_in_use: contextvars.ContextVar[LookupProvider] = contextvars.ContextVar("lookups", default=FixedLookups())  # noqa: B039


@contextmanager
def lookups_in_use(provider: LookupProvider | None) -> Iterator[None]:
    """Within it, code of this thread finds its lookups there; None changes nothing.

    A process may hold several roles, with lookups of different tiers: hence no setting of the process.
    """
    if provider is None:
        yield
        return
    token = _in_use.set(provider)
    try:
        yield
    finally:
        _in_use.reset(token)


def lazily_with_lookups(provider: LookupProvider | None, items: Iterator[T]) -> Iterator[T]:
    """The same items; what is computed when they are asked for finds its lookups there, too."""
    if provider is None:
        return items
    with lookups_in_use(provider):
        return _each_in(contextvars.copy_context(), items)


def _each_in(context: contextvars.Context, items: Iterator[T]) -> Iterator[T]:
    end: Any = object()
    try:
        while (item := context.run(next, items, end)) is not end:
            yield item
    finally:
        close_if_possible(items)


def find_lookup(name: str) -> LookupExtractor | None:
    """The lookup of that name in this thread's role, None where there is none."""
    return _in_use.get().get(name)


def registered_lookup(name: str) -> LookupExtractor:
    """As `find_lookup`; raises as Druid does when there is none."""
    found = find_lookup(name)
    if found is None:
        raise illegal_state(f"Lookup [{name}] not found")
    return found
