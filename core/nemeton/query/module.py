"""The bindings of the query room."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.plugins import TypeRegistry
from nemeton.query.engine import QueryEngine
from nemeton.spi.lookups import LookupProvider


class QueryModule(Module):
    """Binds the `QueryEngine`."""

    def configure(self, binder: Binder) -> None:
        """One engine for the process."""
        binder.bind(QueryEngine, provider=make_engine)


def make_engine(registry: TypeRegistry, lookups: LookupProvider | None = None) -> QueryEngine:
    """The engine; it learns the extensions' expression functions at its first query."""
    return QueryEngine(registry, lookups)
