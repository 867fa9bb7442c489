"""SQL's schema ``lookup``: the lookups that this Broker has loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nemeton.common.errors import illegal_state
from nemeton.spi.lookups import LookupProvider


class BrokerLookupSchema:
    """The Broker's `nemeton.sql.catalog.LookupSchema`. Thread-safe."""

    def __init__(self, provider: LookupProvider) -> None:
        self._provider = provider

    def lookups(self) -> Mapping[str, Mapping[str, str | None]]:
        """All lookups by name; what is in one is looked at when it is read, since it may not be loaded yet."""
        return {name: _Entries(self._provider, name) for name in self._provider.names()}


class _Entries(Mapping[str, "str | None"]):
    """Keys and values of one lookup as they are now."""

    def __init__(self, provider: LookupProvider, name: str) -> None:
        self._provider = provider
        self._name = name

    def _map(self) -> Mapping[str, str | None]:
        lookup = self._provider.get(self._name)
        entries = {} if lookup is None else lookup.as_map()
        if entries is None:
            raise illegal_state(f"Cannot retrieve map view from lookup[{self._name}]")
        return entries

    def __getitem__(self, key: str) -> str | None:
        return self._map()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._map())

    def __len__(self) -> int:
        return len(self._map())
