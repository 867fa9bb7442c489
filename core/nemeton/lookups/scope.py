"""For whom a node loads lookups."""

from __future__ import annotations

from attrs import define

from nemeton.spi.indexing import Task
from nemeton.spi.lookup_loading import LOAD_ALL, LookupLoadingSpec


@define
class LookupScope:
    """Of a peon what its task says, set before anything is loaded; any other node loads all lookups of its tier."""

    data_source: str | None = None
    loading: LookupLoadingSpec = LOAD_ALL
    is_peon: bool = False

    def enter_task(self, task: Task) -> None:
        """Take what a peon's task says of lookups; in other processes nothing. Raises for a context without sense."""
        if self.is_peon:
            self.data_source = task.data_source
            self.loading = task.lookup_loading_spec
