"""Clearing away what workers leave in ZooKeeper, also when nobody reads it there."""

from __future__ import annotations

import logging
import threading

from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.indexing.overlord.storage import TaskStorage

log = logging.getLogger(__name__)


class StatusNodeCleaner:
    """Deletes status nodes of tasks that are not active. Workers write them whatever runner the Overlord has.

    Connects to nothing: without a connection that the role has anyway there is nothing to do.
    """

    def __init__(self, zookeeper: ZooKeeper, storage: TaskStorage) -> None:
        self._zookeeper = zookeeper
        self._storage = storage

    def clean(self, stop: threading.Event) -> int:
        """Delete them; return how many. Raises kazoo's exceptions; it may be done again at any time."""
        if self._zookeeper.session_id is None:
            return 0
        from kazoo.exceptions import NoNodeError

        client, base = self._zookeeper.client, self._zookeeper.indexer_paths.status_path
        try:
            hosts = client.get_children(base)
        except NoNodeError:
            return 0
        # read before the store is: a task that is added in between is not among them
        nodes = [(host, task_id) for host in hosts for task_id in self._children(f"{base}/{host}")]
        active = {info.id for info in self._storage.get_active_infos()} if nodes else set()
        deleted = 0
        for host, task_id in nodes:
            if stop.is_set():
                break
            if task_id not in active:
                try:
                    client.delete(f"{base}/{host}/{task_id}")
                    deleted += 1
                except NoNodeError:
                    log.debug("The status node of task [%s] is gone already", task_id)
        return deleted

    def _children(self, path: str) -> list[str]:
        from kazoo.exceptions import NoNodeError

        try:
            return list(self._zookeeper.client.get_children(path))
        except NoNodeError:
            return []
