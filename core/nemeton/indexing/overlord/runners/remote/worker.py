"""A worker that is followed through its status nodes."""

from __future__ import annotations

from collections.abc import Callable

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.model import Worker

#: Called on the thread of the cache: worker, task id, content.
OnStatus = Callable[["ZkWorkerHolder", str, bytes], None]


class ZkWorkerHolder(WorkerHolder, ChildrenListener):
    """A worker and the cache of its status nodes.

    It takes tasks as long as it is there; disabled ones have an empty version, which strategies refuse. What is heard
    after ``is_followed`` has become false does not count.
    """

    def __init__(
        self,
        worker: Worker,
        now: int,
        on_status: OnStatus,
        on_removed: OnStatus,
        on_initialized: Callable[[ZkWorkerHolder], None],
    ) -> None:
        super().__init__(worker, now, is_ready=True)
        self._on_status = on_status
        self._on_removed = on_removed
        self._on_initialized = on_initialized
        self._cache: ChildrenCache | None = None
        self.is_followed = True

    def follow(self, zookeeper: ZooKeeper, path: str, clock: Clock, executor: ScheduledExecutor) -> None:
        """Begin to follow the status nodes, on the executor's thread."""
        self._cache = ChildrenCache(zookeeper, path, self, clock, executor)
        self._cache.start()

    def stop(self) -> None:
        """Follow it no more."""
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()

    def child_added(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`."""
        self._on_status(self, name, data)

    def child_updated(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`."""
        self._on_status(self, name, data)

    def child_removed(self, name: str, data: bytes) -> None:
        """See :class:`ChildrenListener`."""
        self._on_removed(self, name, data)

    def initialized(self) -> None:
        """See :class:`ChildrenListener`."""
        self._on_initialized(self)
