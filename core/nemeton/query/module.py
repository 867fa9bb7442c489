"""The bindings of the query room."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.query.engine import QueryEngine


class QueryModule(Module):
    """Binds the `QueryEngine`."""

    def configure(self, binder: Binder) -> None:
        """One engine for the process."""
        binder.bind(QueryEngine, to=QueryEngine)
