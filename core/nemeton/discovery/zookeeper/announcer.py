"""Keeps ephemeral nodes in ZooKeeper: whatever takes them away, they come back until they are taken back."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Any

from attrs import define

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper
from nemeton.discovery.zookeeper.encoding import compress as gzip
from nemeton.lifecycle import lifecycle_stop

log = logging.getLogger(__name__)


@define
class _Announcement:
    data: bytes
    compress: bool
    container: bool

    @property
    def encoded(self) -> bytes:
        return gzip(self.data) if self.compress else self.data


class Announcer(SessionListener):
    """Announces by ephemeral nodes (Druid's class of that name). Thread-safe.

    A node that vanishes, because the session was lost or somebody deleted it, is made again with the newest content.
    A node of the same path that another session left is waited for; it goes when that session ends.
    """

    def __init__(self, zookeeper: ZooKeeper, clock: Clock) -> None:
        """Connects with the first announcement."""
        self._zookeeper = zookeeper
        self._executor = ScheduledExecutor("announcer", clock)
        self._lock = threading.Lock()
        self._wanted: dict[str, _Announcement] = {}
        self._unwanted: set[str] = set()
        self._retries: dict[str, Backoff] = {}
        self._one_at_a_time = threading.RLock()
        self._listening = False

    def announce(self, path: str, data: bytes, *, compress: bool = False, container: bool = False) -> None:
        """Make the node and keep it; what is announced there already is replaced.

        With ``compress`` it holds gzip, where ``druid.zk.service.compress`` allows that. Missing parents are made and
        stay; with ``container`` they are containers, which go some time after their last child.

        Returns when the node is there, or when it cannot be made now and will be tried for in the background. Raises a
        `DruidException` when ZooKeeper is not there at the first announcement.
        """
        self._connect()
        with self._lock:
            self._wanted[path] = _Announcement(data, compress and self._zookeeper.config.compress, container)
            self._unwanted.discard(path)
        self._do(path)

    def update(self, path: str, data: bytes) -> None:
        """Change the content of an announced node. Raises ValueError when it is not announced."""
        with self._lock:
            known = self._wanted.get(path)
            if known is None:
                raise ValueError(f"Cannot update path[{path}] that hasn't been announced!")
            self._wanted[path] = _Announcement(data, known.compress, known.container)
        self._do(path)

    def unannounce(self, path: str) -> None:
        """Take the node back; does nothing when it is not announced."""
        with self._lock:
            if self._wanted.pop(path, None) is None:
                return
            self._unwanted.add(path)
        self._do(path)

    @property
    def announced(self) -> dict[str, bytes]:
        """What is announced: path and content."""
        with self._lock:
            return {path: announcement.data for path, announcement in self._wanted.items()}

    @lifecycle_stop
    def stop(self) -> None:
        """Take everything back, the last announced first."""
        self._zookeeper.remove_session_listener(self)
        for path in reversed(self.announced):
            self.unannounce(path)
        self._executor.shutdown()

    def reconnected(self) -> None:
        """Look after every node: those of a lost session are made again."""
        with self._lock:
            paths = [*self._wanted, *self._unwanted]
        for path in paths:
            self._later(path, 0)

    # ---- one node

    def _connect(self) -> None:
        self._zookeeper.client  # noqa: B018 - waits for the first connection
        with self._lock:
            if not self._listening:
                self._listening = True
                self._zookeeper.add_session_listener(self)

    def _do(self, path: str) -> None:
        """Bring ZooKeeper into the state that is wanted; what fails is tried again."""
        from kazoo.exceptions import KazooException

        if not self._zookeeper.is_live():
            self._retry(path, "the session is suspended")
            return
        try:
            with self._one_at_a_time:
                self._bring_about(path)
        except KazooException as failure:
            self._retry(path, repr(failure))
        else:
            self._retries.pop(path, None)

    def _bring_about(self, path: str) -> None:
        from nemeton.discovery.zookeeper.ephemeral import Put, put, remove

        with self._lock:
            announcement = self._wanted.get(path)
            unwanted = path in self._unwanted
        if announcement is not None:
            watch = partial(self._touched, path)
            outcome = put(self._zookeeper, path, announcement.encoded, watch, container=announcement.container)
            if outcome is Put.FOREIGN:
                log.warning("Another session has node [%s]; it is made when that one goes", path)
            elif outcome is Put.CONTESTED:
                self._retry(path, "it keeps changing")
        elif unwanted:
            remove(self._zookeeper, path)
            with self._lock:
                self._unwanted.discard(path)

    def _touched(self, path: str, event: Any) -> None:
        """On kazoo's thread: the node has changed, or the connection has gone (then `reconnected` will come)."""
        if event.type != "NONE":
            self._later(path, 0)

    def _retry(self, path: str, why: str) -> None:
        delay_s = self._retries.setdefault(path, Backoff(initial_s=0.2, max_s=5.0)).next_delay()
        log.log(
            logging.WARNING if self._zookeeper.is_live() else logging.DEBUG,
            "Node [%s] cannot be brought up to date, tried again in %.1f s: %s",
            path,
            delay_s,
            why,
        )
        self._later(path, delay_s)

    def _later(self, path: str, delay_s: float) -> None:
        if not self._executor.schedule_if_running(partial(self._do, path), delay_s):
            log.debug("The announcer is stopped; node [%s] is left to its session", path)
