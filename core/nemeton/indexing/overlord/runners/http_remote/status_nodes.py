"""Clearing away what workers leave in ZooKeeper, also when nobody reads it there."""

from __future__ import annotations

import threading

from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.indexing.overlord.runners.remote.nodes import IndexerNodes
from nemeton.indexing.overlord.storage import TaskStorage


class StatusNodeCleaner:
    """Deletes status nodes of tasks that are not active. Workers write them whatever runner the Overlord has.

    Connects to nothing: without a connection that the role has anyway there is nothing to do.
    """

    def __init__(self, zookeeper: ZooKeeper, nodes: IndexerNodes, storage: TaskStorage) -> None:
        self._zookeeper = zookeeper
        self._nodes = nodes
        self._storage = storage

    def clean(self, stop: threading.Event) -> None:
        """Delete them. Raises kazoo's exceptions; it may be done again at any time."""
        if self._zookeeper.session_id is None:
            return
        # read before the store is: a task that is added in between is not among them
        nodes = [(host, id_) for host in self._nodes.workers_with_status() for id_ in self._nodes.statuses(host)]
        active = {info.id for info in self._storage.get_active_infos()} if nodes else set()
        for host, task_id in nodes:
            if stop.is_set():
                break
            if task_id not in active:
                self._nodes.delete_status(host, task_id)
