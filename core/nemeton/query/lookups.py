"""Lookups by name at query time."""

from __future__ import annotations

from nemeton.common.errors import QueryException
from nemeton.spi.query import LookupProvider


class NoLookups:
    """A process without lookups."""

    def get(self, name: str) -> dict[str, str | None] | None:
        """None."""
        return None


_provider: LookupProvider = NoLookups()


def use_lookups(provider: LookupProvider) -> None:
    """Set where this process finds lookups."""
    global _provider
    _provider = provider


def registered_lookup(name: str) -> dict[str, str | None]:
    """The map of a lookup; raises as Druid does when there is none."""
    found = _provider.get(name)
    if found is None:
        raise QueryException(
            QueryException.UNKNOWN, f"Lookup [{name}] not found", error_class="org.apache.druid.java.util.common.ISE"
        )
    return found
