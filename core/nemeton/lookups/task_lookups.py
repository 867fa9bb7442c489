"""The lookups of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nemeton.inject import Provider
from nemeton.lookups.manager import LookupReferencesManager
from nemeton.lookups.scope import LookupScope
from nemeton.query.lookups import lookups_in_use
from nemeton.spi.indexing import Task
from nemeton.spi.lookups import LookupExtractor, LookupProvider


class LookupsWhenAsked:
    """The `LookupProvider` of a peon: what asks for none, as most tasks, loads none and asks no Coordinator."""

    def __init__(self, manager: Provider[LookupReferencesManager]) -> None:
        self._manager = manager

    def get(self, name: str) -> LookupExtractor | None:
        """See `LookupProvider`."""
        return self._manager().get(name)

    def names(self) -> list[str]:
        """See `LookupProvider`."""
        return self._manager().names()


@contextmanager
def lookups_of_task(task: Task, injector: Any) -> Iterator[None]:
    """Within it the task finds the lookups of its process. ``injector``: the process's, or None where there is none."""
    if injector is None or not injector.has(LookupProvider):
        yield
        return
    injector.get(LookupScope).enter_task(task)
    with lookups_in_use(injector.get(LookupProvider)):
        yield
