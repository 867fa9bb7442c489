"""Core's own extensions: they go through the loader and the hooks like anybody's."""

BUILTIN_EXTENSIONS = (
    "nemeton.config.extension",
    "nemeton.model.extension",
    "nemeton.emitter.extension",
    "nemeton.query.extension",
    "nemeton.storage.extension",
    "nemeton.metadata.extension",
    "nemeton.discovery.extension",
    "nemeton.http.extension",
    "nemeton.ingest.extension",
    "nemeton.dataserver.extension",
    "nemeton.indexing.extension",
    "nemeton.coordinator.extension",
    "nemeton.sql.extension",
    "nemeton.cli.extension",
)
"""Modules with hook implementations, from the ground up."""
