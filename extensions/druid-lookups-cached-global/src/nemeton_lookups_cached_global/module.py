"""The bindings of the extension."""

from __future__ import annotations

from nemeton.ingest.module import IngestModule
from nemeton.spi import Binder, Module
from nemeton_lookups_cached_global.cache import CacheScheduler
from nemeton_lookups_cached_global.config import JdbcAccessSecurityConfig, NamespaceExtractionConfig


class NamespaceExtractionModule(Module):
    """For the roles that load lookups."""

    roles = frozenset({"broker", "historical", "indexer", "peon"})

    def configure(self, binder: Binder) -> None:
        """The scheduler makes its threads when the first lookup comes."""
        binder.bind_config("druid.lookup.namespace", NamespaceExtractionConfig)
        binder.bind_config("druid.access.jdbc", JdbcAccessSecurityConfig)
        binder.declare_property("druid.lookup.namespace.cache.type")
        binder.install(IngestModule())  # what the input sources of files are given, which not every role binds
        binder.bind(CacheScheduler)
        binder.manage_lifecycle(CacheScheduler)
