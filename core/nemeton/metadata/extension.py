"""Core's own metadata store types."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def metadata_stores() -> list[type | LazyType]:
    """The store that needs no server, and the one that is refused."""
    return [
        lazy("sqlite", "nemeton.metadata.sqlite:SqliteDialect"),
        lazy("derby", "nemeton.metadata.derby:RefusedDerbyDialect"),
    ]
