"""Which workers a task prefers, by its data source or its type, and whether it may go elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from attrs import field, frozen

from nemeton.spi.indexing import ImmutableWorkerInfo, Task

#: Some of the workers: says of each whether it is one of them.
Pool = Callable[[ImmutableWorkerInfo], bool]


def anywhere(worker: ImmutableWorkerInfo) -> bool:
    """The pool of all workers."""
    return True


@frozen(kw_only=True)
class AffinityConfig:
    """Workers (``host:port``) by data source; they are kept free of the tasks of other data sources.

    ``strong``: such a data source runs on its workers or not at all.
    """

    affinity: dict[str, list[str]]
    strong: bool = False

    def pools(self, task: Task) -> Iterator[Pool]:
        """The workers to choose among: all of one pool before any of the next."""
        own = self.affinity.get(task.data_source)
        if own is not None:
            yield lambda worker: worker.worker.host in own
            if self.strong:
                return
        yield lambda worker: worker.worker.host not in self._reserved

    @cached_property
    def _reserved(self) -> frozenset[str]:
        return frozenset(host for hosts in self.affinity.values() for host in hosts)


@frozen(kw_only=True)
class CategoryConfig:
    """The worker category of a task type: by data source, or else the default; None stands for any worker."""

    default_category: str | None = None
    category_affinity: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class WorkerCategorySpec:
    """Worker categories (``druid.worker.category``) by task type. Unlike affinity, it keeps no worker free.

    ``strong``: a task that has a category runs on its workers or not at all.
    """

    category_map: dict[str, CategoryConfig] = field(factory=dict)
    strong: bool = False

    def pools(self, task: Task) -> Iterator[Pool]:
        """The workers to choose among: all of one pool before any of the next."""
        config = self.category_map.get(task.type)
        category = config and config.category_affinity.get(task.data_source, config.default_category)
        if category is not None:
            yield lambda worker: worker.worker.category == category
            if self.strong:
                return
        yield anywhere
