"""Core's own metadata store types, and the metadata of data sources that read no stream."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def metadata_stores() -> list[type | LazyType]:
    """The store that needs no server, and the one that is refused."""
    return [
        lazy("sqlite", "nemeton.metadata.sqlite:SqliteDialect"),
        lazy("derby", "nemeton.metadata.derby:RefusedDerbyDialect"),
    ]


@hookimpl
def data_source_metadata() -> list[type | LazyType]:
    """The kind that belongs to no stream."""
    return [lazy("object", "nemeton.metadata.object_metadata:ObjectMetadata")]
