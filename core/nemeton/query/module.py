"""The bindings of the query room."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.plugins import TypeRegistry
from nemeton.query.engine import QueryEngine
from nemeton.query.spilling.config import GroupByQueryConfig, ProcessingBufferConfig, ProcessingFolderConfig
from nemeton.query.spilling.stats import GroupByStats
from nemeton.spi.lookups import LookupProvider


class QueryModule(Module):
    """Binds the `QueryEngine`."""

    def configure(self, binder: Binder) -> None:
        """One engine for the role; ``druid.query.groupBy.*`` and what bounds its merging."""
        binder.bind_config("druid.query.groupBy", GroupByQueryConfig)
        binder.bind_config("druid.processing.buffer", ProcessingBufferConfig)
        binder.bind_config("druid.processing", ProcessingFolderConfig)
        binder.bind(GroupByStats)
        binder.bind(QueryEngine, provider=make_engine)


def make_engine(
    registry: TypeRegistry,
    group_by: GroupByQueryConfig,
    buffer: ProcessingBufferConfig,
    folder: ProcessingFolderConfig,
    stats: GroupByStats,
    lookups: LookupProvider | None = None,
) -> QueryEngine:
    """The engine; it learns the extensions' expression functions at its first query."""
    from nemeton.query.spilling.merger import MergeSettings

    return QueryEngine(registry, lookups, MergeSettings(group_by, buffer, folder, stats))
