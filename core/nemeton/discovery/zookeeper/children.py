"""The children of a node, kept in step with ZooKeeper (Curator's ``PathChildrenCache``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from attrs import frozen

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper
from nemeton.discovery.zookeeper.encoding import decompress

log = logging.getLogger(__name__)


class ChildrenListener:
    """Hears of children; called on the cache's thread, one call at a time. Data are given uncompressed.

    An exception is logged. Calls may ask ZooKeeper; further changes wait meanwhile.
    """

    def child_added(self, name: str, data: bytes) -> None:
        """A child has come."""

    def child_updated(self, name: str, data: bytes) -> None:
        """A child's data have been written; also when it was deleted and made again before that was seen."""

    def child_removed(self, name: str, data: bytes) -> None:
        """A child has gone; with its last known data."""

    def initialized(self) -> None:
        """All children that were there at the start have been told of; called once."""


@frozen
class _Child:
    data: bytes
    mzxid: int


class ChildrenCache(SessionListener):
    """Follows the children of one node and their data. While there is no connection they stay as they were.

    The node is made as a container where it is missing. `start` and `close` once each; otherwise thread-safe.
    """

    def __init__(
        self,
        zookeeper: ZooKeeper,
        path: str,
        listener: ChildrenListener,
        clock: Clock,
        executor: ScheduledExecutor | None = None,
    ) -> None:
        """``executor``: the cache's thread, if it is to share one with other caches; it is not shut down then."""
        self._zookeeper = zookeeper
        self.path = path
        self._listener = listener
        self._is_shared = executor is not None
        self._executor = executor or ScheduledExecutor(f"children[{path}]", clock)
        self._backoff = Backoff(initial_s=0.2, max_s=5.0)
        self._children: dict[str, _Child] = {}
        self._watches: dict[str, Callable[[Any], None]] = {}
        self._lock = threading.Lock()
        self._list_is_old = False
        self._old: set[str] = set()
        self._initialized = False
        self._closed = False

    def start(self) -> None:
        """Begin to follow; returns at once, the first view comes through the listener."""
        self._zookeeper.add_session_listener(self)
        self.reconnected()

    def close(self) -> None:
        """Follow no more; the listener is not called any more when this returns, unless it hangs or shares a thread."""
        self._closed = True
        self._zookeeper.remove_session_listener(self)
        if not self._is_shared:
            self._executor.shutdown(timeout_s=1.0)

    @property
    def children(self) -> dict[str, bytes]:
        """The children known, by name, with their data, as of now."""
        return {name: child.data for name, child in list(self._children.items())}

    def reconnected(self) -> None:
        """Look at everything again: the watches went with the connection."""
        self._changed(None, *list(self._children))

    # ---- what is old; from any thread

    def _changed(self, event: Any, *names: str) -> None:
        """The list of children, or the children named, have to be read again."""
        if event is not None and event.type == "NONE":  # the connection has gone; `reconnected` will come
            return
        with self._lock:
            self._list_is_old |= event is None or event.type in ("CHILD", "DELETED")
            self._old.update(names)
        self._later(0)

    def _later(self, delay_s: float) -> None:
        if not self._executor.schedule_if_running(self._catch_up, delay_s):
            log.debug("The children of [%s] are followed no more", self.path)

    # ---- catching up; on the cache's thread

    def _catch_up(self) -> None:
        with self._lock:
            list_is_old, self._list_is_old = self._list_is_old, False
            old, self._old = self._old, set()
        if self._closed or not (list_is_old or old):
            return
        try:
            if list_is_old:
                old |= self._list()
            self._read(old)
        except Exception as failure:  # noqa: BLE001 - whatever it is, nobody else would look again
            delay_s = self._backoff.next_delay()
            log.info("The children of [%s] cannot be read, tried again in %.1f s: %r", self.path, delay_s, failure)
            with self._lock:
                self._list_is_old |= list_is_old
                self._old |= old
            self._later(delay_s)
            return
        self._backoff.reset()
        if not self._initialized:
            self._initialized = True
            self._tell(self._listener.initialized)

    def _list(self) -> set[str]:
        """Tell of those that have gone; returns those that are new."""
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        try:
            names = set(client.get_children(self.path, watch=self._changed))
        except NoNodeError:
            client.ensure_container(self.path)
            names = set(client.get_children(self.path, watch=self._changed))
        for name in self._children.keys() - names:
            self._gone(name)
        return names - self._children.keys()

    def _read(self, names: set[str]) -> None:
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        asked = [(name, client.get_async(f"{self.path}/{name}", watch=self._watch(name))) for name in sorted(names)]
        for name, result in asked:
            try:
                data, stat = result.get()
            except NoNodeError:
                self._gone(name)
            else:
                self._seen(name, _Child(_plain(data), stat.mzxid))

    def _watch(self, name: str) -> Callable[[Any], None]:
        """The same function each time: kazoo calls equal watches of a node once."""
        return self._watches.setdefault(name, lambda event: self._changed(event, name))

    def _seen(self, name: str, child: _Child) -> None:
        known = self._children.get(name)
        if known is not None and known.mzxid == child.mzxid:
            return
        self._children[name] = child
        if known is None:
            self._tell(lambda: self._listener.child_added(name, child.data))
        else:
            self._tell(lambda: self._listener.child_updated(name, child.data))

    def _gone(self, name: str) -> None:
        self._watches.pop(name, None)
        known = self._children.pop(name, None)
        if known is not None:
            self._tell(lambda: self._listener.child_removed(name, known.data))

    def _tell(self, call: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            call()
        except Exception:
            log.exception("A listener of the children of [%s] failed", self.path)


def _plain(data: bytes) -> bytes:
    try:
        return decompress(data)
    except ValueError:
        return data  # whoever reads it will say what is wrong with it
