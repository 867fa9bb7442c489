"""``WorkerCuratorCoordinator``: a worker's nodes in ZooKeeper, for Overlords whose runner is ``remote``.

::

    <tasks>/<worker>                persistent
    <tasks>/<worker>/<id>           the Overlord's, ephemeral: a task that the worker should take
    <status>/<worker>               persistent
    <status>/<worker>/<id>          persistent: what has become of the task
    <announcements>/<worker>        ephemeral: the worker
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from nemeton.common.clock import Clock
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import make_path
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.encoding import decompress
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.json import Json
from nemeton.model import Worker
from nemeton.time import format_datetime

log = logging.getLogger(__name__)

#: The version of a worker that takes no tasks.
DISABLED_VERSION = ""


class WorkerCuratorCoordinator:
    """Reads and writes the worker's nodes. Raises kazoo's exceptions when ZooKeeper cannot be asked. Thread-safe."""

    def __init__(self, worker: Worker, zookeeper: ZooKeeper, announcer: Announcer, json: Json, clock: Clock) -> None:
        """Connects with the first call."""
        self._worker = worker
        self._zookeeper = zookeeper
        self._announcer = announcer
        self._json = json
        self._clock = clock
        paths = zookeeper.indexer_paths
        self.tasks_path = make_path(str(paths.tasks_path), worker.host)
        self.status_path = make_path(str(paths.status_path), worker.host)
        self.announcement_path = make_path(str(paths.announcements_path), worker.host)

    def make_folders(self) -> None:
        """Make the persistent nodes, where they are missing."""
        for path in (self.tasks_path, self.status_path):
            self._create(path, {"created": format_datetime(self._clock.now())})

    def announce(self, *, enabled: bool) -> None:
        """Announce the worker, as one that takes tasks or none, until `unannounce`."""
        version = self._worker.version if enabled else DISABLED_VERSION
        data = self._json.dumps(evolve(self._worker, version=version))
        self._announcer.announce(self.announcement_path, data, compress=True)

    def unannounce(self) -> None:
        """Take the worker's announcement back."""
        self._announcer.unannounce(self.announcement_path)

    def announcements(self) -> Iterator[TaskAnnouncement]:
        """The status nodes that there are; one that cannot be read is logged and passed over."""
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        for name in client.get_children(self.status_path):
            with contextlib.suppress(NoNodeError):  # the Overlord has removed it meanwhile
                data, _ = client.get(make_path(self.status_path, name))
                try:
                    announcement: TaskAnnouncement = self._json.loads(decompress(data), TaskAnnouncement)
                except Exception:
                    log.exception("The status node [%s] cannot be read; it is left alone", name)
                else:
                    yield announcement

    def write_status(self, announcement: TaskAnnouncement) -> None:
        """Make or change the task's status node."""
        path = make_path(self.status_path, announcement.id)
        if not self._create(path, announcement):
            self._zookeeper.client.set(path, self._json.dumps(announcement))

    def remove_status(self, task_id: str) -> None:
        """Remove the task's status node, if it is there."""
        self._remove(make_path(self.status_path, task_id))

    def remove_task(self, task_id: str) -> None:
        """Remove the node by which the Overlord asked for the task: the worker has it. Fine if it is not there."""
        self._remove(make_path(self.tasks_path, task_id))

    def _create(self, path: str, value: Any) -> bool:
        """Make a persistent node; False when it is there."""
        from kazoo.exceptions import NodeExistsError

        try:
            self._zookeeper.client.create(path, self._json.dumps(value), makepath=True)
        except NodeExistsError:
            return False
        return True

    def _remove(self, path: str) -> None:
        from kazoo.exceptions import NoNodeError

        with contextlib.suppress(NoNodeError):
            self._zookeeper.client.delete(path)
