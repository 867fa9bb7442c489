"""The nodes below ``/druid/indexer`` that Overlord and workers share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.encoding import decompress

log = logging.getLogger(__name__)

T = TypeVar("T")


class TaskTooLargeError(Exception):
    """The task's JSON is larger than ``druid.indexer.runner.maxZnodeBytes``."""


class IndexerNodes:
    """What the Overlord does to the nodes. Calls block for at most the session's time each. Thread-safe."""

    def __init__(self, zookeeper: ZooKeeper, clock: Clock, max_bytes: int) -> None:
        self._zookeeper = zookeeper
        self._clock = clock
        self._max_bytes = max_bytes

    @property
    def announcements_path(self) -> str:
        """The parent of the workers' announcements."""
        return self._zookeeper.indexer_paths.announcements_path

    def status_path(self, host: str) -> str:
        """The parent of the status nodes of a worker."""
        return f"{self._zookeeper.indexer_paths.status_path}/{host}"

    def give(self, host: str, task_id: str, payload: bytes) -> None:
        """Make the task's node, which goes with this session. One that is there already is as good.

        Raises `TaskTooLargeError`, and kazoo's exceptions.
        """
        from kazoo.exceptions import NodeExistsError

        if len(payload) > self._max_bytes:
            raise TaskTooLargeError(
                f"Length of raw bytes for task[{task_id}] too large[{len(payload)} > {self._max_bytes}]"
            )
        try:
            self._zookeeper.client.create(self._task_path(host, task_id), payload, ephemeral=True, makepath=True)
        except NodeExistsError:
            log.info("Task [%s] has been given to worker [%s] already", task_id, host)

    def given(self, host: str) -> list[str]:
        """The tasks that the worker has been given and has not taken."""
        return self._children(f"{self._zookeeper.indexer_paths.tasks_path}/{host}")

    def workers_with_status(self) -> list[str]:
        """The workers that have a folder of status nodes, whether they are there or not."""
        return self._children(self._zookeeper.indexer_paths.status_path)

    def announced_workers(self) -> list[str]:
        """The workers that are there."""
        return self._children(self.announcements_path)

    def statuses(self, host: str) -> list[str]:
        """The tasks that the worker has a status node for."""
        return self._children(self.status_path(host))

    def read_status(self, host: str, task_id: str) -> bytes | None:
        """What the task's status node holds; None when there is none."""
        from kazoo.exceptions import NoNodeError

        try:
            data, _ = self._zookeeper.client.get(f"{self.status_path(host)}/{task_id}")
        except NoNodeError:
            return None
        return decompress(data)

    def take_back(self, host: str, task_id: str) -> None:
        """Delete the task's node, if it is there."""
        self._delete(self._task_path(host, task_id))

    def delete_status(self, host: str, task_id: str) -> None:
        """Delete the task's status node, if it is there."""
        self._delete(f"{self.status_path(host)}/{task_id}")

    def delete_status_folder(self, host: str) -> None:
        """Delete the worker's status folder, if it is there and empty."""
        self._delete(self.status_path(host))

    def insist(self, work: Callable[[], T], is_wanted: Callable[[], bool], stop: threading.Event) -> T | None:
        """Do the work, again and again while ZooKeeper cannot be reached; None when it is no longer wanted.

        The work may have been done although it seemed to fail, so it must do no harm when it is done again.
        """
        from kazoo.exceptions import ConnectionClosedError, ConnectionLoss, OperationTimeoutError, SessionExpiredError

        backoff = Backoff(initial_s=0.2, max_s=10.0)
        while is_wanted() and not stop.is_set():
            try:
                return work()
            except (ConnectionClosedError, ConnectionLoss, OperationTimeoutError, SessionExpiredError) as failure:
                reason: Exception = failure
            except DruidException as failure:  # there never was a connection
                reason = failure
            log.info("ZooKeeper cannot be reached (try %d): %r", backoff.tries + 1, reason)
            self._clock.wait(stop, backoff.next_delay())
        return None

    def _task_path(self, host: str, task_id: str) -> str:
        return f"{self._zookeeper.indexer_paths.tasks_path}/{host}/{task_id}"

    def _children(self, path: str) -> list[str]:
        from kazoo.exceptions import NoNodeError

        try:
            return list(self._zookeeper.client.get_children(path))
        except NoNodeError:
            return []

    def _delete(self, path: str) -> None:
        from kazoo.exceptions import NoNodeError, NotEmptyError

        try:
            self._zookeeper.client.delete(path)
        except NoNodeError:
            log.debug("[%s] is gone already", path)
        except NotEmptyError:
            log.info("[%s] is not empty and stays", path)
